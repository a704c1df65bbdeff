"""Learned, kept, lost, unknown: from answers written by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.answers.abilities import AbilitiesConfig, sit_abilities
from deepseek_fusion.evaluation.answers.controls import sit_controls
from deepseek_fusion.evaluation.answers.sitting import _likeliest, sit_exam, written_row
from deepseek_fusion.evaluation.card import CardConfig, Sitting, _Grader, build_card
from deepseek_fusion.evaluation.graded import Graded
from deepseek_fusion.evaluation.questions.exam import write_exam
from deepseek_fusion.evaluation.questions.families import FAMILIES, Item
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.models.source import ModelSource
from knowledge_samples import GRAPHS

DISEASES = ("Gout", "Asthma", "Anemia", "Migraine", "Epilepsy")
GRAPH = Graph(
    tuple(Triple(name, "code", f"X{place}") for place, name in enumerate(DISEASES)),
    "disease",
    {"code": Relation("code", "codes")},
)
GENERAL = {
    "perplexity": {"value": 20.0, "tokens": 100, "source": "general.txt"},
    "questions": [
        {"question": "2+2?", "right": True},
        {"question": "3+3?", "right": True},
        {"question": "?", "right": False},
    ],
}
INSTRUCTION = {"instruction": "Say yes", "ended": True, "clean": True}
SET = {"name": "school", "source": "a book", "chance": 0.5, "unusable": 2}


def sitting(answers: dict[str, tuple[str, str]], cloze: str = "", refusal: str = "", **general: Any) -> Sitting:
    """Two question phrasings a fact, one cloze, one refusal."""
    items, rows = [], {}
    for place, triple in enumerate(GRAPH.triples):
        for number in range(2):
            item = Item(
                f"question-{number}-{place}", "question", "?", True, (GRAPH.fact_id(triple),), ((triple.object,),)
            )
            items.append(item)
            rows[item.id] = written_row(item, answers.get(triple.subject, ("no", "no"))[number])
        item = Item(f"cloze-{place}", "cloze", "?", False, (GRAPH.fact_id(triple),), ((triple.object,),))
        items.append(item)
        rows[item.id] = written_row(item, cloze)
    item = Item("refusal-0", "refusal", "?", True)
    return Sitting([*items, item], {**rows, item.id: written_row(item, refusal)}, {**GENERAL, **general})


BEFORE = sitting({"Asthma": ("surely it is X1 they say", "?"), "Anemia": ("X2", "X2"), "Epilepsy": ("", "known as X4")})
AFTER = sitting(
    {
        "Gout": ("X0", "the code: X0."),
        "Asthma": ("X1", "perhaps"),
        "Anemia": ("X9", "X22"),
        "Migraine": ("X3", "it is X3 maybe"),
    },
    cloze="X0, X1",
    refusal="I do not know.",
    perplexity={"value": 22.0, "tokens": 100, "source": "general.txt"},
    questions=[
        {"question": "2+2?", "right": True},
        {"question": "3+3?", "right": False},
        {"question": "?", "right": True},
    ],
)


@pytest.fixture
def grader() -> _Grader:
    return _Grader(EvaluationConfig(bootstrap=100), GRAPH, BEFORE, AFTER)


def test_states(grader: _Grader) -> None:
    states = {fact["subject"]: (fact["state"], fact["before"], fact["now"]) for fact in grader.facts()}
    assert states == {
        "Gout": ("learned", False, True),
        "Asthma": ("kept", True, True),  # mentioned before, and still mentioned somewhere
        "Anemia": ("lost", True, False),
        "Migraine": ("unknown", False, False),  # listed in one phrasing only
        "Epilepsy": ("lost", True, False),
    }
    summary = grader.summary(grader.facts())
    assert [summary[state] for state in ("facts", "learned", "kept", "lost", "unknown")] == [5, 1, 1, 2, 1]
    assert summary["before"]["value"] == 0.6
    assert summary["now"]["value"] == 0.4


def test_families_count_facts_and_refusals_count_questions(grader: _Grader) -> None:
    rows = {row["family"]: row for row in grader.families(None)}
    assert set(rows) == {"question", "cloze", "refusal"}
    assert rows["question"]["now"]["n"] == 10
    assert rows["question"]["now"]["value"] == 0.4  # X0 twice, X1, X3
    assert rows["cloze"]["now"]["value"] == 0.4
    assert (rows["refusal"]["before"]["value"], rows["refusal"]["before"]["n"]) == (0.0, 1)
    assert rows["refusal"]["now"]["value"] == 1.0
    assert all(row["control"] is None for row in rows.values())


def test_a_control_stands_beside_the_families(grader: _Grader) -> None:
    rows = {row["family"]: row for row in grader.families(sitting({"Gout": ("X0", "no")}))}
    assert rows["question"]["control"]["value"] == 0.1
    control = grader.control(sitting({}))
    assert control is not None
    assert (control["facts"], control["subjects"]) == (5, 5)


def test_relations_add_up(grader: _Grader) -> None:
    (row,) = grader.relations(grader.facts())
    assert (row["relation"], row["name"], row["facts"]) == ("code", "code", 5)
    assert row["now"]["value"] == 0.4
    assert set(row["families"]) == {"question", "cloze"}


def test_general_ability_is_compared(grader: _Grader) -> None:
    general = grader.general()
    assert general["perplexity"]["change"] == pytest.approx(0.1)
    assert (general["perplexity"]["low"], general["perplexity"]["windows"]) == (None, 0)  # none were kept
    assert general["domain_perplexity"] is None
    assert general["questions"]["before"]["value"] == general["questions"]["now"]["value"] == pytest.approx(2 / 3)
    assert general["questions"]["as_before"]["value"] == 0.5
    assert general["questions"]["as_before"]["n"] == 2


def test_a_perplexity_has_an_interval_over_its_windows() -> None:
    def read(nats: float) -> Sitting:
        windows = [[(nats + 0.01 * number) * 50, 50] for number in range(4)]
        value = math.exp(nats + 0.015)
        text = {"value": value, "tokens": 200, "source": "general.txt", "windows": windows}
        return Sitting(AFTER.items, AFTER.rows, {"perplexity": text, "questions": []})

    found = _Grader(EvaluationConfig(bootstrap=100), GRAPH, read(3.0), read(3.1)).general()["perplexity"]
    assert found["change"] == pytest.approx(math.expm1(0.1))
    assert found["low"] == pytest.approx(found["change"], abs=1e-6) == found["high"]  # alike in every window
    assert (found["windows"], found["tokens"]) == (4, 200)


def test_abilities_are_compared(grader: _Grader) -> None:
    then = {
        "sets": [{**SET, "answers": [{"question": "a", "right": True}, {"question": "b", "right": True}]}],
        "absent": None,
        "instructions": [{**INSTRUCTION, "right": True}],
    }
    now = {
        "sets": [{**SET, "answers": [{"question": "a", "right": True}, {"question": "b", "right": False}]}],
        "absent": None,
        "instructions": [{**INSTRUCTION, "right": True, "clean": False}],
    }
    found = grader.abilities(then, now)
    (row,) = found["sets"]
    assert (row["name"], row["chance"], row["unusable"]) == ("school", 0.5, 2)
    assert (row["before"]["value"], row["now"]["value"], row["as_before"]["value"]) == (1.0, 0.5, 0.5)
    assert found["instructions"]["now"]["value"] == 1.0
    assert found["format"]["clean"]["before"]["value"] - found["format"]["clean"]["now"]["value"] == 1.0
    assert grader.abilities(None, None) == {"sets": None, "instructions": None, "format": None}


def test_a_text_that_was_not_read_is_null() -> None:
    silent = Sitting(AFTER.items, AFTER.rows, {})
    general = _Grader(EvaluationConfig(bootstrap=100), GRAPH, silent, silent).general()
    assert (general["perplexity"], general["domain_perplexity"], general["questions"]) == (None, None, None)
    assert general["false_refusals"]["now"]["n"] == 10


def test_controls_stand_beside_both_models_on_the_same_items(grader: _Grader) -> None:
    answers = [{"id": "question-0-0", "right": [True]}, {"id": "question-0-4", "right": [False]}]
    rows = grader.controls({"controls": [{"name": "majority", "family": "question", "answers": answers}]})
    assert rows is not None
    assert {row["name"]: (row["family"], row["value"]["value"], row["value"]["n"]) for row in rows} == {
        "majority": ("question", 0.5, 2),
        "before": ("question", 0.0, 2),
        "now": ("question", 0.5, 2),  # Gout, not Epilepsy
    }
    assert all(row["value"]["low"] < row["value"]["high"] for row in rows)
    assert grader.controls(None) is None


def test_guessing_is_among_the_controls_of_a_choice() -> None:
    item = Item("choice-0", "choice", "?", True, (GRAPH.fact_id(GRAPH.triples[0]),), (("X0",),), "", ("X0", "X1"))
    row = _likeliest(item, [-1.0, -3.0])
    assert row["scores"] == [-1.0, -3.0]
    assert row["confidence"] == pytest.approx(1 / (1 + math.exp(-2)))
    assert _likeliest(item, [-3.0, -1.0])["right"] == [False]
    both = Sitting([item], {item.id: row}, GENERAL)
    grader = _Grader(EvaluationConfig(bootstrap=100), GRAPH, both, both)
    found = {"controls": [{"name": "option_only", "family": "choice", "answers": [{"id": item.id, "right": [False]}]}]}
    rows = {row["name"]: row["value"] for row in grader.controls(found) or []}
    assert rows["chance"] == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 1}
    assert (rows["option_only"]["value"], rows["now"]["value"]) == (0.0, 1.0)
    (family,) = grader.families(None)
    assert family["chance"] == 0.5


def test_examples_show_right_and_wrong(grader: _Grader) -> None:
    rows = [row for row in grader.examples() if row["family"] == "question"]
    assert {row["now_right"] for row in rows} == {True, False}
    for row in rows:
        assert row["gold"][0].startswith("X")


def test_facts_of_a_graph_are_told_apart(graph: Callable[..., Artifact]) -> None:
    loaded = Graph.load(graph("Gout | code | X0\nAsthma | code | X0").path)
    assert len({loaded.fact_id(triple) for triple in loaded.triples}) == 2


# --- a card from artifacts -----------------------------------------------------------------------------------------


@pytest.fixture(params=["en", "zh"])
def untaught(
    request: pytest.FixtureRequest,
    shelf: Run,
    graph: Callable[..., Artifact],
    source: Callable[[str], ModelSource],
    tmp_path: Path,
) -> Graded:
    """A model that nobody here taught, examined once."""
    table, section = GRAPHS[request.param]
    facts = graph(table, **section)
    (tmp_path / "general.txt").write_text("Bees make honey.\n\n北京是中国的首都。", encoding="utf-8")
    config, model = EvaluationConfig(refusals=4, controls=4, general_tokens=256), source("llama")
    exam = shelf.step(write_exam, config, facts, facts)
    sat = shelf.step(sit_exam, config, model, None, exam, Source(("general.txt",), tmp_path), None)
    controls = shelf.step(sit_controls, config, model, None, facts, exam)
    return Graded(model, facts, exam, sat, sat, controls=controls)


SECTION = CardConfig(name="x", command="make x", evaluation=EvaluationConfig(bootstrap=100))


def test_a_model_that_nobody_taught_has_a_card(untaught: Graded, shelf: Run) -> None:
    abilities = shelf.step(sit_abilities, AbilitiesConfig(language="zh"), untaught.model, None, None)
    card = build_card(SECTION, replace(untaught, abilities_before=abilities, abilities_after=abilities))
    nothing = ("cost", "lessons", "curve", "corpus", "control", "gates", "coverage", "robustness", "gate", "leaks")
    assert [card[name] for name in nothing] == [None] * len(nothing)
    assert card["model"]["parameters"] > 1000
    assert {row["family"] for row in card["families"]} == set(FAMILIES)
    assert (card["absent"], card["excluded"]) == ({}, [])
    assert card["summary"]["lost"] == card["summary"]["learned"] == 0
    assert card["general"]["sets_absent"] == "the package evals is not installed"
    assert card["general"]["instructions"]["n"] >= 20
    assert {row["name"] for row in card["controls"]} == {
        *("majority", "facts_in_context", "option_only", "before", "now", "chance")
    }


def test_parts_of_other_stages_stand_on_the_card_as_they_are(untaught: Graded, tmp_path: Path) -> None:
    (tmp_path / "coverage.json").write_text('{"share": 0.25, "weak": ["a"]}')
    card = build_card(SECTION, replace(untaught, coverage=Artifact(tmp_path, "k", "coverage")))
    assert card["coverage"] == {"share": 0.25, "weak": ["a"]}
    assert card["inputs"]["coverage"] == {"stage": "coverage", "key": "k"}
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "coverage.json").write_text('{"overall": {"unweighted": {"value": 0.0}}, "weak": ["b"]}')
    both = {"coverage": Artifact(tmp_path, "k", "coverage"), "coverage_before": Artifact(tmp_path / "base", "b", "")}
    compared = build_card(SECTION, replace(untaught, **both))["coverage"]
    assert compared == {"share": 0.25, "weak": ["a"], "before": {"overall": {"unweighted": {"value": 0.0}}}}


def test_a_card_can_be_made_again_to_the_same_numbers(untaught: Graded, shelf: Run) -> None:
    card = json.loads(json.dumps(build_card(SECTION, untaught)))
    again = Graded.of(card, shelf.work, untaught.model)
    assert again.key == untaught.key != replace(untaught, controls=None).key
    assert again.inputs == untaught.inputs
    made = json.loads(json.dumps(build_card(SECTION, again)))
    assert {**made, "created": None} == {**card, "created": None}


def test_a_card_is_not_made_again_of_something_else(
    untaught: Graded, shelf: Run, source: Callable[[str], ModelSource]
) -> None:
    card = build_card(SECTION, untaught)
    with pytest.raises(FusionError, match=r"card: made of the model .*; load the same model"):
        Graded.of(card, shelf.work, source("qwen2"))
    manifest = untaught.exam.path / "manifest.json"
    aside = manifest.rename(manifest.with_name("aside"))
    try:
        with pytest.raises(FusionError, match=r"exam/\w+ is gone, so it cannot be made again; run"):
            Graded.of(card, shelf.work, untaught.model)
    finally:
        aside.rename(manifest)
