"""The stages on disk: a judge trained for a moment, an exam answered by hand, and what is written about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deepseek_fusion.evaluation.consistency.judge as judging
from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl, write_jsonl
from deepseek_fusion.core.config import ConsistencyConfig, EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run, stage
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.consistency.build import check_consistency
from deepseek_fusion.evaluation.consistency.checker import VERDICTS
from deepseek_fusion.evaluation.consistency.judge import PairWriter, split_subjects, train_judge
from deepseek_fusion.evaluation.consistency.labels import open_desk
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from knowledge_samples import GRAPHS

from .test_checker import EN

SECTION = ConsistencyConfig(judge_steps=2)
MORE = "\nScurvy | code | E54\nScurvy | symptom | Fatigue\nRickets | code | E55.0\nRickets | symptom | Swelling"


@pytest.fixture(params=["en", "zh"])
def facts(request: pytest.FixtureRequest, graph: Callable[..., Artifact]) -> Artifact:
    lines, section = GRAPHS[request.param]
    return graph(lines, **section)


@stage("answers", version=1)
def answered(out: Path, section: EvaluationConfig, exam: Artifact) -> None:
    """A model that knows everything but the codes, which it all calls Z00.0, and declines one question."""
    rows = [
        {
            "id": item.id,
            "family": item.family,
            "answer": "Z00.0" if item.expected.strip()[-1:].isdigit() else item.expected,
            "declined": False,
        }
        for item in read_exam(exam.path)
    ]
    rows[0] |= {"answer": "I do not know. 我不知道。", "declined": True}
    write_jsonl(out / "answers.jsonl", rows)


@pytest.fixture
def checked(run: Run, facts: Artifact) -> tuple[Artifact, ...]:
    exam = run.step(write_exam, EvaluationConfig(refusals=2), facts, facts)
    sitting = run.step(answered, EvaluationConfig(), exam)
    return facts, exam, sitting, run.step(check_consistency, SECTION, facts, None, exam, sitting, None, None)


def test_claims_and_their_counts(checked: tuple[Artifact, ...]) -> None:
    _, exam, _, consistency = checked
    summary, rows = read_json(consistency.path / "consistency.json"), read_jsonl(consistency.path / "claims.jsonl")
    asked = [item for item in read_exam(exam.path) if item.family in ("question", "cloze", "reversed")]
    assert (summary["answers"], summary["declined"], summary["without_claims"]) == (len(asked), 1, 1)
    assert sum(summary["claims"].values()) == len(rows)
    wrong = {row["object"] for row in rows if row["verdict"] == "contradicted"}
    assert wrong == {"Z00.0"}
    assert all(row["verdict"] == "supported" for row in rows if row["object"] != "Z00.0")
    assert summary["rates"]["contradicted"]["value"] == pytest.approx(summary["claims"]["contradicted"] / len(rows))
    assert len({row["id"] for row in rows}) == len(rows)
    assert summary["agreement"] == {"nli": None, "human": None}
    assert summary["nli"] is None
    assert summary["examples"][0]["verdict"] == "contradicted"
    assert sum(sum(part["claims"].values()) for part in summary["by_relation"].values()) == len(rows)


def test_people_who_agree_with_the_checker(run: Run, checked: tuple[Artifact, ...], tmp_path: Path) -> None:
    facts, exam, sitting, consistency = checked
    desk = open_desk(consistency, facts, tmp_path / "labels.jsonl", "Wang", 10, 0)
    verdicts = {row["id"]: row["verdict"] for row in read_jsonl(consistency.path / "claims.jsonl")}
    while claim := desk.state()["claim"]:
        desk.label(claim["id"], verdicts[claim["id"]])
    with desk.file.open("a", encoding="utf-8") as file:
        file.write('{"claim": "gone", "label": "unknown", "labeller": "Li", "time": ""}\n')
    labels = Source(("labels.jsonl",), tmp_path)
    again = run.step(check_consistency, SECTION, facts, None, exam, sitting, None, labels)
    human = read_json(again.path / "consistency.json")["agreement"]["human"]
    assert human["labellers"] == {"Wang": 10, "Li": 0}
    assert human["labels_of_other_claims"] == 1
    assert human["checker"]["kappa"]["value"] == 1
    assert human["nli"] is None


def test_a_judge_is_trained_and_asked(
    run: Run, graph: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HIDDEN": 16, "LAYERS": 1, "HEADS": 2, "EXAM": 12, "BATCH": 4}.items():
        monkeypatch.setattr(judging, name, value)
    lines, section = GRAPHS["en"]
    facts = graph(lines.strip() + MORE, **section)
    judge = run.step(train_judge, SECTION, facts)
    report = read_json(judge.path / "judge.json")
    assert report["subjects"] == {"learned": 8, "held_out": 2}
    assert set(report["held_out"]) == {"subjects", "phrasings", "subjects_and_phrasings"}
    assert report["held_out"]["subjects"]["accuracy"]["n"] == 12
    assert {file.suffix for file in (judge.path / "model").iterdir()} == {".json", ".safetensors"}
    exam = run.step(write_exam, EvaluationConfig(refusals=2), facts, facts)
    sitting = run.step(answered, EvaluationConfig(), exam)
    found = run.step(check_consistency, SECTION, facts, None, exam, sitting, judge, None)
    summary = read_json(found.path / "consistency.json")
    rows = read_jsonl(found.path / "claims.jsonl")
    assert summary["nli"]["judge"] == report
    assert sum(summary["nli"]["claims"].values()) == len(rows)
    assert sum(map(sum, summary["agreement"]["nli"]["confusion"])) == len(rows)
    assert all(row["nli"]["evidence"] for row in rows)


def test_a_judge_needs_subjects(run: Run, graph: Callable[..., Artifact]) -> None:
    with pytest.raises(FusionError, match="needs 10 subjects"):
        run.step(train_judge, SECTION, graph("Gout | symptom | Swelling"))


def test_a_sitting_of_another_exam_is_refused(run: Run, checked: tuple[Artifact, ...], tmp_path: Path) -> None:
    facts, exam, _, _ = checked
    write_jsonl(tmp_path / "answers.jsonl", [])
    with pytest.raises(FusionError, match="has no answer to question-0-0"):
        run.step(check_consistency, SECTION, facts, None, exam, Artifact(tmp_path, "other", "sitting"), None, None)


def holds(pair: judging.Pair, name: str) -> bool:
    return name in pair.evidence.replace(pair.subject, "")


def test_pairs_say_what_they_are_labelled() -> None:
    learned, held_out = split_subjects(EN, 0)
    assert not set(learned) & set(held_out)
    assert set(learned) | set(held_out) == set(EN.subjects)
    pairs = PairWriter(EN, learned, 0, trained=True).take(300)
    assert [sum(pair.verdict == verdict for pair in pairs) for verdict in VERDICTS] == [100, 100, 100]
    assert not any(subject in pair.evidence for pair in pairs for subject in held_out if subject != "Fatigue")
    objects = sorted({triple.object for triple in EN.triples}, key=len, reverse=True)
    for pair in pairs:
        said = next((name for name in objects if name in pair.claim.replace(pair.subject, "")), "")
        denied = any(word in pair.claim for word in (" not ", "never"))
        if pair.verdict != "unknown" and said and "Headache" not in said:
            assert holds(pair, said) == ((pair.verdict == "supported") != denied), pair


def test_phrasings_of_the_examination_are_not_trained_on() -> None:
    learned, _ = split_subjects(EN, 0)
    trained = PairWriter(EN, learned, 0, trained=True).take(300)
    examined = PairWriter(EN, learned, 0, trained=False).take(60)
    assert not any("register" in pair.evidence or "is found as" in pair.claim for pair in trained)
    assert all("register" in pair.evidence for pair in examined)


def test_the_same_seed_trains_the_same_judge(run: Run, graph: Callable[..., Artifact], monkeypatch: Any) -> None:
    monkeypatch.setattr(judging, "HIDDEN", 16)
    monkeypatch.setattr(judging, "EXAM", 6)
    lines, section = GRAPHS["en"]
    facts = graph(lines.strip() + MORE, **section)
    weights = []
    for name in ("a", "b"):
        out = run.work / name
        out.mkdir()
        train_judge(out, SECTION, facts)
        weights.append((out / "model" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
