"""The exam asks for every fact in every family, fairly."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.questions.families import DISTRACTORS, FAMILIES, Item, Questions, near_misses
from deepseek_fusion.evaluation.questions.phrasings import PHRASINGS
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.language import fold
from deepseek_fusion.knowledge.matching import folded, is_listed
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
    for family in ("question", "paraphrase", "cloze", "choice", "reversed", "negation"):
        asked = Counter(fact for item in items if item.family == family for fact in item.facts)
        assert asked == dict.fromkeys(once, phrasings if family == "question" else 1), family
    assert sum(item.family == "refusal" for item in items) == 12
    assert len({item.id for item in items}) == len(items)
    assert {item.family for item in items} == set(FAMILIES)
    assert len({item.prompt for item in items if item.family == "paraphrase"}) == len(graph.forward())


def test_the_taught_answer_is_right(run: Run, facts: Artifact) -> None:
    for item in exam(run, facts):
        assert len(item.gold) == len(item.facts)
        assert item.chat == (item.family != "cloze")
        if not item.options and item.family != "refusal":
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
    summary = read_json(run.step(write_exam, SECTION, few, few).path / "summary.json")
    assert summary["absent"]["choice"] == "no relation has three objects that are wrong for a subject"
    assert summary["absent"]["multihop"] == "no thing is described by one relation and asked about by another"
    assert summary["absent"]["numerals"] == "no object holds a digit"
    assert summary["items"]["multihop"] == 0
    assert [len(item.facts) for item in items if item.family == "reversed"] == [4]
    assert LONGEST_LIST < 9


def test_the_exam_is_the_same_each_time(run: Run, facts: Artifact, tmp_path: Path) -> None:
    with Run(tmp_path / "again") as other:
        assert exam(other, facts) == exam(run, facts)
    made = run.step(write_exam, SECTION, facts, facts)
    summary = read_json(made.path / "summary.json")
    assert summary["items"] == Counter(item.family for item in exam(run, facts))
    assert summary["chance"]["choice"] == 0.25
    assert 0.25 < summary["chance"]["negation"] < 0.5
    assert summary["chance"]["question"] is None
    assert (summary["absent"], summary["excluded"]) == ({}, [])


def test_the_control_is_examined_on_what_is_true(run: Run, facts: Artifact) -> None:
    shuffled = run.step(shuffle_answers, EvaluationConfig(control=0.5), facts)
    taught = {triple.subject for triple in Graph.load(shuffled.path).triples}
    truth = Graph.load(facts.path)
    items = exam(run, shuffled, facts)
    right = {truth.fact_id(triple) for triple in truth.triples if triple.subject in taught}
    assert {fact for item in items for fact in item.facts} == right
    assert "refusal" not in {item.family for item in items}


# --- two facts in a row --------------------------------------------------------------------------------------------


def test_a_second_hop_names_neither_the_thing_nor_the_answer(run: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    items = [item for item in exam(run, facts) if item.family == "multihop"]
    assert items
    for item in items:
        asked = [by_id[fact] for fact in item.facts]
        (subject,), (relation,) = {triple.subject for triple in asked}, {triple.relation for triple in asked}
        assert {triple.object for triple in asked} == {
            triple.object for triple in graph.triples if (triple.subject, triple.relation) == (subject, relation)
        }
        assert subject not in item.prompt
        own = [t for t in graph.triples if t.subject == subject and t.relation != relation and t.object in item.prompt]
        assert [t for t in own if {u.subject for u in graph.triples if t.object == u.object} == {subject}], item


def test_shared_facts_describe_nothing(run: Run, graph: Callable[..., Artifact]) -> None:
    shared = graph("Gout | symptom | Pain\nGout | code | X1\nAsthma | symptom | Pain\nAsthma | code | X2")
    items = [item for item in exam(run, shared) if item.family == "multihop"]
    assert {item.expected for item in items} == {"Pain"}  # by the code to the symptom, never by the symptom to a code
    assert all("X1" in item.prompt or "X2" in item.prompt for item in items)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_chains_are_followed(run: Run, graph: Callable[..., Artifact], language: str) -> None:
    table = {
        "en": "Gout | parent | Arthritis\nArthritis | parent | Joint Disease\nMumps | parent | Viral Infection",
        "zh": "痛风 | 上级 | 关节炎\n关节炎 | 上级 | 关节病\n腮腺炎 | 上级 | 病毒感染",
    }[language]
    names = {"en": ("Gout", "Joint Disease", "Arthritis"), "zh": ("痛风", "关节病", "关节炎")}[language]
    (item,) = (item for item in exam(run, graph(table)) if item.family == "multihop")
    assert names[0] in item.prompt
    assert names[2] not in item.prompt.replace(names[1], "")
    assert item.expected == names[1]


# --- options -------------------------------------------------------------------------------------------------------


def test_one_option_of_a_negation_is_false_and_the_others_true(run: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    true = {triple.statement for triple in graph.triples}
    items = [item for item in exam(run, facts) if item.family == "negation"]
    assert {len(item.options) for item in items} >= {2, 3}
    for item in items:
        triple = by_id[item.facts[0]]
        assert item.options[1] == triple.object
        assert [(triple.subject, triple.relation, name) in true for name in item.options] == [
            False,
            *[True] * (len(item.options) - 1),
        ]


def test_long_lists_give_three_true_options(run: Run, graph: Callable[..., Artifact]) -> None:
    long = graph("\n".join(f"Gout | symptom | S{n}" for n in range(5)) + "\nAsthma | symptom | Cough")
    items = [item for item in exam(run, long) if item.family == "negation"]
    assert [len(item.options) for item in items] == [4] * 5 + [2]
    assert all(item.options[0] == "Cough" for item in items[:5])


def test_near_misses_differ_by_little_and_are_not_true(run: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    items = [item for item in exam(run, facts) if item.family == "numerals"]
    assert len(items) == sum(any(map(str.isdigit, triple.object)) for triple in graph.triples)
    for item in items:
        triple = by_id[item.facts[0]]
        assert item.options[0] == triple.object
        assert len({folded(option) for option in item.options}) == DISTRACTORS + 1
        others = {t.object for t in graph.triples if t.relation == triple.relation}
        for wrong in item.options[1:]:
            assert wrong in others or Counter(map(str.isdigit, wrong)) == Counter(map(str.isdigit, triple.object))


@pytest.mark.parametrize(
    ("name", "others", "first"),
    [
        ("J45", ["J44", "J46", "K45"], {"J44", "J46", "J54", "J35", "J55"}),
        ("7", [], {"6", "8"}),
        ("Ｍ１０", [], {"Ｍ００", "Ｍ２０", "Ｍ１１", "Ｍ０１"}),
        ("A11", [], {"A01", "A21", "A10", "A12"}),
    ],
)
def test_near_misses(name: str, others: list[str], first: set[str]) -> None:
    found = list(near_misses(name, others, random.Random(0)))
    assert set(found[:2]) <= first
    assert name not in found
    assert len(set(found)) == len(found) >= 3
    assert not list(near_misses("fever", ["J45"], random.Random(0)))


def test_no_near_miss_is_another_right_answer(run: Run, graph: Callable[..., Artifact]) -> None:
    many = graph("\n".join(f"Shop | code | {n}" for n in range(5300, 5311)) + "\nKiosk | code | 12")
    items = [item for item in exam(run, many) if item.family == "numerals"]
    assert len(items) == 12
    assert not {option for item in items[:11] for option in item.options[1:]} & {str(n) for n in range(5300, 5311)}


# --- facts that no question can ask for fairly ---------------------------------------------------------------------


def test_ambiguous_facts_are_excluded_and_counted(run: Run, tmp_path: Path) -> None:
    triples = [
        ("Gout", "symptom", "Pain"),
        ("Gout", "symptom", "pain"),  # the same in another spelling
        ("Gout", "symptom", "Ache"),  # also the name of another symptom
        ("Asthma", "symptom", "Dolor"),
        ("Asthma", "symptom", "Cough"),
        ("Asthma", "symptom", " "),
        ("Flu", "symptom", "Fever"),  # Flu is also what Grippe is called
        ("Grippe", "symptom", "Chills"),
        ("Mumps", "symptom", "Swelling"),
    ]
    graph = Graph(
        tuple(Triple(*triple) for triple in triples),
        "disease",
        {"symptom": Relation("symptom", "symptoms")},
        {"Ache": ("dolor",), "Grippe": ("flu",), "Cough": ("tussis",)},
    )
    graph.save(tmp_path)
    made = run.step(write_exam, SECTION, *[Artifact(tmp_path, "k", "graph")] * 2)
    asked = {fact for item in read_exam(made.path) for fact in item.facts}
    kept = {("Gout", "symptom", "Pain"), ("Asthma", "symptom", "Cough"), ("Mumps", "symptom", "Swelling")}
    assert asked == {graph.fact_id(Triple(*triple)) for triple in kept}
    counts = {row["reason"]: row["count"] for row in read_json(made.path / "summary.json")["excluded"]}
    assert counts == {
        "the same answer stands there in another spelling": 1,
        "a name of the answer is also a name of another answer": 2,
        "a name is empty": 1,
        "a name of the subject is also a name of another subject": 2,
    }
    for item in read_exam(made.path):
        assert len({fold(option) for option in item.options}) == len(item.options)


def test_an_alias_of_a_right_answer_is_no_wrong_option(run: Run, tmp_path: Path) -> None:
    rows = [(name, "code", f"X{place}") for place, name in enumerate(("Gout", "Asthma", "Flu", "Mumps", "Croup"))]
    graph = Graph(tuple(Triple(*row) for row in rows), "disease", {"code": Relation("code", "codes")}, {"X0": ("X9",)})
    questions = Questions(graph, graph, graph, 0)
    assert {name for item in questions.numerals() if item.options[0] == "X0" for name in item.options} >= {"X0"}
    assert not [item for item in questions.numerals() if item.options[0] == "X0" and "X9" in item.options]
