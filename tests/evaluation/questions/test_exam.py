"""The exam asks for every fact in every family, fairly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.questions.families import DISTRACTORS, FAMILIES, Item, Questions, nearest
from deepseek_fusion.evaluation.questions.phrasings import PHRASINGS
from deepseek_fusion.knowledge.asking.matching import folded, is_listed
from deepseek_fusion.knowledge.asking.phrase import LONGEST_LIST
from deepseek_fusion.knowledge.asking.shuffle import shuffle_answers
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.language import fold
from knowledge_samples import GRAPHS

SECTION = EvaluationConfig(refusals=12)


@pytest.fixture(params=["en", "zh"])
def facts(request: pytest.FixtureRequest, graph: Callable[..., Artifact]) -> Artifact:
    table, section = GRAPHS[request.param]
    return graph(table, **section)


def exam(shelf: Run, facts: Artifact, truth: Artifact | None = None) -> list[Item]:
    return read_exam(shelf.step(write_exam, SECTION, facts, truth or facts).path)


def test_every_fact_is_asked_for_once_in_each_family_and_phrasing(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    items = exam(shelf, facts)
    once = dict.fromkeys(map(graph.fact_id, graph.triples), 1)
    phrasings = len(PHRASINGS[graph.language].question)
    for family in ("question", "paraphrase", "cloze", "choice", "reversed", "negation"):
        asked = Counter(fact for item in items if item.family == family for fact in item.facts)
        assert asked == dict.fromkeys(once, phrasings if family == "question" else 1), family
    assert sum(item.family == "refusal" for item in items) == 12
    assert len({item.id for item in items}) == len(items)
    assert {item.family for item in items} == set(FAMILIES)
    assert len({item.prompt for item in items if item.family == "paraphrase"}) == len(graph.forward())


def test_the_taught_answer_is_right(shelf: Run, facts: Artifact) -> None:
    for item in exam(shelf, facts):
        assert len(item.gold) == len(item.facts)
        assert item.chat == (item.family != "cloze")
        if not item.options and item.family != "refusal":
            assert all(is_listed(item.expected, names) for names in item.gold), item
            assert not [names for names in item.gold if folded(names[0]) in folded(item.prompt)], item


def test_distractors_are_of_the_same_relation_and_wrong(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    for item in exam(shelf, facts):
        if item.family == "choice":
            triple = by_id[item.facts[0]]
            assert item.options[0] == triple.object
            assert len(set(item.options)) == DISTRACTORS + 1
            for wrong in item.options[1:]:
                assert (triple.subject, triple.relation, wrong) not in {t.statement for t in graph.triples}
                assert triple.relation in {t.relation for t in graph.triples if t.object == wrong}


def test_too_few_others_are_no_choice_and_too_many_subjects_no_question(
    shelf: Run, graph: Callable[..., Artifact]
) -> None:
    few = graph(
        "\n".join(
            f"Disease {name} | specialty | {'Neurology' if name < 'E' else 'Surgery'}" for name in "ABCDEFGHIJKLM"
        )
    )
    items = exam(shelf, few)
    assert not [item for item in items if item.family == "choice"]
    summary = read_json(shelf.step(write_exam, SECTION, few, few).path / "summary.json")
    assert summary["absent"]["choice"] == "no relation has three objects that are wrong for a subject"
    assert summary["absent"]["multihop"] == "no thing is described by one relation and asked about by another"
    assert summary["absent"]["numerals"] == "no object with a digit has another that is wrong for its subject"
    assert summary["items"]["multihop"] == 0
    assert [len(item.facts) for item in items if item.family == "reversed"] == [4]
    assert LONGEST_LIST < 9


def test_the_exam_is_the_same_each_time(shelf: Run, facts: Artifact, tmp_path: Path) -> None:
    with Run(tmp_path / "again") as other:
        assert exam(other, facts) == exam(shelf, facts)
    made = shelf.step(write_exam, SECTION, facts, facts)
    summary = read_json(made.path / "summary.json")
    assert summary["items"] == Counter(item.family for item in exam(shelf, facts))
    assert summary["chance"]["choice"] == 0.25
    assert 0.25 < summary["chance"]["negation"] < 0.5
    assert summary["chance"]["question"] is None
    assert (summary["absent"], summary["excluded"]) == ({}, [])


def test_the_control_is_examined_on_what_is_true(shelf: Run, facts: Artifact) -> None:
    shuffled = shelf.step(shuffle_answers, EvaluationConfig(control=0.5), facts)
    false: dict[str, set[str]] = {}
    for triple in Graph.load(shuffled.path).triples:
        false.setdefault(triple.subject, set()).add(triple.object)
    truth = Graph.load(facts.path)
    by_id = {truth.fact_id(triple): triple for triple in truth.triples}
    items = exam(shelf, shuffled, facts)
    assert {fact for item in items for fact in item.facts} == {
        fact for fact, triple in by_id.items() if triple.subject in false
    }
    assert "refusal" not in {item.family for item in items}
    optional = [item for item in items if item.options]
    assert {"choice", "negation"} <= {item.family for item in optional}
    for item in optional:
        subject = by_id[item.facts[0]].subject
        true = {triple.object for triple in truth.triples if triple.subject == subject}
        assert not set(item.options) & false[subject] - true, item


# --- two facts in a row --------------------------------------------------------------------------------------------


def test_a_second_hop_names_neither_the_thing_nor_the_answer(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    items = [item for item in exam(shelf, facts) if item.family == "multihop"]
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


def test_shared_facts_describe_nothing(shelf: Run, graph: Callable[..., Artifact]) -> None:
    shared = graph("Gout | symptom | Pain\nGout | code | X1\nAsthma | symptom | Pain\nAsthma | code | X2")
    items = [item for item in exam(shelf, shared) if item.family == "multihop"]
    assert {item.expected for item in items} == {"Pain"}  # by the code to the symptom, never by the symptom to a code
    assert all("X1" in item.prompt or "X2" in item.prompt for item in items)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_chains_are_followed(shelf: Run, graph: Callable[..., Artifact], language: str) -> None:
    table = {
        "en": "Gout | parent | Arthritis\nArthritis | parent | Joint Disease\nMumps | parent | Viral Infection",
        "zh": "痛风 | 上级 | 关节炎\n关节炎 | 上级 | 关节病\n腮腺炎 | 上级 | 病毒感染",
    }[language]
    names = {"en": ("Gout", "Joint Disease", "Arthritis"), "zh": ("痛风", "关节病", "关节炎")}[language]
    (item,) = (item for item in exam(shelf, graph(table)) if item.family == "multihop")
    assert names[0] in item.prompt
    assert names[2] not in item.prompt.replace(names[1], "")
    assert item.expected == names[1]


# --- options -------------------------------------------------------------------------------------------------------


def test_one_option_of_a_negation_is_false_and_the_others_true(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    true = {triple.statement for triple in graph.triples}
    items = [item for item in exam(shelf, facts) if item.family == "negation"]
    assert {len(item.options) for item in items} >= {2, 3}
    for item in items:
        triple = by_id[item.facts[0]]
        assert item.options[1] == triple.object
        assert [(triple.subject, triple.relation, name) in true for name in item.options] == [
            False,
            *[True] * (len(item.options) - 1),
        ]


def test_long_lists_give_three_true_options(shelf: Run, graph: Callable[..., Artifact]) -> None:
    long = graph("\n".join(f"Gout | symptom | S{n}" for n in range(5)) + "\nAsthma | symptom | Cough")
    items = [item for item in exam(shelf, long) if item.family == "negation"]
    assert [len(item.options) for item in items] == [4] * 5 + [2]
    assert all(item.options[0] == "Cough" for item in items[:5])


def test_wrong_numbers_belong_to_others(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    by_id = {graph.fact_id(triple): triple for triple in graph.triples}
    items = [item for item in exam(shelf, facts) if item.family == "numerals"]
    assert len(items) == sum(any(map(str.isdigit, triple.object)) for triple in graph.triples) > 0
    for item in items:
        triple = by_id[item.facts[0]]
        true = {t.object for t in graph.triples if (t.subject, t.relation) == (triple.subject, triple.relation)}
        of_others = {t.object for t in graph.triples if t.relation == triple.relation} - true
        numbers = {name for name in of_others if any(map(str.isdigit, name))}
        assert item.options[0] == triple.object
        assert len(set(item.options)) == len(item.options) == min(DISTRACTORS, len(numbers)) + 1
        assert set(item.options[1:]) <= numbers


@pytest.mark.parametrize(
    ("name", "shared"),
    [("J45", [2, 2, 2, 1, 0, 0]), ("J9", [2, 1, 1, 1, 0, 0]), ("K", [1, 0, 0, 0, 0, 0]), ("Ｊ４５", [0] * 6)],
)
def test_the_nearest_begin_alike(name: str, shared: list[int]) -> None:
    others = sorted(["K45", "J9", "J46", "J44", "J40", "A45"])
    found = list(nearest(name, others))
    assert sorted(found) == others
    assert [max(n for n in range(len(name) + 1) if other.startswith(name[:n])) for other in found] == shared


def test_no_wrong_number_is_another_right_answer(shelf: Run, graph: Callable[..., Artifact]) -> None:
    many = graph("\n".join(f"Shop | code | {n}" for n in range(5300, 5311)) + "\nKiosk | code | 12")
    items = [item for item in exam(shelf, many) if item.family == "numerals"]
    assert [item.options[1:] for item in items] == [("12",)] * 11 + [("5300", "5301", "5302")]
    assert read_json(shelf.step(write_exam, SECTION, many, many).path / "summary.json")["chance"]["numerals"] < 0.5


def test_wide_digits_are_digits_and_words_are_no_numbers(shelf: Run, graph: Callable[..., Artifact]) -> None:
    wide = graph("痛风 | code | Ｍ１０\n哮喘 | code | Ｊ４５\nFlu | code | fever")
    items = [item for item in exam(shelf, wide) if item.family == "numerals"]
    assert [item.options for item in items] == [("Ｍ１０", "Ｊ４５"), ("Ｊ４５", "Ｍ１０")]


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
