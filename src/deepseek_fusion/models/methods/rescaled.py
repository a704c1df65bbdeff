"""Methods that change more than a low-rank update can say.

Shape suffixes: N tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.models.methods.adapted import AdaptedLinear
from deepseek_fusion.models.methods.low_rank import LoraLinear, LowRank

TINY = 1e-12


class DoraLinear(LoraLinear):
    """Direction and magnitude apart: m (W + s B A) / |W + s B A|, by rows (Liu et al. 2024, arXiv 2402.09353).

    As in the paper, no gradient goes through the norm.
    """

    trained = ("lora_A", "lora_B", "magnitude")
    additive = False

    def begin(self, rank: int, generator: torch.Generator) -> None:
        """Magnitudes begin as those of the base."""
        super().begin(rank, generator)
        self.squares = nn.Buffer(self.weight.detach().float().square().sum(1), persistent=False)
        self.magnitude = nn.Parameter(self.norms(self.lora_B))

    @torch.no_grad()
    def norms(self, b_OR: Tensor) -> Tensor:
        """|W + s B A| of each row, [O], without making that matrix."""
        a_RI = self.lora_A
        cross_OR = (self.weight @ a_RI.t().to(self.weight.dtype)).float()
        gain_O = self.scale * (b_OR * (2 * cross_OR + self.scale * (b_OR @ (a_RI @ a_RI.t())))).sum(1)
        return (self.squares + gain_O).clamp_min(TINY).sqrt()

    def adapted(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        sum_NO: Tensor = LowRank.apply(  # type: ignore[no-untyped-call]
            x, self.weight, None, self.lora_A, self.lora_B, self.scale
        )
        scaled = sum_NO * (self.magnitude / self.norms(self.lora_B)).to(sum_NO.dtype)
        return scaled if self.bias is None else scaled + self.bias

    def merged(self) -> Tensor:
        """The rows of the sum at their magnitudes."""
        return super().merged() * (self.magnitude.detach() / self.norms(self.lora_B))[:, None]

    def stored(self, share: float) -> dict[str, Tensor]:
        """Factors and magnitudes. A share k of the change is W + k (d (W + s B A) - W) with d = m / |W + s B A|, which
        is a DoRA again: e (W + s (k d / e) B A) with e = 1 + k (d - 1)."""
        now_O = self.magnitude.detach() / self.norms(self.lora_B)
        then_O = 1 + share * (now_O - 1)
        b_OR = self.lora_B.detach() * (share * now_O / then_O)[:, None]
        magnitude = then_O * self.norms(b_OR)
        return {"lora_A.weight": self.lora_A.detach(), "lora_B.weight": b_OR, "lora_magnitude_vector": magnitude}

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Factors and magnitudes."""
        super().restore(stored)
        self.magnitude.copy_(stored["lora_magnitude_vector"])

    @staticmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """Factors and magnitudes."""
        return rank * (outputs + inputs) + outputs


class FullLinear(AdaptedLinear):
    """Every weight of the layer trains."""

    trained = ("full",)

    def __init__(self, base: nn.Linear, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__(base)
        self.full = nn.Parameter(self.weight.detach().float().clone())

    def adapted(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        return F.linear(x, self.full.to(x.dtype), self.bias)

    def merged(self) -> Tensor:
        """What was trained."""
        return self.full.detach()

    def stored(self, share: float) -> dict[str, Tensor]:
        """The whole layer."""
        weight = torch.lerp(self.weight.detach().float(), self.full.detach(), share)
        return {"weight": weight} | ({} if self.bias is None else {"bias": self.bias.detach()})

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """The weight; the bias is that of the base."""
        self.full.copy_(stored["weight"])

    @staticmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """All of it."""
        return outputs * inputs
