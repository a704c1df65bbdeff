"""Methods for linear layers that are a LoRA as they stand.

The base weight is never changed: a method that starts from parts of it counts what its factors became minus what they
were. So all but two methods are, once trained, a low-rank update B A of the base, which any loader of LoRA applies.

Shape suffixes: N tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.models.methods.adapted import AdaptedLinear


class LowRank(torch.autograd.Function):
    """y = x Wᵀ + s (x Aᵀ) Bᵀ with frozen W: no gradient of W, and only x and x Aᵀ are kept for backward."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight_OI: Tensor, bias_O: Tensor | None, a_RI: Tensor, b_OR: Tensor, scale: float
    ) -> Tensor:
        x_NI = x.reshape(-1, x.shape[-1])
        a = a_RI.to(weight_OI.dtype)
        b = b_OR.to(weight_OI.dtype) * scale
        low_NR = x_NI @ a.t()
        y_NO = F.linear(x_NI, weight_OI, bias_O).addmm_(low_NR, b.t())
        ctx.save_for_backward(x_NI, weight_OI, a, b, low_NR)
        ctx.scale, ctx.shape = scale, x.shape
        return y_NO.view(*x.shape[:-1], weight_OI.shape[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        x_NI, weight_OI, a, b, low_NR = ctx.saved_tensors
        grad_NO = grad.reshape(-1, grad.shape[-1])
        grad_NR = grad_NO @ b
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.mm(grad_NO, weight_OI).addmm_(grad_NR, a).view(ctx.shape)
        grad_a = (grad_NR.t() @ x_NI).float()
        grad_b = (grad_NO.t() @ low_NR).float().mul_(ctx.scale)
        return grad_x, None, None, grad_a, grad_b, None


class LoraLinear(AdaptedLinear):
    """A low-rank update s B A (Hu et al. 2021, arXiv 2106.09685).

    Attributes:
        additive: whether the output is that of the base plus that of `factors`.
    """

    trained: ClassVar[tuple[str, ...]] = ("lora_A", "lora_B")
    additive: ClassVar[bool] = True
    lora_A: Tensor
    lora_B: Tensor

    def __init__(self, base: nn.Linear, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__(base)
        plain = self.plain(config)
        self.scale = plain.alpha / plain.rank
        self.begin(config.rank, generator)

    def begin(self, rank: int, generator: torch.Generator) -> None:
        """Make the factors, so that nothing is changed yet."""
        outputs, inputs = self.weight.shape
        bound = 1 / math.sqrt(inputs)  # Kaiming uniform with a = sqrt(5), as PEFT initialises A
        a = torch.empty(rank, inputs).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(a.to(self.weight.device))
        self.lora_B = nn.Parameter(torch.zeros(outputs, rank, device=self.weight.device))

    def factors(self) -> tuple[Tensor, Tensor]:
        """A [R, I] and B [O, R] of the update."""
        return self.lora_A, self.lora_B

    def adapted(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        result: Tensor = LowRank.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, *self.factors(), self.scale
        )
        return result

    def update(self) -> Tensor:
        """The full update s B A, [O, I], float32."""
        a_RI, b_OR = self.factors()
        return self.scale * (b_OR.detach() @ a_RI.detach())

    def merged(self) -> Tensor:
        """The base plus the update."""
        return self.weight.detach().float() + self.update()

    def stored(self, share: float) -> dict[str, Tensor]:
        """Both factors; `share` is in B."""
        a_RI, b_OR = self.factors()
        return {"lora_A.weight": a_RI.detach(), "lora_B.weight": b_OR.detach() * share}

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Both factors."""
        self.lora_A.copy_(stored["lora_A.weight"])
        self.lora_B.copy_(stored["lora_B.weight"])

    @staticmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """Both factors."""
        return rank * (outputs + inputs)


class RsLoraLinear(LoraLinear):
    """Rank-stabilised: scaled by alpha over the root of the rank (Kalajdzievski 2023, arXiv 2312.03732)."""

    @staticmethod
    def plain(config: LoraConfig) -> LoraConfig:
        """An alpha that gives the same scale."""
        return config.model_copy(update={"method": "lora", "alpha": config.alpha * math.sqrt(config.rank)})


class MissLinear(LoraLinear):
    """Matrix shard sharing (Kang & Yin 2024, arXiv 2409.15371): one trained block, used for every R inputs in turn.

    That is a LoRA whose A adds up the inputs of each place in a block, and is not trained.
    """

    trained = ("lora_B",)

    def begin(self, rank: int, generator: torch.Generator) -> None:
        """A is made of unit matrices side by side."""
        outputs, inputs = self.weight.shape
        device = self.weight.device
        self.lora_A = nn.Buffer(torch.eye(rank, device=device).repeat(1, -(-inputs // rank))[:, :inputs].contiguous())
        self.lora_B = nn.Parameter(torch.zeros(outputs, rank, device=device))

    @staticmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """The block."""
        return rank * outputs

    @staticmethod
    def most(outputs: int, inputs: int) -> float:
        """One block."""
        return inputs

    @staticmethod
    def plain(config: LoraConfig) -> LoraConfig:
        """It has no alpha: the scale is 1."""
        return config.model_copy(update={"method": "lora", "alpha": float(config.rank)})
