"""Low-rank adapters on frozen linear layers (Hu et al. 2021, arXiv 2106.09685), written for speed on any device.

Shape suffixes: N tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from deepseek_fusion.core.artifacts import writing
from deepseek_fusion.core.config import LoraConfig
from deepseek_fusion.core.errors import FusionError

ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
PEFT_MOVES = {"deepseek_v2", "deepseek_v3", "deepseek_v32"}
EXPERT_NAMES = ("gate_proj", "up_proj", "down_proj")


class _LowRank(torch.autograd.Function):
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


class LoraLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank update; the factors are float32 whatever the base is."""

    def __init__(self, base: nn.Linear, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__()
        outputs, inputs = base.weight.shape
        self.weight = nn.Parameter(base.weight.detach(), requires_grad=False)
        self.bias = None if base.bias is None else nn.Parameter(base.bias.detach(), requires_grad=False)
        bound = 1 / math.sqrt(inputs)  # Kaiming uniform with a = sqrt(5), as PEFT initialises A
        a = torch.empty(config.rank, inputs).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(a.to(base.weight.device))
        self.lora_B = nn.Parameter(torch.zeros(outputs, config.rank, device=base.weight.device))
        self.scale = config.alpha / config.rank
        self.enabled = True

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        if not self.enabled:
            return F.linear(x, self.weight, self.bias)
        result: Tensor = _LowRank.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, self.lora_A, self.lora_B, self.scale
        )
        return result

    def update(self) -> Tensor:
        """The full update s B A, [O, I], float32."""
        return self.scale * (self.lora_B.detach() @ self.lora_A.detach())


@dataclass(frozen=True)
class LayerType:
    """One row of the trainable map: all layers that share a last name."""

    name: str
    layers: int
    parameters: int
    trainable: int


def attach_lora(model: nn.Module, config: LoraConfig, seed: int) -> None:
    """Freeze `model` and put adapters on its target layers, in place.

    `all-linear` means every plain linear layer but the output embedding; layers that subclass it with a forward of
    their own (the grouped projection of DeepSeek V4) stay frozen. In DeepSeek V2, V3 and V3.2 it means the attention
    only: PEFT reads any adapter on gate, up or down projections as one for the routed experts.

    Raises:
        FusionError: a target names no linear layer of this model.
    """
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name in target_layers(model, config.targets):
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, LoraLinear(_linear(model.get_submodule(name)), config, generator))


