"""Verdicts on answers written by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, write_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.gate import GateConfig
from deepseek_fusion.evaluation.answers.sitting import sit_exam
from deepseek_fusion.evaluation.gate import Judgement, exit_code, judge
from deepseek_fusion.evaluation.questions.exam import FAMILIES, Item, read_exam, write_exam
from deepseek_fusion.models.source import ModelSource

WORDS = {
    "en": ("code", [f"Disease {number}" for number in range(20)]),
    "zh": ("编码", [f"疾病{number}" for number in range(20)]),
}
GENERAL = {
    "perplexity": {"value": 20.0, "tokens": 100, "source": "general.txt"},
    "questions": [{"question": f"{number}+1?", "right": True} for number in range(50)],
}
Sat = Callable[..., Artifact]
Judge = Callable[..., dict[str, Any]]


@pytest.fixture(params=["en", "zh"])
def facts(request: pytest.FixtureRequest, graph: Callable[..., Artifact]) -> Artifact:
    relation, subjects = WORDS[request.param]
    lines = [f"{name} | {relation} | {place}-{part}" for place, name in enumerate(subjects) for part in "abc"]
    return graph("\n".join(lines))


@pytest.fixture
def exam(shelf: Run, facts: Artifact) -> Artifact:
    return shelf.step(write_exam, EvaluationConfig(refusals=40), facts, facts)


@pytest.fixture
def sat(tmp_path: Path, exam: Artifact) -> Sat:
    """A sitting in which all is right, but for the items that `wrong` picks."""
    number = itertools.count()

    def sit(
        wrong: Callable[[Item], bool] = lambda item: False,
        keep: Callable[[Item], bool] = lambda item: True,
        key: str = exam.key,
        **general: Any,
    ) -> Artifact:
        folder = tmp_path / f"sitting-{next(number)}"
        folder.mkdir()
        rows = [
            {
                "id": item.id,
                "right": [not wrong(item)] * len(item.facts),
                "declined": wrong(item) != (item.family == "refusal")
                if item.family in ("refusal", "question")
                else False,
            }
            for item in read_exam(exam.path)
            if keep(item)
        ]
        write_jsonl(folder / "answers.jsonl", rows)
        write_json(folder / "general.json", GENERAL | general)
        write_json(folder / "manifest.json", {"inputs": [None, {"stage": "exam", "key": key}]})
        return Artifact(folder, folder.name, "sitting")

    return sit


@pytest.fixture
def judged(run: Run, exam: Artifact, facts: Artifact) -> Judge:
    def judged(current: Artifact, candidate: Artifact, **margins: str | None) -> dict[str, Any]:
        gate = run.step(judge, GateConfig(**margins), exam, facts, current, candidate)
        found = read_json(gate.path / "gate.json")
        assert exit_code(gate) == (0 if found["verdict"] == "pass" else 1)
        return {**found, **{row["name"]: row for row in found["dimensions"]}}

    return judged


def place(item: Item) -> int:
    """The number of the subject."""
    return int(item.gold[0][0].split("-")[0]) if item.gold else 99


def of(family: str, subjects: int = 20) -> Callable[[Item], bool]:
    """Picks the items of a family on the first subjects."""
    return lambda item: item.family == family and place(item) < subjects


def test_the_same_answers_pass(sat: Sat, judged: Judge) -> None:
    found = judged(sat(), sat())
    assert found["verdict"] == "pass"
    named = [row["name"] for row in found["dimensions"]]
    assert named == [name for name in GateConfig.model_fields if name in named]
    assert {"facts", "cloze", "choice", "reversed", "refusal", "false_refusals", "forgetting", "perplexity"} <= set(
        named
    )
    assert {row["judgement"] for row in found["dimensions"]} == {"equal"}
    facts = found["facts"]
    assert facts["before"] == facts["now"]
    assert (facts["before"]["value"], facts["n"], facts["margin"]) == (1.0, 60, -0.01)
    assert facts["difference"]["low"] < facts["difference"]["value"] == 0.0 < facts["difference"]["high"]
    assert facts["detectable"] > 0.01  # sixty facts cannot show a drop of one point
    assert found["unpaired"] == {"current": {"count": 0, "items": []}, "candidate": {"count": 0, "items": []}}


def test_lost_facts_fail_and_gained_ones_are_better(sat: Sat, judged: Judge) -> None:
    worse = judged(sat(), sat(of("question", 10)))
    assert (worse["verdict"], worse["facts"]["judgement"], worse["facts"]["passed"]) == ("fail", "worse", False)
    assert worse["facts"]["difference"]["value"] == -0.5
    assert worse["cloze"]["judgement"] == "equal"
    better = judged(sat(of("question", 10)), sat())
    assert (better["verdict"], better["facts"]["judgement"]) == ("pass", "better")


def test_a_fact_must_be_right_in_all_phrasings(sat: Sat, judged: Judge) -> None:
    found = judged(sat(), sat(lambda item: item.id.startswith("question-0-") and place(item) < 10))
    assert found["facts"]["difference"]["value"] == -0.5


def test_a_single_subject_is_no_regression_of_the_model(sat: Sat, judged: Judge) -> None:
    assert judged(sat(), sat(of("question", 1)))["facts"]["judgement"] == "equal"


def test_a_real_drop_within_the_margin_passes(sat: Sat, judged: Judge) -> None:
    current, candidate = sat(), sat(of("question", 8))  # 40 points, at most 64
    assert judged(current, candidate, facts="no_worse_than -30")["facts"]["judgement"] == "worse"
    within = judged(current, candidate, facts="no_worse_than -70")["facts"]
    assert (within["judgement"], within["p"] < 0.05, within["difference"]["high"] < 0) == ("equal", True, True)


def test_a_dimension_without_a_margin_is_reported_only(sat: Sat, judged: Judge) -> None:
    current, candidate = sat(), sat(of("cloze"))
    reported = judged(current, candidate)
    assert (reported["cloze"]["judgement"], reported["cloze"]["passed"], reported["verdict"]) == ("worse", True, "pass")
    assert judged(current, candidate, cloze="no_worse_than -5")["verdict"] == "fail"


@pytest.mark.parametrize("family", ["cloze", "choice", "reversed", "refusal"])
def test_every_family_can_be_declared(family: str, sat: Sat, judged: Judge) -> None:
    candidate = sat(lambda item: item.family == family)
    found = judged(sat(), candidate, **{family: "no_worse_than -5"})
    assert [row["name"] for row in found["dimensions"] if row["judgement"] != "equal"] == [family]
    assert found["verdict"] == "fail"


def test_more_refusals_of_real_questions_are_worse(sat: Sat, judged: Judge) -> None:
    declared = {"false_refusals": "no_worse_than 2", "facts": None}
    found = judged(sat(), sat(of("question")), **declared)
    row = found["false_refusals"]
    assert (row["difference"]["value"], row["judgement"], row["margin"]) == (1.0, "worse", 0.02)
    assert judged(sat(of("question")), sat(), **declared)["false_refusals"]["judgement"] == "better"


def test_forgotten_general_questions(sat: Sat, judged: Judge) -> None:
    half = [{**row, "right": number % 2 == 0} for number, row in enumerate(GENERAL["questions"])]
    forgot = judged(sat(), sat(questions=half))
    assert (forgot["forgetting"]["judgement"], forgot["forgetting"]["n"]) == ("worse", 50)


def windows(rise: float) -> dict[str, Any]:
    """A text of which each window is less likely by about `rise`, and some by more than others."""
    nats = [(3 + rise * (0.6 + 0.1 * (number % 9))) * 10 for number in range(9)]
    return {"value": math.exp(sum(nats) / 90), "tokens": 90, "source": "t", "windows": [[own, 10] for own in nats]}


def test_a_rise_of_perplexity_must_be_real_and_may_exceed_its_margin(sat: Sat, judged: Judge) -> None:
    current = sat(perplexity=windows(0))
    for rise, margin, judgement in ((0.1, 5, "worse"), (0.1, 10, "worse"), (0.1, 20, "equal"), (-0.1, 5, "better")):
        row = judged(current, sat(perplexity=windows(rise)), perplexity=f"no_worse_than {margin}")["perplexity"]
        assert (row["judgement"], row["passed"]) == (judgement, judgement != "worse")
        assert row["difference"]["value"] == pytest.approx(math.expm1(rise))
        assert row["difference"]["low"] < row["difference"]["value"] < row["difference"]["high"]
        assert (row["n"], row["before"]["low"]) == (90, None)
        assert row["p"] < 0.05
        assert row["detectable"] > 0
    noisy = windows(0)
    noisy["windows"][0][0] += 9  # one window alone: 10 % more over the whole text, but not of text as such
    noisy["value"] *= math.exp(0.1)
    assert judged(current, sat(perplexity=noisy))["perplexity"]["judgement"] == "equal"


def test_a_perplexity_without_windows_is_judged_as_it_stands(sat: Sat, judged: Judge) -> None:
    text = GENERAL["perplexity"]
    for value, judgement in ((20.9, "equal"), (21.1, "worse"), (18.0, "better")):
        row = judged(sat(), sat(perplexity=text | {"value": value}))["perplexity"]
        assert (row["judgement"], row["passed"]) == (judgement, judgement != "worse")
        assert row["difference"] == {"value": pytest.approx(value / 20 - 1), "low": None, "high": None}


def test_items_that_only_one_answered_are_counted_and_named(sat: Sat, judged: Judge) -> None:
    asked = GENERAL["questions"]
    found = judged(
        sat(keep=lambda item: item.id != "cloze-0"),
        sat(keep=lambda item: not item.id.startswith("choice-0-"), questions=asked[1:]),
    )
    assert found["unpaired"] == {
        "current": {"count": 4, "items": ["0+1?", "choice-0-0", "choice-0-1", "choice-0-2"]},
        "candidate": {"count": 1, "items": ["cloze-0"]},
    }
    assert (found["cloze"]["n"], found["choice"]["n"], found["forgetting"]["n"]) == (57, 57, 49)


def test_what_cannot_be_compared_is_refused(sat: Sat, judged: Judge) -> None:
    with pytest.raises(FusionError, match="sat another exam than"):
        judged(sat(), sat(key="0123"))
    with pytest.raises(FusionError, match=r"gate\.choice: has a margin, but no item"):
        judged(sat(), sat(keep=lambda item: item.family != "choice"), choice="no_worse_than -1")
    with pytest.raises(FusionError, match=r"gate\.forgetting: has a margin"):
        judged(sat(), sat(questions=[]))
    with pytest.raises(FusionError, match=r"gate\.perplexity: the current version read 100 \(tokens\) and .* 50"):
        judged(sat(), sat(perplexity={"value": 20.0, "tokens": 50, "source": "general.txt"}))


def test_real_sittings(
    run: Run, exam: Artifact, facts: Artifact, source: Callable[[str], ModelSource], judged: Judge, tmp_path: Path
) -> None:
    sitting = run.step(sit_exam, EvaluationConfig(), source("llama"), None, exam, None, None)
    found = judged(sitting, sitting, forgetting=None, perplexity=None)
    assert found["verdict"] == "pass"
    assert found["facts"]["n"] == 60


def test_every_family_is_a_dimension() -> None:
    dimensions = {"facts" if family == "question" else family for family in FAMILIES}
    assert dimensions <= set(GateConfig.model_fields)
    assert get_args(Judgement) == ("better", "equal", "worse")


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("{fact: no_worse_than -1}", "unknown key `gate.fact`; did you mean `facts`?"),
        ("{facts: -1}", "`gate.facts` should be `no_worse_than` and a number (0 or below), such as `no_worse_than -1`"),
        ("{facts: no worse than -1}", "such as `no_worse_than -1`, not 'no worse than -1'."),
        ("{facts: no_worse_than 1}", "(0 or below)"),
        ("{perplexity: no_worse_than -5}", "`gate.perplexity` should be `no_worse_than` and a number (0 or above"),
    ],
)
def test_a_bad_margin_is_named(gate: str, message: str, project: Callable[..., Path]) -> None:
    file = project(f"name: x\nknowledge: {{sources: [facts.csv]}}\ngate: {gate}\n")
    with pytest.raises(FusionError) as error:
        load_config(file)
    assert message in str(error.value)


def test_margins_are_read(project: Callable[..., Path]) -> None:
    file = project("name: x\nknowledge: {sources: [facts.csv]}\ngate: {facts: no_worse_than -1.5, forgetting: null}\n")
    margins = load_config(file, ["gate.perplexity=no_worse_than 3"]).gate.margins()
    assert (margins["facts"], margins["forgetting"], margins["perplexity"]) == (-0.015, None, 0.03)
    assert load_config(file).gate.only("facts").facts == "no_worse_than -1.5"
