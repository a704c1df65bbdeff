"""From an adapter to loadable weights, through gates that stop a model that is not what it claims to be."""

from __future__ import annotations

import gc
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from deepseek_fusion.core.artifacts import Artifact, write_json
from deepseek_fusion.core.config import ServingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import load_adapter, merge_lora
from deepseek_fusion.models.source import ModelSource

PROBES = ("What is the capital of France?", "Name one disease.", "请用一句话介绍你自己。", "Tell me what you know.")
LOST = 0.5
"""Share of the update that may be missing (or too much) in what was stored: rounding a hundredth of a taught adapter to
bfloat16 takes a fifth to a half of it, losing the adapter takes all."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@stage("weights", version=2)
def export_weights(out: Path, section: ServingConfig, model: ModelSource, adapter: Artifact) -> None:
    """Write `adapter/` (PEFT), `merged/` (safetensors, tokenizer, chat template) and `gates.json`.

    Raises:
        FusionError: a gate fails.
    """
    shutil.copytree(adapter.path / "adapter", out / "adapter")
    language = load_language(model)
    stored = language.model.dtype
    language.model.float()
    load_adapter(language.model, out / "adapter")
    merge_lora(language.model)
    _check_room(out, language.model)
    nn.Module.to(language.model, DTYPES[section.merged_dtype] if section.merged_dtype else stored)
    language.model.save_pretrained(out / "merged")
    language.tokenizer.save_pretrained(out / "merged")
    del language
    gc.collect()
    gates = check_weights(out, section, model)
    if failed := [gate for gate in gates if not gate["passed"]]:
        raise FusionError(
            f"release stopped: gate `{failed[0]['name']}` measured {failed[0]['value']:.2g} and needs "
            f"{failed[0]['limit']}; the adapter is kept in {adapter.path}."
        )
    write_json(out / "gates.json", {"gates": gates})


def check_weights(folder: Path, section: ServingConfig, model: ModelSource) -> list[dict[str, Any]]:
    """The gates, on the `adapter/` and the `merged/` of a folder as they stand there.

    Logits are compared four ways, as the largest difference divided by the standard deviation of the base's logits:
    our adapter, the same adapter through PEFT, merged in memory, merged and reloaded from disk. The rounding of 16 bits
    can be larger than what a weak adapter changes, but it points elsewhere; so it is also measured how much of the
    update is still there, along the update itself.
    """
    language = load_language(model)
    stored = language.model.dtype
    language.model.float()
    base = _logits(language)
    spread = base.std().item()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")  # PEFT's own use of an old name
        through_peft = _logits(language, PeftModel.from_pretrained(language.model, str(folder / "adapter")))
    language = load_language(model, torch.float32)
    load_adapter(language.model, folder / "adapter")
    adapted = _logits(language)
    merge_lora(language.model)
    merged = _logits(language)
    del language
    gc.collect()
    reloaded = _logits(load_language(folder / "merged", torch.float32))
    update = adapted - base
    left = ((reloaded - base) * update).sum() / (update * update).sum()

    def far(logits: Tensor, others: Tensor) -> float:
        return (logits - others).abs().max().item() / spread

    def gate(name: str, value: float, limit: float, above: bool = False) -> dict[str, Any]:
        passed = value > limit if above else value <= limit
        return {"name": name, "value": value, "limit": f"{'>' if above else '<='} {limit:g}", "passed": passed}

    return [
        gate("adapter through PEFT = adapter", far(through_peft, adapted), section.tolerance),
        gate("merged = adapter", far(merged, adapted), section.tolerance),
        gate("reloaded = adapter", far(reloaded, adapted), max(section.tolerance, _rounding(section, stored))),
        gate("merged is not the base", far(merged, base), 10 * section.tolerance, above=True),
        gate("update lost in reloading", (1 - left).abs().item(), LOST),
    ]


def _check_room(out: Path, model: nn.Module) -> None:
    """A disk that fills up inside a foreign writer is hard to report; look first."""
    needed = sum(p.numel() * p.element_size() for p in model.parameters()) + 2**26
    if (free := shutil.disk_usage(out).free) < needed:
        raise FusionError(
            f"{out}: the merged model needs {needed / 2**30:.1f} GiB and {free / 2**30:.1f} are free; free some space "
            "and run the same command again."
        )


def _rounding(section: ServingConfig, stored: torch.dtype) -> float:
    """Weights kept in 16 bits cannot reproduce float32 logits closer than their own rounding, seen through depth."""
    dtype = DTYPES[section.merged_dtype] if section.merged_dtype else stored
    return 0.0 if dtype == torch.float32 else 64 * torch.finfo(dtype).eps


@torch.inference_mode()
def _logits(language: Language, model: nn.Module | None = None) -> Tensor:
    """Logits [tokens, V] over all probe questions; of another model under the same tokenizer if one is given."""
    model = model or language.model
    return torch.cat(
        [
            model(torch.tensor([language.encode_question(probe)], device=language.device)).logits[0].float()
            for probe in PROBES
        ]
    )
