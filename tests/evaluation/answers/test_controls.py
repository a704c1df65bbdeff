"""Baselines and facts in context, on the items of an exam."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.answers.controls import _commonest, _frequent, _informed, _unasked, sit_controls
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import ModelSource

SECTION = EvaluationConfig(refusals=4, controls=5)


@pytest.fixture
def exam(shelf: Run, facts: Artifact) -> Artifact:
    return shelf.step(write_exam, SECTION, facts, facts)


def asked(exam: Artifact, family: str) -> list[Item]:
    return [item for item in read_exam(exam.path) if item.family == family]


def test_all_facts_on_the_subject_stand_before_the_question(facts: Artifact, exam: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    items = asked(exam, "question")
    for item, informed in zip(items, _informed(items, graph, random.Random(0)), strict=True):
        subject = by_id[item.facts[0]].subject
        notes = informed.prompt.removesuffix(item.prompt)
        assert notes != informed.prompt
        assert all(triple.object in notes for triple in graph.triples if triple.subject == subject)
        assert (informed.gold, informed.facts) == (item.gold, item.facts)


def test_the_majority_knows_what_is_common_and_nothing_else(facts: Artifact, exam: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    counts = Counter((triple.relation, triple.object) for triple in graph.triples)
    items = asked(exam, "question")
    for item, right in zip(items, _commonest(items, graph), strict=True):
        for fact, value in zip(item.facts, right, strict=True):
            own = counts[by_id[fact].relation, by_id[fact].object]
            most = max(count for (relation, _), count in counts.items() if relation == by_id[fact].relation)
            assert not value or own == most
    choices = asked(exam, "choice")
    for item, (right,) in zip(choices, _frequent(choices, graph, random.Random(0)), strict=True):
        relation = by_id[item.facts[0]].relation
        own, *others = (counts[relation, option] for option in item.options)
        assert right or own <= max(others)
        assert not right or own >= max(others)


def test_without_the_question_the_order_of_items_is_all_there_is(
    language: Callable[[str], Language], exam: Artifact
) -> None:
    items = asked(exam, "choice")
    loaded = language("llama")
    alone = [_unasked(loaded, [item])[0] for item in items[:4]]
    assert _unasked(loaded, items)[:4] == alone
    swapped = [Item(**{**vars(item), "options": item.options[::-1]}) for item in items]
    assert any(a != b for a, b in zip(_unasked(loaded, items), _unasked(loaded, swapped), strict=True))


def test_the_stage_samples_and_is_the_same_each_time(
    shelf: Run, facts: Artifact, exam: Artifact, source: Callable[[str], ModelSource]
) -> None:
    made = shelf.step(sit_controls, SECTION.only("controls", "seed"), source("llama"), None, facts, exam)
    rows = read_json(made.path / "controls.json")["controls"]
    assert [(row["name"], row["family"]) for row in rows] == [
        ("majority", "question"),
        ("majority", "choice"),
        ("facts_in_context", "question"),  # and none taught, as nobody was
        ("option_only", "choice"),
        ("option_only", "negation"),
        ("option_only", "numerals"),
    ]
    items = {item.id: item for item in read_exam(exam.path)}
    for row in rows:
        assert len(row["answers"]) == 5
        for answer in row["answers"]:
            assert items[answer["id"]].family == row["family"]
            assert len(answer["right"]) == len(items[answer["id"]].facts)
    sit_controls(made.path, SECTION.only("controls", "seed"), source("llama"), None, facts, exam)
    assert read_json(made.path / "controls.json")["controls"] == rows
