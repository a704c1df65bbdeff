"""Merged models that lost their adapter against the equality gates, and whole ones that have to pass.

Real adapters of the default model, at full strength and down to a hundredth of it, stored in 32 and in 16 bits. Each is
exported as it should be and in every way to lose it; caught means that a gate fails.

A part of benchmarks/controls.py, which runs it (about 12 core-minutes).
"""

from __future__ import annotations

import gc
import itertools
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import ServingConfig
from deepseek_fusion.core.events import say
from deepseek_fusion.evaluation.statistics.rates import rate
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import ADAPTER_FILE, load_adapter, lora_layers, merge_lora
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.serving.weights import DTYPES, check_weights
from record import Row

STRENGTHS = (1.0, 0.1, 0.01)
STORED = ("float32", "bfloat16")
Spoil = Callable[[Language, Path, random.Random], None]
"""Make a base model what is written to `merged/`, given the folder whose `adapter/` it should have learned."""


def lost_adapters(model: ModelSource, adapters: Sequence[Artifact]) -> list[Row]:
    """One row for each way to lose an adapter, and one for exports that are whole."""
    cases = list(itertools.product(adapters, STRENGTHS, STORED))
    rows = []
    for name, (spoil, factor, bar) in EXPORTS.items():
        failed = []
        for number, (adapter, strength, stored) in enumerate(cases):
            gates = _gates(model, adapter, factor * strength, stored, spoil, random.Random(number))
            failed.append(bool(gates))
            say(f"{name}, {adapter.key} x {strength:g}, {stored}: {', '.join(gates) or 'every gate passed'}")
        rows.append(_row(name, failed, bar, cases))
    return rows


def _gates(
    model: ModelSource, adapter: Artifact, strength: float, stored: str, spoil: Spoil, rng: random.Random
) -> list[str]:
    """The gates that fail on one export."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(adapter.path / "adapter", folder / "adapter")
        _scale(folder / "adapter" / ADAPTER_FILE, strength)
        language = load_language(model, torch.float32)
        spoil(language, folder, rng)
        torch.nn.Module.to(language.model, DTYPES[stored])
        language.model.save_pretrained(folder / "merged")
        language.tokenizer.save_pretrained(folder / "merged")
        del language
        gc.collect()
        section = ServingConfig.model_validate({"merged_dtype": stored})
        return [gate["name"] for gate in check_weights(folder, section, model) if not gate["passed"]]


def _scale(file: Path, strength: float) -> None:
    tensors = load_file(file)
    scaled = {name: tensor * strength if ".lora_B." in name else tensor for name, tensor in tensors.items()}
    save_file(scaled, file, metadata={"format": "pt"})


def _whole(language: Language, folder: Path, rng: random.Random) -> None:
    load_adapter(language.model, folder / "adapter")
    merge_lora(language.model)


def _base(language: Language, folder: Path, rng: random.Random) -> None:
    """Nothing is done: the base itself is written."""


def _unmerged(language: Language, folder: Path, rng: random.Random) -> None:
    """The factors are written beside the weights, where a loader passes over them."""
    load_adapter(language.model, folder / "adapter")


def _one_layer(language: Language, folder: Path, rng: random.Random) -> None:
    load_adapter(language.model, folder / "adapter")
    _, layer = rng.choice(list(lora_layers(language.model)))
    with torch.no_grad():
        layer.get_parameter("lora_B").zero_()
    merge_lora(language.model)


EXPORTS: dict[str, tuple[Spoil, float, str]] = {
    "whole": (_whole, 1.0, "<= 0.0"),
    "merged weights are the base's": (_base, 1.0, ">= 1.0"),
    "an adapter of zeros": (_whole, 0.0, ">= 1.0"),
    "the adapter saved but not merged": (_unmerged, 1.0, ">= 1.0"),
    "the update of one of its layers lost": (_one_layer, 1.0, ""),
}
"""How an export is spoilt, what its adapter is multiplied with, and the share that the gates have to stop."""


def _row(name: str, failed: Sequence[bool], bar: str, cases: Sequence[tuple[Artifact, float, str]]) -> Row:
    share = rate(failed, [str(number) for number in range(len(failed))], 2000, 0)
    value = float(share["value"])
    missed = [
        f"x {strength:g} in {stored}"
        for (_, strength, stored), stopped in zip(cases, failed, strict=True)
        if stopped is bar.startswith("<")
    ]
    return Row(
        figure=f"share of exports stopped, {name}",
        ours=value,
        bar=bar,
        holds=None if not bar else value <= 0 if bar.startswith("<") else value >= 1,
        n=len(failed),
        interval=(float(share["low"]), float(share["high"])),
        note=f"otherwise: {', '.join(dict.fromkeys(missed))}" if missed else "",
    )
