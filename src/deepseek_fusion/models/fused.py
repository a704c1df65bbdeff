"""Pieces of a decoder layer as single steps of autograd: fewer passes over memory, and less kept for backward.

They compute what the library's modules compute, for frozen norms and for the gated MLP of Llama, Qwen2 and the dense
layers of DeepSeek with adapters on all three of its projections. Everything else stays as it is.

Shape suffixes: N tokens, D hidden size, I inner size, R rank.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import SiLUActivation

from deepseek_fusion.models.methods.low_rank import LoraLinear

NORMS = {"LlamaRMSNorm", "Qwen2RMSNorm", "DeepseekV2RMSNorm", "DeepseekV3RMSNorm"}


def fuse(model: nn.Module, gated: bool = True) -> None:
    """Replace what can be replaced, in place; gated MLPs only if asked to. Adapter factors keep their names."""
    for name, module in list(model.named_modules()):
        parent, _, leaf = name.rpartition(".")
        if type(module).__name__ in NORMS:
            setattr(model.get_submodule(parent), leaf, FusedNorm(module))
        elif gated and _gated(module):
            setattr(model.get_submodule(parent), leaf, FusedMLP(module))


class FusedNorm(nn.Module):
    """Root mean square norm (Zhang & Sennrich 2019, arXiv 1910.07467) with a frozen weight, in float32."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight: nn.Parameter = norm.weight
        self.epsilon = float(norm.variance_epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        result: Tensor = _Norm.apply(x, self.weight, self.epsilon)  # type: ignore[no-untyped-call]
        return result


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_D: Tensor, epsilon: float) -> Tensor:
        wide = x.float()
        scale: Tensor = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        scale.add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, scale, weight_D)
        return (wide * scale).to(x.dtype).mul_(weight_D)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        x, scale, weight_D = ctx.saved_tensors
        wide, inner = x.float(), (grad * weight_D).float()
        along = (inner * wide).sum(-1, keepdim=True).mul_(scale.square()).div_(x.shape[-1])
        return torch.addcmul(inner, wide, along, value=-1).mul_(scale).to(x.dtype), None, None


class FusedMLP(nn.Module):
    """down(silu(gate x) * up x) with an adapter on each: gate and up are one product, activations are made again."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = mlp.gate_proj, mlp.up_proj, mlp.down_proj
        stacked = torch.cat([self.gate_proj.weight.data, self.up_proj.weight.data])
        self.gate_proj.weight.data, self.up_proj.weight.data = stacked.chunk(2)
        self.stacked = nn.Buffer(stacked, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        layers = (self.gate_proj, self.up_proj, self.down_proj)
        if not all(isinstance(layer, LoraLinear) and layer.enabled for layer in layers):
            down: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
            return down
        factors = [factor for layer in layers for factor in layer.factors()]
        result: Tensor = _MLP.apply(  # type: ignore[no-untyped-call]
            x, self.stacked, self.down_proj.weight, self.gate_proj.scale, *factors
        )
        return result


class _MLP(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, both_ID: Tensor, down_DI: Tensor, scale: float, *factors: Tensor) -> Tensor:
        gate_a, gate_b, up_a, up_b, down_a, down_b = (factor.to(down_DI.dtype) for factor in factors)
        x_ND, rank = x.reshape(-1, x.shape[-1]), len(gate_a)
        a_RD = torch.cat([gate_a, up_a])
        low_NR = x_ND @ a_RD.t()
        both_NI = x_ND @ both_ID.t()
        gate, up = both_NI.chunk(2, 1)
        gate.addmm_(low_NR[:, :rank], gate_b.t(), alpha=scale)
        up.addmm_(low_NR[:, rank:], up_b.t(), alpha=scale)
        inner_NI = F.silu(gate).mul_(up)
        down_NR = inner_NI @ down_a.t()
        y_ND = (inner_NI @ down_DI.t()).addmm_(down_NR, down_b.t(), alpha=scale)
        ctx.save_for_backward(x_ND, both_ID, down_DI, a_RD, gate_b, up_b, down_a, down_b, low_NR, both_NI, down_NR)
        ctx.scale, ctx.shape = scale, x.shape
        return y_ND.view(x.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, both_ID, down_DI, a_RD, gate_b, up_b, down_a, down_b, low_NR, both_NI, down_NR = ctx.saved_tensors
        scale, rank, grad_ND = ctx.scale, gate_b.shape[1], grad.reshape(x_ND.shape)
        gate, up = both_NI.chunk(2, 1)
        sigmoid = torch.sigmoid(gate)
        silu = sigmoid * gate

        grad_NR = (grad_ND @ down_b).mul_(scale)
        grad_down_b = (grad_ND.t() @ down_NR).float().mul_(scale)
        grad_down_a = (grad_NR.t() @ (silu * up)).float()
        grad_NI = (grad_ND @ down_DI).addmm_(grad_NR, down_a)

        grad_both = torch.empty_like(both_NI)
        grad_gate, grad_up = grad_both.chunk(2, 1)
        torch.mul(grad_NI, silu, out=grad_up)
        slope = sigmoid.addcmul_(silu, 1 - sigmoid)  # of silu: s + x s (1 - s)
        torch.mul(grad_NI.mul_(up), slope, out=grad_gate)

        grad_gate_b = (grad_gate.t() @ low_NR[:, :rank]).float().mul_(scale)
        grad_up_b = (grad_up.t() @ low_NR[:, rank:]).float().mul_(scale)
        grad_low = torch.cat([grad_gate @ gate_b, grad_up @ up_b], 1).mul_(scale)
        grad_a = (grad_low.t() @ x_ND).float()
        grad_x = (grad_both @ both_ID).addmm_(grad_low, a_RD).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return (
            grad_x, None, None, None, grad_a[:rank], grad_gate_b, grad_a[rank:], grad_up_b, grad_down_a, grad_down_b
        )  # fmt: skip


def _gated(module: nn.Module) -> bool:
    """Whether it is a gated MLP with SiLU whose three projections add low-rank updates of one shape, without biases."""
    layers: list[Any] = [getattr(module, name, None) for name in ("gate_proj", "up_proj", "down_proj")]
    adapted = [layer for layer in layers if isinstance(layer, LoraLinear) and layer.additive and layer.bias is None]
    shapes = {(layer.scale, len(layer.factors()[0])) for layer in adapted}
    return (
        isinstance(getattr(module, "act_fn", None), nn.SiLU | SiLUActivation) and len(adapted) == 3 and len(shapes) == 1
    )
