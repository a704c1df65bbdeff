"""What each stage added, from verdicts written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_json, write_json
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.ablation import Trial, ablate


def made(folder: Path, stage: str, name: str, content: dict[str, Any]) -> Artifact:
    """An artifact with one JSON file; the name of its folder is its key."""
    folder.mkdir()
    write_json(folder / name, content)
    return Artifact(folder, folder.name, stage)


def dimension(name: str, before: float, now: float, passed: bool = True) -> dict[str, Any]:
    """A row of `gate.json`."""
    rates = {side: {"value": value, "low": value, "high": value, "n": 9} for side, value in (("b", before), ("n", now))}
    judgement = "equal" if passed else "worse"
    difference = {"value": now - before, "low": None, "high": None}
    row = {"name": name, "before": rates["b"], "now": rates["n"], "difference": difference, "judgement": judgement}
    return {**row, "passed": passed, "margin": -0.01, "n": 9, "p": 0.5, "detectable": 0.1}


def trial(folder: Path, stage: str, *dimensions: dict[str, Any], before: int = 0) -> Trial:
    """A stage that was trained and judged."""
    folder.mkdir(exist_ok=True)
    spent = {"tokens": 100, "cpu_seconds": 2.5, "before": [{"tokens": 100, "cpu_seconds": 2.5}] * before}
    trained = made(folder / f"{stage}-adapter", stage, "training.json", spent)
    return Trial(stage, trained, made(folder / f"{stage}-gate", "gate", "gate.json", {"dimensions": dimensions}))


def test_a_stage_is_compared_with_the_last_one_that_was_kept(run: Run, tmp_path: Path) -> None:
    weak = {"examined": 64, "right": 12, "accuracy": 0.19, "needed": 0.8, "passed": False}
    place = tmp_path / "made"
    trials = [
        trial(place, "instruct", dimension("facts", 0.1, 0.9), dimension("cloze", 0, 0.5)),
        Trial("distil", examined=made(place / "weak", "examined", "examined.json", weak)),
        trial(place, "reinforce", dimension("facts", 0.9, 0.4, passed=False), dimension("cloze", 0.5, 0.6), before=1),
    ]
    assert [own.state for own in trials] == ["kept", "skipped", "rejected"]
    found = read_json(run.step(ablate, None, *trials).path / "ablation.json")
    assert [row["against"] for row in found["stages"]] == [None, "instruct", "instruct"]
    assert [row["failed"] for row in found["stages"]] == [[], [], ["facts"]]
    assert [row["tokens"] for row in found["stages"]] == [100, None, 100]
    assert found["stages"][1]["teacher"] == weak
    facts, cloze = found["dimensions"]
    assert (facts["name"], facts["base"]["value"], cloze["base"]["value"]) == ("facts", 0.1, 0)
    assert {stage: cell["now"]["value"] for stage, cell in facts["stages"].items()} == {
        "instruct": 0.9,
        "reinforce": 0.4,
    }
    assert cloze["stages"]["reinforce"]["passed"]
    assert "12 of 64 questions rightly, and 80% are needed" in trials[1].verdict
    assert "made worse: facts" in trials[2].verdict


def test_another_verdict_makes_another_table(run: Run, tmp_path: Path) -> None:
    one = trial(tmp_path / "a", "instruct", dimension("facts", 0.1, 0.9))
    other = Trial(one.stage, one.adapter, made(tmp_path / "other", "gate", "gate.json", {"dimensions": []}))
    assert run.step(ablate, None, one) == run.step(ablate, None, one)
    assert run.step(ablate, None, one) != run.step(ablate, None, other)
