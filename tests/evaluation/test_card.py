"""Learned, kept, lost, unknown: from answers written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.evaluation.card import Sitting, _Grader
from deepseek_fusion.evaluation.exam import Item
from deepseek_fusion.evaluation.sitting import _graded
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple

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


def sitting(answers: dict[str, tuple[str, str]], cloze: str = "", refusal: str = "", **general: Any) -> Sitting:
    """Two question phrasings a fact, one cloze, one refusal."""
    items, rows = [], {}
    for place, triple in enumerate(GRAPH.triples):
        for number in range(2):
            item = Item(
                f"question-{number}-{place}", "question", "?", True, (GRAPH.fact_id(triple),), ((triple.object,),)
            )
            items.append(item)
            rows[item.id] = _graded(item, answers.get(triple.subject, ("no", "no"))[number])
        item = Item(f"cloze-{place}", "cloze", "?", False, (GRAPH.fact_id(triple),), ((triple.object,),))
        items.append(item)
        rows[item.id] = _graded(item, cloze)
    item = Item("refusal-0", "refusal", "?", True)
    return Sitting([*items, item], {**rows, item.id: _graded(item, refusal)}, {**GENERAL, **general})


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
    assert general["domain_perplexity"] is None
    assert general["questions"]["before"]["value"] == general["questions"]["now"]["value"] == pytest.approx(2 / 3)
    assert general["questions"]["as_before"]["value"] == 0.5
    assert general["questions"]["as_before"]["n"] == 2


def test_examples_show_right_and_wrong(grader: _Grader) -> None:
    rows = [row for row in grader.examples() if row["family"] == "question"]
    assert {row["now_right"] for row in rows} == {True, False}
    for row in rows:
        assert row["gold"][0].startswith("X")


def test_facts_of_a_graph_are_told_apart(graph: Callable[..., Artifact]) -> None:
    loaded = Graph.load(graph("Gout | code | X0\nAsthma | code | X0").path)
    assert len({loaded.fact_id(triple) for triple in loaded.triples}) == 2
