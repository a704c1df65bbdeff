"""Adapters on a model: put on, counted, switched off, saved in PEFT's format, loaded, merged."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn
from transformers import PreTrainedModel

from deepseek_fusion.core.artifacts import writing
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.models.methods.adapted import Adapted
from deepseek_fusion.models.methods.experts import PARTS, LoraExperts, holds_experts
from deepseek_fusion.models.methods.low_rank import LoraLinear, MissLinear, RsLoraLinear
from deepseek_fusion.models.methods.moved import OsfLinear, PissaLinear
from deepseek_fusion.models.methods.rescaled import DoraLinear, FullLinear

ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
PEFT_MOVES = {"deepseek_v2", "deepseek_v3", "deepseek_v32"}
EXPERT_NAMES = ("gate_proj", "up_proj", "down_proj")
EXPERTS = "experts"
"""The target that means all routed experts."""
NO_TARGETS = "dummy-target-modules"
"""What PEFT calls it when an adapter is made of whole layers alone."""
PREFIX = "base_model.model."

METHODS: dict[str, type[LoraLinear] | type[FullLinear]] = {
    "lora": LoraLinear,
    "rslora": RsLoraLinear,
    "dora": DoraLinear,
    "pissa": PissaLinear,
    "miss": MissLinear,
    "osf": OsfLinear,
    "full": FullLinear,
}


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
    only: PEFT reads any adapter on gate, up or down projections as one for the routed experts. `experts` means those.

    Raises:
        FusionError: a target names no layer of this model, or the rank is too high for one, or experts cannot be
            trained by this method.
    """
    method = METHODS[config.method]
    names = target_layers(model, config.targets, config.last_layers)
    blocks = target_experts(model, config)
    for name in names:
        most = method.most(*_linear(model.get_submodule(name)).weight.shape)
        if config.rank > most:
            raise FusionError(
                f"training.lora.rank: `{name}` has {most} directions, so with method {config.method} the rank can be "
                f"{most} at most; it is {config.rank}."
            )
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name in names:
        _put(model, name, method(_linear(model.get_submodule(name)), config, generator))
    for name in blocks:
        _put(model, name, LoraExperts(model.get_submodule(name), config, generator))


def target_experts(model: nn.Module, config: LoraConfig) -> list[str]:
    """Full names of the blocks of routed experts that train, in model order; none unless they are a target.

    Raises:
        FusionError: this model has none, or the method is for linear layers only.
    """
    if EXPERTS not in config.targets:
        return []
    if config.method not in ("lora", "rslora"):
        raise FusionError(
            f"training.lora.targets: experts are trained by method lora or rslora, and training.lora.method is "
            f"{config.method}; choose one of those, or leave `{EXPERTS}` out."
        )
    blocks = [name for name, module in model.named_modules() if holds_experts(module)]
    if not blocks:
        raise FusionError(f"training.lora.targets: this model has no routed experts; leave `{EXPERTS}` out.")
    kept = _kept(model, config.last_layers)
    return [name for name in blocks if _layer_of(name) in kept]


def target_layers(model: nn.Module, targets: tuple[str, ...], last_layers: int | None = None) -> list[str]:
    """Full names of the linear layers that `targets` select, in model order."""
    head = model.get_output_embeddings() if isinstance(model, PreTrainedModel) else None
    linear = [name for name, module in model.named_modules() if type(module) is nn.Linear and module is not head]
    targets = tuple(target for target in targets if target != EXPERTS)
    if targets == ("all-linear",):
        moved = getattr(getattr(model, "config", None), "model_type", "") in PEFT_MOVES
        chosen = [name for name in linear if not (moved and name.endswith(EXPERT_NAMES))]
    else:
        names = {name.rpartition(".")[2] for name in linear}
        if missing := [target for target in targets if target not in names]:
            raise FusionError(
                f"training.lora.targets: this model has no linear layer `{missing[0]}`; it has "
                f"{', '.join(sorted(names))}."
            )
        chosen = [name for name in linear if name.rpartition(".")[2] in targets]
    kept = _kept(model, last_layers)
    return [name for name in chosen if _layer_of(name) in kept]


def _kept(model: nn.Module, last_layers: int | None) -> set[int]:
    """Numbers of the decoder layers that train; -1 is what lies outside of all."""
    layers = sorted({_layer_of(name) for name, _ in model.named_modules()})
    return set(layers[-last_layers:] if last_layers else layers)


def trainable_map(model: nn.Module, config: LoraConfig) -> list[LayerType]:
    """What will train, by layer type, counted before any adapter is attached; a tensor that two layers share counts
    once, with the first."""
    chosen = set(target_layers(model, config.targets, config.last_layers))
    blocks = set(target_experts(model, config))
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
                trainable[kind] += METHODS[config.method].size(config.rank, *_linear(module).weight.shape)
            elif name in blocks:
                trainable[kind] += LoraExperts.size(config.rank, module)
    return [LayerType(kind, layers[kind], parameters[kind], trainable[kind]) for kind in layers]


def lora_layers(model: nn.Module) -> Iterator[tuple[str, Adapted]]:
    """The adapted layers by full name."""
    for name, module in model.named_modules():
        if isinstance(module, Adapted):
            yield name, module


