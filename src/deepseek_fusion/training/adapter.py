"""Supervised teaching: lessons and replay in, an adapter out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, write_json
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.run import stage
from deepseek_fusion.models.fused import fuse
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import attach_lora, lora_parameters, save_adapter
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.lessons import Lessons, read_samples
from deepseek_fusion.training.loop import Loop, Objective
from deepseek_fusion.training.replay import Anchor, Replay, read_replay
from deepseek_fusion.training.samples import Sample, batch_tokens_for, check_lengths, plan_batches


@stage("adapter", version=2, resumable=True)
def train_adapter(
    out: Path, section: TrainingConfig, model: ModelSource, lessons: Artifact, replay: Artifact | None
) -> None:
    """Train LoRA on the lessons; write `adapter/` in PEFT's format and `training.json`.

    Raises:
        FusionError: a lesson is too long, or the loss is not a number.
    """
    language = load_language(model, model.torch_dtype)
    samples = read_samples(lessons, language)
    check_lengths(samples, section.max_length)
    batch_tokens = section.batch_tokens or batch_tokens_for(sum(map(len, samples)))
    section = section.model_copy(update={"batch_tokens": batch_tokens})
    loop = teaching(language, section, samples, read_replay(replay) if replay is not None else None)
    carry_out(loop, out, section, model)


def carry_out(loop: Loop, out: Path, section: TrainingConfig, model: ModelSource, **more: Any) -> None:
    """Train to the end, from the checkpoint in `out` if there is one; write `adapter/` and `training.json`.

    Args:
        more: what else `training.json` says.
    """
    checkpoint = out / "checkpoint.safetensors"
    loop.resume(checkpoint)
    loop.run(checkpoint)
    save_adapter(loop.language.model, section.lora, model.path, out / "adapter", section.adapter_scale)
    write_json(out / "training.json", {**loop.report(), "batch_tokens": section.batch_tokens, **more})
    for left in out.glob("*checkpoint.safetensors*"):  # the last one, and what a kill in mid-write left
        left.unlink()


def teaching(
    language: Language, config: TrainingConfig, samples: Sequence[Sample], replay: Replay | None = None
) -> Loop:
    """A loop that teaches samples to a model, on which it puts adapters, and holds it to the base by replay."""
    lengths = [len(sample) for sample in samples]
    batch_tokens = config.batch_tokens or batch_tokens_for(sum(lengths))
    batches = plan_batches(lengths, batch_tokens, config.seed)
    attach_lora(language.model, config.lora, config.seed)
    objectives: list[Objective] = [Lessons(language, samples, batches)]
    if replay is not None and config.replay_weight:
        objectives.append(Anchor(replay, language, config, batch_tokens))
    fuse(language.model)
    return Loop(language, config, objectives, lora_parameters(language.model), len(batches))
