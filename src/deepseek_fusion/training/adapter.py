"""One phase of teaching: lessons, documents or labels in, with replay beside them; an adapter out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_json, write_json
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.source import Source
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import begin_lora, lora_parameters, save_adapter
from deepseek_fusion.models.parallel import load_spread, settle
from deepseek_fusion.models.ranks import call, next_job
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.documents import document_course
from deepseek_fusion.training.lessons import lesson_course, samples_course
from deepseek_fusion.training.loop import Course, Loop, Objective, together
from deepseek_fusion.training.multitask import task_course
from deepseek_fusion.training.replay import Anchor, Replay, read_replay
from deepseek_fusion.training.samples import Sample

CHECKPOINT = "checkpoint.safetensors"
SPENT = ("steps", "tokens", "replay_tokens", "tflop", "seconds", "cpu_seconds")


@stage("adapter", version=4, resumable=True)
def train_adapter(
    out: Path,
    section: TrainingConfig,
    model: ModelSource,
    lessons: Artifact | None,
    replay: Artifact | None,
    before: Artifact | None = None,
    documents: Artifact | None = None,
    labels: Source | None = None,
) -> None:
    """Train an adapter in one phase, from that of the phase before or from nothing.

    Writes `adapter/` in PEFT's format, with `heads.safetensors` if there are heads, and `training.json`.

    Args:
        section: the settings of the phase, as `TrainingConfig.of_phase` chooses them.
        lessons: for `instruct`.
        documents: a corpus, for `adapt`.
        labels: all files of all tasks, for `multitask`.

    Raises:
        FusionError: something cannot be learned from, or the loss is not a number.
    """
    call(("adapter", out, section, model, lessons, replay, before, documents, labels))
    language = load_spread(model, section.parallel)
    courses: dict[str, Course] = {}
    for name in section.names:
        if name == "instruct":
            assert lessons is not None
            courses[name] = lesson_course(language, section, lessons)
        elif name == "adapt":
            assert documents is not None
            courses[name] = document_course(language, section, documents)
        elif name == "multitask":
            assert labels is not None
            courses[name] = task_course(language, section, labels)
    course = together(list(courses.values()))
    loop = _loop(language, section, course, read_replay(replay) if replay is not None else None, before)
    planned = courses.get("instruct", course).batch_tokens
    carry_out(loop, out, section, model, before, planned, *(own.finish for own in courses.values()))


def follow(stages: Mapping[str, Callable[..., None]]) -> None:
    """Help the leading process with some stages, as often as it calls; what is written on the way is thrown away."""
    while (job := next_job()) is not None:
        name, out, *inputs = job
        with tempfile.TemporaryDirectory() as folder:
            if (checkpoint := out / CHECKPOINT).exists():
                shutil.copy(checkpoint, folder)
            stages[name](Path(folder), *inputs)


def carry_out(
    loop: Loop,
    out: Path,
    section: TrainingConfig,
    model: ModelSource,
    before: Artifact | None,
    batch_tokens: int | None,
    *finish: Callable[[Path], Mapping[str, Any]],
) -> None:
    """Train to the end, from the checkpoint in `out` if there is one; write `adapter/` and `training.json`.

    Args:
        before: the adapter of the phase before.
        finish: writes what belongs into the folder of the adapter besides, and tells what `training.json` says of it.
    """
    checkpoint = out / CHECKPOINT
    loop.resume(checkpoint)
    loop.run(checkpoint)
    save_adapter(loop.language.model, section.lora, model.path, out / "adapter", section.adapter_scale)
    report = {**loop.report(), "batch_tokens": batch_tokens}
    for own in finish:
        report |= own(out / "adapter")
    write_json(out / "training.json", {**report, **_history(section, before)})
    for left in out.glob("*checkpoint.safetensors*"):  # the last one, and what a kill in mid-write left
        left.unlink()


def teaching(
    language: Language, config: TrainingConfig, samples: Sequence[Sample], replay: Replay | None = None
) -> Loop:
    """A loop that teaches samples to a model, on which it puts adapters, and holds it to the base by replay."""
    return _loop(language, config, samples_course(language, config, samples), replay, None)


def _loop(
    language: Language, config: TrainingConfig, course: Course, replay: Replay | None, before: Artifact | None
) -> Loop:
    begin_lora(language.model, config.lora, config.seed, before.path / "adapter" if before else None)
    objectives: list[Objective] = list(course.objectives)
    if replay is not None and config.replay_weight:
        objectives.append(Anchor(replay, language, config, course.batch_tokens))
    settle(language.model, config.parallel)
    return Loop(language, config, objectives, {**lora_parameters(language.model), **course.parameters}, course.steps)


def _history(section: TrainingConfig, before: Artifact | None) -> dict[str, Any]:
    """Which phase this was, and what those before it cost."""
    if before is None:
        return {"phase": section.phases[0], "before": []}
    earlier = read_json(before.path / "training.json")
    spent = {"phase": earlier["phase"], **{name: earlier.get(name, 0) for name in SPENT}}
    return {"phase": section.phases[0], "before": [*earlier["before"], spent]}
