"""The exam as it is served: the two sittings are put together as the router says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl, write_json
from deepseek_fusion.core.config import EvaluationConfig, LoraConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.answers.sitting import sit_exam
from deepseek_fusion.evaluation.card import Sitting
from deepseek_fusion.evaluation.questions.exam import write_exam
from deepseek_fusion.evaluation.routed import route_exam
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import attach_lora, lora_parameters, save_adapter
from deepseek_fusion.models.router import Router
from deepseek_fusion.models.source import ModelSource

SECTION = EvaluationConfig(refusals=4, general_tokens=256, bootstrap=100)
HELD_OUT = {
    "known": {"n": 50, "taken": 49},
    "unknown": {"n": 10, "taken": 10},
    "general": {"n": 40, "taken": 2},
    "form": {"n": 0, "taken": 0},
    "mention": {"n": 20, "taken": 0},
}
Load, Find = Callable[[str], Language], Callable[[str], ModelSource]


@pytest.fixture
def sat(
    shelf: Run, facts: Artifact, source: Find, language: Load, tmp_path: Path
) -> tuple[Artifact, Artifact, Artifact]:
    """An exam, and how a random model answers it without and with a random adapter."""
    model = language("llama").model
    attach_lora(model, LoraConfig(rank=4), seed=0)
    for name, parameter in lora_parameters(model).items():
        if name.endswith("lora_B"):
            parameter.data.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
    save_adapter(model, LoraConfig(rank=4), "base", tmp_path / "taught" / "adapter")
    (tmp_path / "general.txt").write_text("Bees make honey.\n\n北京是中国的首都。", encoding="utf-8")
    exam = shelf.step(write_exam, SECTION, facts, facts)
    rest = (exam, Source(("general.txt",), tmp_path), None)
    before = shelf.step(sit_exam, SECTION, source("llama"), None, *rest)
    adapter = Artifact(tmp_path / "taught", "random adapter of the routed exam", "adapter")
    after = shelf.step(sit_exam, SECTION, source("llama"), adapter, *rest)
    return exam, before, after


@pytest.fixture
def routed(
    run: Run, facts: Artifact, source: Find, sat: tuple[Artifact, ...], tmp_path: Path
) -> Callable[[float], dict[str, Any]]:
    """What the card says of a router with a given threshold."""

    def make(threshold: float) -> dict[str, Any]:
        place = tmp_path / f"router-{threshold}"
        weight = torch.randn(32, generator=torch.Generator().manual_seed(2))
        Router(1, weight, 0.0, threshold).save(place / "router")
        write_json(place / "calibration.json", {"held_out": HELD_OUT})
        router = Artifact(place, place.name, "router")
        made = run.step(route_exam, SECTION, source("llama"), router, facts, *sat)
        return {**read_json(made.path / "routed.json"), "prompts": read_jsonl(made.path / "prompts.jsonl")}

    return make


def right(sitting: Sitting, family: Any, names: set[str] | None = None) -> list[bool]:
    return [
        value
        for item, row in sitting.of(family)
        if names is None or item.id in names
        for value in ([row["declined"]] if family == "refusal" else row["right"])
    ]


def test_all_or_nothing_is_one_sitting_or_the_other(
    sat: tuple[Artifact, Artifact, Artifact], routed: Callable[[float], dict[str, Any]]
) -> None:
    exam, before, after = sat
    then, now = Sitting.read(exam, before), Sitting.read(exam, after)
    for threshold, sitting, share in ((0.0, now, 1.0), (2.0, then, 0.0)):
        found = routed(threshold)
        assert found["to_base"]["value"] == 1 - share
        assert found["questions"]["to_base"]["value"] == 1 - share
        answered = [row["right"] for row in sitting.general["questions"]]
        assert found["questions"]["now"]["value"] == pytest.approx(sum(answered) / len(answered))
        for row in found["families"]:
            values = right(sitting, row["family"])
            assert row["now"]["value"] == pytest.approx(sum(values) / len(values))
    assert [row["answer"] for row in then.rows.values()] != [row["answer"] for row in now.rows.values()]


def test_each_prompt_is_answered_by_the_model_it_is_sent_to(
    sat: tuple[Artifact, Artifact, Artifact], routed: Callable[[float], dict[str, Any]]
) -> None:
    exam, before, after = sat
    then, now = Sitting.read(exam, before), Sitting.read(exam, after)
    shares = sorted(row["probability"] for row in routed(0.0)["prompts"])
    found = routed(shares[len(shares) // 2])
    taken = {row["prompt"] for row in found["prompts"] if row["taken"]}
    asked = [item for item in now.items if not item.options]
    names = {item.id for item in asked if item.prompt in taken}
    assert 0 < len(names) < len(asked) < len(now.items)
    assert found["to_base"]["value"] == pytest.approx(1 - len(names) / len(asked))
    others = {item.id for item in asked} - names
    assert {row["family"] for row in found["families"]} == {item.family for item in asked}
    for row in found["families"]:
        values = right(now, row["family"], names) + right(then, row["family"], others)
        assert row["now"]["value"] == pytest.approx(sum(values) / len(values))
        assert row["now"]["n"] == len(values)


def test_held_out_errors_have_intervals(routed: Callable[[float], dict[str, Any]]) -> None:
    held_out = routed(0.5)["held_out"]
    assert set(held_out) == {"known", "unknown", "general", "mention"}  # nothing is said of what there was none of
    assert held_out["known"]["value"] == pytest.approx(0.02)  # off, where it should be on
    assert held_out["general"]["value"] == pytest.approx(0.05)  # on, where it should be off
    assert held_out["unknown"] == {"value": 0.0, "low": 0.0, "high": pytest.approx(0.2775, abs=1e-3), "n": 10}
    assert held_out["known"]["low"] < 0.02 < held_out["known"]["high"]
