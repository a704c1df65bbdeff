"""What settings are compared by is what it says, and the best of them is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch.nn import functional as F

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import CurriculumConfig, LoraConfig, ReplayConfig, TrainingConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.curriculum.validation import write_validation
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import load_adapter, lora_layers
from deepseek_fusion.models.methods.low_rank import LoraLinear
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.lessons import read_samples
from deepseek_fusion.training.probe.measuring import Measured, measure
from deepseek_fusion.training.probe.scaling import SCALES, scale_best
from deepseek_fusion.training.probe.trials import choose, try_adapter
from deepseek_fusion.training.replay import read_replay, write_replay
from deepseek_fusion.training.samples import chat_sample

FACTS = """
Gout | symptom | fever
Gout | code | M10.9
痛风 | symptom | 头痛
Asthma | code | J45
"""
CONFIG = TrainingConfig(
    lora=LoraConfig(rank=8), batch_tokens=128, learning_rate=1e-2, checkpoint_seconds=3600, replay_share=0.0
)
Find = Callable[[str], ModelSource]


@dataclass(frozen=True)
class Bench:
    """An adapter, and what it is measured on."""

    run: Run
    model: ModelSource
    lessons: Artifact
    questions: Artifact
    general: Artifact

    def adapter(self, section: TrainingConfig = CONFIG) -> Artifact:
        return self.run.step(train_adapter, section, self.model, self.lessons, None)

    def trial(self, section: TrainingConfig = CONFIG) -> Artifact:
        adapter = self.adapter(section)
        return self.run.step(try_adapter, section, self.model, adapter, self.questions, self.general)


@pytest.fixture
def bench(run: Run, graph: Callable[..., Artifact], source: Find) -> Bench:
    facts, model = graph(FACTS), source("llama")
    lessons = run.step(write_lessons, CurriculumConfig(exposures=24), facts, None)
    questions = run.step(write_validation, None, facts, lessons)
    general = run.step(write_replay, ReplayConfig(texts=24, max_tokens=48, seed=1), model)
    return Bench(run, model, lessons, questions, general)


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v3"])
def test_loss_and_accuracy_are_those_of_the_plain_model(
    language: Callable[[str], Language], run: Run, source: Find, architecture: str
) -> None:
    loaded = language(architecture)
    samples = [chat_sample(loaded, "What is it?", "fever"), chat_sample(loaded, "痛风？", "头痛, J45")]
    general = read_replay(run.step(write_replay, ReplayConfig(texts=4, max_tokens=16), source(architecture)))
    losses = []
    for sample in samples:
        logits = loaded.model(torch.tensor([sample.ids])).logits[0, :-1]
        every = F.cross_entropy(logits, torch.tensor(sample.ids[1:]), reduction="none")
        losses += every[torch.tensor(sample.learned[1:])].tolist()
    found = measure(loaded, samples, general)
    assert found.loss == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    assert found.divergence == pytest.approx(0, abs=1e-3)  # the base is not apart from itself

    greedy = loaded.model(torch.tensor([samples[0].ids])).logits[0].argmax(-1)
    start = samples[0].learned.index(True)
    sure = replace(samples[0], learned=tuple(i == start for i in range(len(samples[0]))))
    sure = replace(sure, ids=(*sure.ids[:start], int(greedy[start - 1]), *sure.ids[start + 1 :]))
    assert measure(loaded, [sure], general).accuracy == 1
    assert measure(loaded, [sure, samples[1]], general).accuracy == 0.5


def test_teaching_is_seen_and_so_is_what_it_moves(bench: Bench, language: Callable[[str], Language]) -> None:
    before = measure(language("llama"), read_samples(bench.questions, language("llama")), read_replay(bench.general))
    after = read_json(bench.trial().path / "trial.json")
    assert after["loss"] < 0.8 * before.loss
    assert after["divergence"] > 10 * abs(before.divergence) + 0.01
    assert after["score"] == pytest.approx(after["loss"] + after["divergence"])
    assert (after["learning_rate"], after["rank"], after["alpha"]) == (1e-2, 8, 32)


def test_the_trial_with_the_lowest_score_is_chosen(bench: Bench) -> None:
    sections = [CONFIG.model_copy(update={"learning_rate": rate}) for rate in (1e-4, 1e-2, 1e-3)]
    trials = [bench.trial(section) for section in sections]
    table = read_json(bench.run.step(choose, None, *trials).path / "choice.json")
    scores = [row["score"] for row in table["trials"]]
    assert [row["learning_rate"] for row in table["trials"]] == [1e-4, 1e-2, 1e-3]
    assert len(set(scores)) == 3
    assert table["chosen"] == table["trials"][scores.index(min(scores))]


@pytest.mark.parametrize("weight", [0.0, 100.0])
def test_the_scale_follows_what_forgetting_costs(
    bench: Bench, language: Callable[[str], Language], weight: float
) -> None:
    adapter = bench.adapter()
    section = TrainingConfig(replay_weight=weight)
    best = bench.run.step(scale_best, section, bench.model, adapter, bench.questions, bench.general)
    table = read_json(best.path / "scales.json")
    rows = table["scales"]
    assert [row["scale"] for row in rows] == list(SCALES)
    apart = [row["divergence"] for row in rows]
    assert apart == sorted(apart, reverse=True)
    assert table["chosen"] == min(rows, key=lambda row: row["score"])["scale"]
    if weight:
        assert table["chosen"] == min(SCALES)
    assert read_json(best.path / "training.json") == read_json(adapter.path / "training.json")

    whole, part = language("llama").model, language("llama").model
    load_adapter(whole, adapter.path / "adapter")
    load_adapter(part, best.path / "adapter")
    for (_, layer), (_, scaled) in zip(lora_layers(whole), lora_layers(part), strict=True):
        assert isinstance(layer, LoraLinear)
        assert isinstance(scaled, LoraLinear)
        torch.testing.assert_close(scaled.update(), layer.update() * table["chosen"])


def test_the_score_is_the_objective_of_training() -> None:
    measured = Measured(loss=0.5, accuracy=1.0, divergence=0.2)
    assert measured.score(0.0) == 0.5
    assert math.isclose(measured.score(2.0), 0.9)
