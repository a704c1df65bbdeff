"""The stage, on models that were taught their exam."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig, RobustnessConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.robustness.build import attack_exam
from deepseek_fusion.evaluation.robustness.perturb import CHANGES
from deepseek_fusion.models.source import find_model
from evaluation.robustness.conftest import exam_items, small_graph

BUDGET = 2


def trial(run: Run, tmp_path: Path, model: Path, language: str, questions: int = 10) -> dict[str, Any]:
    """robustness.json of a model on the exam of one language."""
    graph = Artifact(tmp_path / f"graph-{language}", f"graph-{language}", "graph")
    exam = Artifact(tmp_path / f"exam-{language}", f"exam-{language}", "exam")
    for artifact in (graph, exam):
        artifact.path.mkdir(exist_ok=True)
    small_graph(language).save(graph.path)
    write_jsonl(exam.path / "exam.jsonl", [vars(item) for item in exam_items(language)])
    section = EvaluationConfig(robustness=RobustnessConfig(questions=questions, budget=BUDGET), bootstrap=100)
    made = run.step(attack_exam, section, find_model(str(model), Path("/"), "float32"), None, graph, exam)
    return read_json(made.path / "robustness.json")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_the_stage_writes(run: Run, tmp_path: Path, taught: Callable[[str], Path], language: str) -> None:
    found = trial(run, tmp_path, taught(language), language)
    assert found.keys() == {"clean", "perturbations", "attacks", "ratio", "examples", "excluded"}
    assert found["clean"]["n"] == 10
    attacked = round(found["clean"]["value"] * 10)
    assert attacked >= 5
    assert found["excluded"].get("attack: answered wrongly as it stands", 0) == 10 - attacked
    kinds = list(CHANGES[language])
    assert [row["name"] for row in found["perturbations"]] == kinds
    for row in found["perturbations"]:
        left_out = found["excluded"].get(f"{row['name']}: nothing to change, or nothing to change it with", 0)
        assert row["accuracy"]["n"] == row["clean"]["n"] == row["n"] == 10 - left_out
    assert [attack["name"] for attack in found["attacks"]] == ["hotflip", "projected", "random"]
    for attack in found["attacks"]:
        values = [point["accuracy"]["value"] for point in attack["curve"]]
        assert [point["budget"] for point in attack["curve"]] == [0, 1, 2]
        assert values[0] == 1
        assert values == sorted(values, reverse=True)
        assert all(point["accuracy"]["n"] == attacked for point in attack["curve"])
    last = {attack["name"]: attack["curve"][-1]["accuracy"]["value"] for attack in found["attacks"]}
    assert last["hotflip"] < last["random"]
    over = found["ratio"]["hotflip_over_random"]
    at_last = over["by_budget"][-1]
    assert at_last["budget"] == BUDGET
    assert at_last["value"] is None or at_last["value"] == pytest.approx((1 - last["hotflip"]) / (1 - last["random"]))
    assert found["ratio"].keys() == {"hotflip_over_random", "projected_over_random"}
    assert {example["attack"] for example in found["examples"]} <= {*kinds, *last}
    for example in found["examples"]:
        assert example.keys() == {"attack", "prompt", "attacked", "answer", "gold", "right"}
        assert example["right"] or example["attacked"] != example["prompt"]


def test_a_model_that_knows_nothing_is_attacked_in_vain(
    run: Run, tmp_path: Path, models: Callable[[str], Path]
) -> None:
    found = trial(run, tmp_path, models("llama"), "en", questions=4)
    assert found["clean"]["value"] == 0
    assert found["excluded"]["attack: answered wrongly as it stands"] == 4
    assert found["attacks"] == []
    assert found["ratio"] == {}
    assert len(found["perturbations"]) == len(CHANGES["en"])


def test_the_same_seed_gives_the_same_result_and_no_questions_none(
    run: Run, tmp_path: Path, taught: Callable[[str], Path]
) -> None:
    first = trial(run, tmp_path, taught("zh"), "zh", questions=3)
    with Run(tmp_path / "again") as other:
        assert trial(other, tmp_path, taught("zh"), "zh", questions=3) == first
    nothing = trial(run, tmp_path, taught("zh"), "zh", questions=0)
    assert nothing["clean"]["n"] == 0
    assert nothing["examples"] == []
