from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.asking.unknown import unanswerable
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.language import fold

ENGLISH = [
    ("Gout", "code", "M10"),
    ("Hay Fever", "code", "J30"),
    ("Type 2 Diabetes", "code", "E11"),
    ("Hay Fever", "symptom", "Sneezing Fits"),
    ("Gout", "symptom", "Joint Pain"),
    ("Gout", "symptom", "Night Swelling"),
    ("Type 2 Diabetes", "symptom", "Great Thirst"),
    ("Hay Fever", "vitamin", "B12"),
    ("Gout", "organ", "Joint"),
]
CHINESE = [
    ("非胰岛素依赖型糖尿病", "编码", "E11"),
    ("特发性高血压", "编码", "I10"),
    ("特发性高血压", "症状", "剧烈头痛"),
    ("特发性高血压", "症状", "视物模糊"),
    ("非胰岛素依赖型糖尿病", "症状", "口渴多饮"),
    ("慢性缺血性心脏病", "症状", "胸前区闷痛"),
]


def graph_of(facts: list[tuple[str, str, str]]) -> Graph:
    relations = {relation: Relation(relation, f"{relation}s") for _, relation, _ in facts}
    return Graph(tuple(Triple(*fact) for fact in facts), "disease", relations)


@pytest.mark.parametrize("facts", [ENGLISH, CHINESE])
def test_relation_and_number_are_those_of_real_questions(facts: list[tuple[str, str, str]]) -> None:
    graph = graph_of(facts)
    groups = list(unanswerable(graph, 300, seed=0, half=0))
    assert len(groups) == 300
    asked = Counter((group.direction, group.relation, len(group.answers)) for group in groups)
    real = {(group.direction, group.relation, len(group.answers)) for group in (*graph.forward(), *graph.backward())}
    backward = {kind for kind in real if kind[0] == "backward" and kind[1] in ("symptom", "症状")}
    assert set(asked) == {kind for kind in real if kind[0] == "forward"} | backward
    assert sum(asked[kind] for kind in backward) == 100


@pytest.mark.parametrize("facts", [ENGLISH, CHINESE])
def test_names_are_invented_and_those_of_lessons_and_exam_differ(facts: list[tuple[str, str, str]]) -> None:
    graph = graph_of(facts)
    lessons, exam = ([*unanswerable(graph, 40, seed=0, half=half)] for half in (0, 1))
    names = [{fold(group.anchor) for group in groups} for groups in (lessons, exam)]
    assert not names[0] & names[1]
    assert min(map(len, names)) > 35
    real = {fold(name) for subject, _, name in facts for name in (subject, name)}
    assert not real & (names[0] | names[1])
    assert list(unanswerable(graph, 40, seed=0, half=0)) == lessons


@pytest.mark.parametrize("facts", [ENGLISH, CHINESE])
def test_another_name_of_something_real_is_not_asked_about(facts: list[tuple[str, str, str]]) -> None:
    graph = graph_of(facts)
    groups = list(unanswerable(graph, 40, seed=0, half=1))
    subject, name = (
        next(group.anchor for group in groups if group.direction == way) for way in ("forward", "backward")
    )
    other = next(triple.object for triple in graph.triples if triple.relation in ("symptom", "症状"))
    synonyms = {graph.subjects[0]: (subject.upper(),), other: (name.upper(),)}
    told = list(unanswerable(replace(graph, synonyms=synonyms), 40, seed=0, half=1))
    assert len(told) == 40
    assert not {fold(subject), fold(name)} & {fold(group.anchor) for group in told}


def test_without_objects_to_make_others_of_all_ask_about_subjects() -> None:
    groups = list(unanswerable(graph_of([fact for fact in ENGLISH if fact[1] != "symptom"]), 30, seed=0, half=0))
    assert len(groups) == 30
    assert {group.direction for group in groups} == {"forward"}


def test_nothing_is_invented_where_nothing_is_asked() -> None:
    single = graph_of(ENGLISH[:1])
    assert not list(unanswerable(single, 0, seed=0, half=0))
    with pytest.raises(FusionError, match="two different subjects"):
        list(unanswerable(single, 1, seed=0, half=0))