def lora_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """What trains, by name, in model order."""
    return {f"{name}.{own}": getattr(layer, own) for name, layer in lora_layers(model) for own in layer.trained}


def enable_lora(model: nn.Module, on: bool) -> None:
    """Switch every adapter on or off; off gives the base model exactly."""
    for _, layer in lora_layers(model):
        layer.enabled = on


def save_adapter(model: nn.Module, config: LoraConfig, base: str, folder: Path, scale: float = 1.0) -> None:
    """Write the adapter in PEFT's format; `scale` shrinks the update itself, so any loader applies it."""
    folder.mkdir(parents=True, exist_ok=True)
    layers = dict(lora_layers(model))
    tensors = {
        f"{PREFIX}{name}.{part}": tensor.cpu().contiguous()
        for name, layer in layers.items()
        for part, tensor in layer.stored(scale).items()
    }
    with writing(folder / ADAPTER_FILE) as file:
        file.write(save(tensors, metadata={"format": "pt"}))
    plain = METHODS[config.method].plain(config)
    description = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": plain.rank,
        "lora_alpha": plain.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted({name.rpartition(".")[2] for name in layers} - {EXPERTS}),
    }
    if blocks := [name for name, layer in layers.items() if isinstance(layer, LoraExperts)]:
        description["target_parameters"] = [f"{name}.{part}" for name in blocks for part in PARTS]
    if plain.method == "full":
        description |= {"target_modules": NO_TARGETS, "modules_to_save": sorted(layers)}
    elif config.last_layers:
        description["layers_to_transform"] = sorted({_layer_of(name) for name in layers})
    if plain.method == "dora":
        description["use_dora"] = True
    text = json.dumps(description, indent=2, sort_keys=True) + "\n"
    (folder / ADAPTER_CONFIG).write_text(text, encoding="utf-8")


def begin_lora(model: nn.Module, config: LoraConfig, seed: int, start: Path | None) -> None:
    """Attach fresh adapters, or those of the phase before to train them on, in place.

    Raises:
        FusionError: those have another shape than is configured, or were made for another model.
    """
    attach_lora(model, config, seed)
    if start is None:
        return
    left, needed = (
        f"{own.method} of rank {own.rank} and alpha {own.alpha:g}"
        for own in (_described(start), METHODS[config.method].plain(config))
    )
    if left != needed:
        raise FusionError(f"training.lora: the phase before left {left}, not {needed}; use one shape in all phases.")
    _restore(model, start)


def load_adapter(model: nn.Module, folder: Path) -> LoraConfig:
    """Attach the adapter in `folder` to a base model, in place; returns its shape, as stored.

    Raises:
        FusionError: the adapter was made for another model.
    """
    shape = _described(folder)
    attach_lora(model, shape, seed=0)
    _restore(model, folder)
    return shape


@torch.no_grad()
def scale_adapter(model: nn.Module, folder: Path, share: float) -> None:
    """Make of an adapter that was loaded from `folder` a share of it, in place; what it was made before is undone."""
    _restore(model, folder)
    for _, layer in lora_layers(model):
        layer.restore(layer.stored(share))


def merge_lora(model: nn.Module) -> None:
    """Add every update into its weight and put plain layers back, in place."""
    for name, layer in list(lora_layers(model)):
        _put(model, name, layer.folded())


def _described(folder: Path) -> LoraConfig:
    """What an adapter says of itself."""
    made = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    whole = made.get("modules_to_save") or []
    experts = (EXPERTS,) if made.get("target_parameters") else ()
    layers = made.get("layers_to_transform") or sorted({_layer_of(name) for name in whole})
    return LoraConfig(
        method="full" if whole else "dora" if made.get("use_dora") else "lora",
        rank=made["r"],
        alpha=made["lora_alpha"],
        targets=tuple(sorted({name.rpartition(".")[2] for name in whole})) or (*made["target_modules"], *experts),
        last_layers=len(layers) or None,
    )


@torch.no_grad()
def _restore(model: nn.Module, folder: Path) -> None:
    """Fill attached adapters from a file."""
    tensors = load_file(folder / ADAPTER_FILE)
    layers = dict(lora_layers(model))
    expected = {name: {part: own.shape for part, own in layer.stored(1.0).items()} for name, layer in layers.items()}
    if tensors.keys() != {f"{PREFIX}{name}.{part}" for name, parts in expected.items() for part in parts}:
        raise FusionError(f"{folder}: this adapter belongs to another model; teach again or use its own base.")
    for name, parts in expected.items():
        stored = {part: tensors[f"{PREFIX}{name}.{part}"] for part in parts}
        for part, shape in parts.items():
            if stored[part].shape != shape:
                found = tuple(stored[part].shape)
                raise FusionError(f"{folder}: `{name}.{part}` has shape {found}, not {tuple(shape)}.")
        layers[name].restore(stored)


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, layer)


def _layer_of(name: str) -> int:
    """The decoder layer that a module is in; -1 outside of all."""
    found = re.search(r"\.(\d+)(\.|$)", name)
    return int(found[1]) if found else -1


def _linear(module: nn.Module) -> nn.Linear:
    assert isinstance(module, nn.Linear)
    return module
