"""Adapters on routed experts, each with factors of its own, which are never multiplied out.

Shape suffixes: N tokens, K experts a token is sent to, S = N K rows sorted by expert, E experts, D hidden size, I inner
size, O outputs, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.models.methods.adapted import Adapted

PARTS = {"gate_up_proj": "base_layer.", "down_proj": ""}
"""The weights of a block of experts, and what PEFT, which wraps one in the other, puts before the names of factors."""
ALIGNED = 8
"""Grouped products want rows of a multiple of 16 bytes, which are 8 numbers of 16 bits."""
Factors = tuple[Tensor, Tensor]


def holds_experts(module: nn.Module) -> bool:
    """Whether it is a block of gated experts as transformers stores them: [E, 2I, D] and [E, D, I], without biases."""
    weights = [getattr(module, name, None) for name in PARTS]
    strange = any(getattr(module, name, False) for name in ("is_transposed", "has_bias", "has_post_expert_norm"))
    usual = getattr(module, "has_gate", True) and getattr(module, "is_concatenated", True)
    return all(isinstance(own, nn.Parameter) and own.ndim == 3 for own in weights) and usual and not strange


class LoraExperts(Adapted):
    """Low-rank updates s B_e A_e (Hu et al. 2021, arXiv 2106.09685) of both weights of every expert e.

    Tokens are sorted by expert, and each factor is one grouped product; PEFT's adapter makes every expert's whole
    update in each step instead.
    """

    trained: ClassVar[tuple[str, ...]] = ("gate_up_A", "gate_up_B", "down_A", "down_B")

    def __init__(self, base: nn.Module, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.base_layer: Any = base
        plain = self.plain(config)
        self.scale = plain.alpha / plain.rank
        self.gate_up_A, self.gate_up_B = _fresh(base.gate_up_proj, config.rank, generator)  # type: ignore[arg-type]
        self.down_A, self.down_B = _fresh(base.down_proj, config.rank, generator)  # type: ignore[arg-type]

    @staticmethod
    def plain(config: LoraConfig) -> LoraConfig:
        """An alpha that gives the scale of the method."""
        if config.method == "lora":
            return config
        return config.model_copy(update={"method": "lora", "alpha": config.alpha * math.sqrt(config.rank)})

    @staticmethod
    def size(rank: int, base: nn.Module) -> int:
        """Trainable parameters on such a block."""
        weights: list[Tensor] = [getattr(base, name) for name in PARTS]
        return sum(rank * len(weight) * (weight.shape[1] + weight.shape[2]) for weight in weights)

    def forward(self, x_ND: Tensor, experts_NK: Tensor, weights_NK: Tensor) -> Tensor:
        """The weighted sum of the chosen experts, [N, D]."""
        if not self.enabled:
            plain: Tensor = self.base_layer(x_ND, experts_NK, weights_NK)
            return plain
        chosen_S, order_S = experts_NK.reshape(-1).sort(stable=True)
        ends_E = torch.bincount(chosen_S, minlength=len(self.gate_up_A)).cumsum(0).int()
        gate_up = self._product(x_ND[order_S // experts_NK.shape[1]], "gate_up", ends_E)
        gate, up = gate_up.chunk(2, -1)
        y_SD = self._product(self.base_layer.act_fn(gate) * up, "down", ends_E)
        y_NKD = y_SD[order_S.argsort()].view(*experts_NK.shape, -1) * weights_NK[..., None]
        return y_NKD.sum(1).to(x_ND.dtype)

    def _product(self, x_SI: Tensor, part: str, ends_E: Tensor) -> Tensor:
        weight_EOI: Tensor = getattr(self.base_layer, f"{part}_proj")
        y_SO = F.grouped_mm(x_SI, weight_EOI.mT, offs=ends_E)
        a_ERI, b_EOR = (factor.to(x_SI.dtype) for factor in self.factors(part))
        if missing := -a_ERI.shape[1] % ALIGNED:
            a_ERI, b_EOR = F.pad(a_ERI, (0, 0, 0, missing)), F.pad(b_EOR, (0, missing))
        return y_SO + F.grouped_mm(F.grouped_mm(x_SI, a_ERI.mT, offs=ends_E), b_EOR.mT, offs=ends_E) * self.scale

    def factors(self, part: str) -> Factors:
        """A [E, R, I] and B [E, O, R] of `gate_up` or `down`."""
        return getattr(self, f"{part}_A"), getattr(self, f"{part}_B")

    @torch.no_grad()
    def folded(self) -> nn.Module:
        """The block with the updates in its weights, in their precision."""
        for name in PARTS:
            weight: Tensor = getattr(self.base_layer, name)
            a_ERI, b_EOR = self.factors(name.removesuffix("_proj"))
            whole = torch.baddbmm(weight.float(), b_EOR, a_ERI, alpha=self.scale)
            setattr(self.base_layer, name, nn.Parameter(whole.to(weight.dtype), requires_grad=False))
        layer: nn.Module = self.base_layer
        return layer

    def stored(self, share: float) -> dict[str, Tensor]:
        """Both factors of both weights; `share` is in B."""
        stored = {}
        for name, before in PARTS.items():
            a_ERI, b_EOR = (factor.detach() for factor in self.factors(name.removesuffix("_proj")))
            stored[f"{before}lora_A.weight"] = a_ERI.flatten(0, 1)
            stored[f"{before}lora_B.weight"] = b_EOR.permute(1, 2, 0).flatten(1) * share
        return stored

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Both factors of both weights."""
        for name, before in PARTS.items():
            a_ERI, b_EOR = self.factors(name.removesuffix("_proj"))
            experts, outputs, rank = b_EOR.shape
            a_ERI.copy_(stored[f"{before}lora_A.weight"].view_as(a_ERI))
            b_EOR.copy_(stored[f"{before}lora_B.weight"].view(outputs, rank, experts).permute(2, 0, 1))


def _fresh(weight_EOI: Tensor, rank: int, generator: torch.Generator) -> tuple[nn.Parameter, nn.Parameter]:
    experts, outputs, inputs = weight_EOI.shape
    bound = 1 / math.sqrt(inputs)  # as on linear layers
    a = torch.empty(experts, rank, inputs).uniform_(-bound, bound, generator=generator)
    device = weight_EOI.device
    return nn.Parameter(a.to(device)), nn.Parameter(torch.zeros(experts, outputs, rank, device=device))