def target_layers(model: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Full names of the linear layers that `targets` select, in model order."""
    head = model.get_output_embeddings() if isinstance(model, PreTrainedModel) else None
    linear = [name for name, module in model.named_modules() if type(module) is nn.Linear and module is not head]
    if targets == ("all-linear",):
        moved = getattr(getattr(model, "config", None), "model_type", "") in PEFT_MOVES
        return [name for name in linear if not (moved and name.endswith(EXPERT_NAMES))]
    names = {name.rpartition(".")[2] for name in linear}
    if missing := [target for target in targets if target not in names]:
        raise FusionError(
            f"training.lora.targets: this model has no linear layer `{missing[0]}`; it has {', '.join(sorted(names))}."
        )
    return [name for name in linear if name.rpartition(".")[2] in targets]


def trainable_map(model: nn.Module, config: LoraConfig) -> list[LayerType]:
    """What will train, by layer type, counted before any adapter is attached. Expert tensors that are not linear
    layers are listed too, with nothing trainable; a tensor that two layers share counts once, with the first."""
    chosen = set(target_layers(model, config.targets))
    layers: Counter[str] = Counter()
    parameters: Counter[str] = Counter()
    trainable: Counter[str] = Counter()
    counted: set[nn.Parameter] = set()
    for name, module in model.named_modules():
        fresh = [parameter for parameter in module.parameters(recurse=False) if parameter not in counted]
        counted.update(fresh)
        if own := sum(parameter.numel() for parameter in fresh):
            kind = name.rpartition(".")[2]
            layers[kind] += 1
            parameters[kind] += own
            if name in chosen:
                trainable[kind] += config.rank * sum(_linear(module).weight.shape)
    return [LayerType(kind, layers[kind], parameters[kind], trainable[kind]) for kind in layers]


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """The adapted layers by full name."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear):
            yield name, module


def lora_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Trainable factors by name, in model order."""
    return {
        f"{name}.{factor}": getattr(layer, factor)
        for name, layer in lora_layers(model)
        for factor in ("lora_A", "lora_B")
    }


def enable_lora(model: nn.Module, on: bool) -> None:
    """Switch every adapter on or off; off gives the base model exactly."""
    for _, layer in lora_layers(model):
        layer.enabled = on


def save_adapter(model: nn.Module, config: LoraConfig, base: str, folder: Path, scale: float = 1.0) -> None:
    """Write the adapter in PEFT's format; `scale` shrinks the update itself, so any loader applies it."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"base_model.model.{name}.{factor}.weight": (
            getattr(layer, factor).detach().cpu() * (scale if factor == "lora_B" else 1.0)
        ).contiguous()
        for name, layer in lora_layers(model)
        for factor in ("lora_A", "lora_B")
    }
    with writing(folder / ADAPTER_FILE) as file:
        file.write(save(tensors, metadata={"format": "pt"}))
    description = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted({name.rpartition(".")[2] for name, _ in lora_layers(model)}),
    }
    text = json.dumps(description, indent=2, sort_keys=True) + "\n"
    (folder / ADAPTER_CONFIG).write_text(text, encoding="utf-8")


def begin_lora(model: nn.Module, config: LoraConfig, seed: int, start: Path | None) -> None:
    """Attach fresh adapters, or those of the phase before to train them on, in place.

    Raises:
        FusionError: those have another shape than is configured, or were made for another model.
    """
    if start is None:
        attach_lora(model, config, seed)
        return
    load_adapter(model, start)
    made = json.loads((start / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    if (made["r"], made["lora_alpha"]) != (config.rank, config.alpha):
        raise FusionError(
            f"training.lora: the phase before left an adapter of rank {made['r']} and alpha {made['lora_alpha']:g}, "
            f"not {config.rank} and {config.alpha:g}; use one shape in all phases."
        )


def load_adapter(model: nn.Module, folder: Path) -> None:
    """Attach the adapter in `folder` to a base model, in place.

    Raises:
        FusionError: the adapter was made for another model.
    """
    description = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config = LoraConfig(
        rank=description["r"], alpha=description["lora_alpha"], targets=tuple(description["target_modules"])
    )
    attach_lora(model, config, seed=0)
    tensors = load_file(folder / ADAPTER_FILE)
    parameters = lora_parameters(model)
    expected = {f"base_model.model.{name}.weight" for name in parameters}
    if expected != tensors.keys():
        raise FusionError(f"{folder}: this adapter belongs to another model; teach again or use its own base.")
    with torch.no_grad():
        for name, parameter in parameters.items():
            stored = tensors[f"base_model.model.{name}.weight"]
            if stored.shape != parameter.shape:
                raise FusionError(f"{folder}: `{name}` has shape {tuple(stored.shape)}, not {tuple(parameter.shape)}.")
            parameter.copy_(stored)


def merge_lora(model: nn.Module) -> None:
    """Add every update into its weight and put plain linear layers back, in place."""
    for name, layer in list(lora_layers(model)):
        outputs, inputs = layer.weight.shape
        merged = nn.Linear(inputs, outputs, bias=layer.bias is not None, device="meta")
        weight = (layer.weight.detach().float() + layer.update()).to(layer.weight.dtype)
        merged.weight = nn.Parameter(weight, requires_grad=False)
        if layer.bias is not None:
            merged.bias = layer.bias
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, merged)


def _linear(module: nn.Module) -> nn.Linear:
    assert isinstance(module, nn.Linear)
    return module
