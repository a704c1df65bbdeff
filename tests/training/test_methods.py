"""Every method of training, from lessons to a release: it learns, resumes to the bit, passes the gates, goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import CurriculumConfig, LoraConfig, ReplayConfig, ServingConfig, TrainingConfig
from deepseek_fusion.core.events import Event, listen
from deepseek_fusion.core.run import Run
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.models.lora import METHODS
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.serving.weights import export_weights
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.replay import write_replay

FACTS = """
Gout | symptom | fever
Gout | code | M10.9
痛风 | symptom | 头痛
Asthma | code | J45
"""
RATES = {"rslora": 5e-3, "full": 3e-3, "osf": 5e-2}


@dataclass(frozen=True)
class Course:
    """All that a training run of one method reads."""

    run: Run
    model: ModelSource
    lessons: Artifact
    replay: Artifact
    section: TrainingConfig

    def train(self, run: Run | None = None, before: Artifact | None = None) -> Artifact:
        return (run or self.run).step(train_adapter, self.section, self.model, self.lessons, self.replay, before)


@pytest.fixture
def course(
    run: Run, shelf: Run, graph: Callable[..., Artifact], source: Callable[[str], ModelSource]
) -> Callable[[str, str], Course]:
    def make(method: str, architecture: str) -> Course:
        model = source(architecture)
        lessons = shelf.step(write_lessons, CurriculumConfig(exposures=20), graph(FACTS), None)
        section = TrainingConfig(
            lora=LoraConfig(method=method, rank=4, alpha=8),
            batch_tokens=128,
            learning_rate=RATES.get(method, 1e-2),
            checkpoint_seconds=0,
        )
        replay = shelf.step(write_replay, ReplayConfig(texts=8, max_tokens=16), model)
        return Course(run, model, lessons, replay, section)

    return make


def result(adapter: Artifact) -> tuple[bytes, list[dict[str, float]]]:
    """What must not depend on interruptions."""
    tensors = (adapter.path / "adapter" / "adapter_model.safetensors").read_bytes()
    return tensors, read_json(adapter.path / "training.json")["curve"]


def losses(adapter: Artifact) -> list[float]:
    return [row["loss"] for row in result(adapter)[1]]


class Stop:
    """A listener that breaks a training off."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, event: Event) -> None:
        if event.kind == "advance" and event.label == "teaching" and event.done >= self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v3"])
@pytest.mark.parametrize("method", METHODS)
def test_from_lessons_to_a_release(
    course: Callable[[str, str], Course], method: str, architecture: str, tmp_path: Path
) -> None:
    taught = course(method, architecture)
    first = taught.train()
    steps = losses(first)
    third = len(steps) // 3
    assert sum(steps[-third:]) < 0.92 * sum(steps[:third])

    with Run(tmp_path / "interrupted") as other:
        with pytest.raises(KeyboardInterrupt), listen(Stop(len(steps) // 2)):
            taught.train(other)
        resumed = taught.train(other)
    assert resumed.manifest()["resumed"] is True
    assert result(resumed) == result(first)

    weights = taught.run.step(export_weights, ServingConfig(), taught.model, first)
    gates = read_json(weights.path / "gates.json")["gates"]
    assert len(gates) == 5
    assert all(gate["passed"] for gate in gates)

    second = losses(taught.train(before=first))
    assert sum(second[:third]) < 0.92 * sum(steps[:third])


def test_what_was_made_before_there_were_methods_is_kept() -> None:
    plain, other = LoraConfig().model_dump(), LoraConfig(method="dora", last_layers=1).model_dump()
    assert set(plain) == {"rank", "alpha", "targets"}
    assert set(other) == {"method", "rank", "alpha", "targets", "last_layers"}
