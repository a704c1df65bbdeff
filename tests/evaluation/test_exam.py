"""The exam asks for every fact in every family, fairly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.exam import read_exam, write_exam
from deepseek_fusion.evaluation.families import DISTRACTORS, Item
from deepseek_fusion.evaluation.matching import folded, is_listed
from deepseek_fusion.evaluation.phrasings import PHRASINGS
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.phrase import LONGEST_LIST
from deepseek_fusion.knowledge.shuffle import shuffle_answers
from knowledge_samples import GRAPHS

SECTION = EvaluationConfig(refusals=12)


@pytest.fixture(params=["en", "zh"])
def facts(request: pytest.FixtureRequest, graph: Callable[..., Artifact]) -> Artifact:
    table, section = GRAPHS[request.param]
    return graph(table, **section)


def exam(run: Run, facts: Artifact, truth: Artifact | None = None) -> list[Item]:
    return read_exam(run.step(write_exam, SECTION, facts, truth or facts).path)


def test_every_fact_is_asked_for_once_in_each_family_and_phrasing(run: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    items = exam(run, facts)
    once = dict.fromkeys(map(graph.fact_id, graph.triples), 1)
    phrasings = len(PHRASINGS[graph.language].question)
    for family, times in (("question", phrasings), ("cloze", 1), ("choice", 1), ("reversed", 1)):
        asked = Counter(fact for item in items if item.family == family for fact in item.facts)
        assert asked == dict.fromkeys(once, times), family
    assert sum(item.family == "refusal" for item in items) == 12
    assert len({item.id for item in items}) == len(items)


def test_the_taught_answer_is_right(run: Run, facts: Artifact) -> None:
    for item in exam(run, facts):
        assert len(item.gold) == len(item.facts)
        assert item.chat == (item.family != "cloze")
        if item.family not in ("choice", "refusal"):
            assert all(is_listed(item.expected, names) for names in item.gold), item
            assert not [names for names in item.gold if folded(names[0]) in folded(item.prompt)], item


def test_distractors_are_of_the_same_relation_and_wrong(run: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    for item in exam(run, facts):
        if item.family == "choice":
            triple = by_id[item.facts[0]]
            assert item.options[0] == triple.object
            assert len(set(item.options)) == DISTRACTORS + 1
            for wrong in item.options[1:]:
                assert (triple.subject, triple.relation, wrong) not in {t.statement for t in graph.triples}
                assert triple.relation in {t.relation for t in graph.triples if t.object == wrong}


def test_too_few_others_are_no_choice_and_too_many_subjects_no_question(
    run: Run, graph: Callable[..., Artifact]
) -> None:
    few = graph(
        "\n".join(
            f"Disease {name} | specialty | {'Neurology' if name < 'E' else 'Surgery'}" for name in "ABCDEFGHIJKLM"
        )
    )
    items = exam(run, few)
    assert not [item for item in items if item.family == "choice"]
    assert [len(item.facts) for item in items if item.family == "reversed"] == [4]
    assert LONGEST_LIST < 9


def test_the_exam_is_the_same_each_time(run: Run, facts: Artifact, tmp_path: Path) -> None:
    with Run(tmp_path / "again") as other:
        assert exam(other, facts) == exam(run, facts)
    made = run.step(write_exam, SECTION, facts, facts)
    assert read_json(made.path / "summary.json")["items"] == Counter(item.family for item in exam(run, facts))


def test_the_control_is_examined_on_what_is_true(run: Run, facts: Artifact) -> None:
    shuffled = run.step(shuffle_answers, EvaluationConfig(control=0.5), facts)
    taught = {triple.subject for triple in Graph.load(shuffled.path).triples}
    truth = Graph.load(facts.path)
    items = exam(run, shuffled, facts)
    right = {truth.fact_id(triple) for triple in truth.triples if triple.subject in taught}
    assert {fact for item in items for fact in item.facts} == right
    assert "refusal" not in {item.family for item in items}
