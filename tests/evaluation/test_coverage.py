"""Recall by branch: from a small ontology in OBO, Chinese tables, and answers written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, write_jsonl
from deepseek_fusion.core.config import CorpusConfig, EvaluationConfig, KnowledgeConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.evaluation.coverage import map_coverage
from deepseek_fusion.evaluation.questions.exam import Item, read_exam, write_exam
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.ontology import find_ontology

TERMS = {
    "disease": [],
    "heart disease": ["disease"],
    "lung disease": ["disease"],
    "heart attack": ["heart disease"],
    "asthma": ["lung disease"],
    "cor pulmonale": ["heart disease", "lung disease"],
}
"""Each with its parents; two parents for the last."""

CHINESE = """
痛风 | 科室 | 风湿科
痛风 | 编码 | M10
痛风 | 症状 | 关节痛
痛风 | 症状 | 红肿
狼疮 | 科室 | 风湿科
狼疮 | 编码 | M32
狼疮 | 症状 | 皮疹
哮喘 | 科室 | 呼吸科
哮喘 | 编码 | J45
哮喘 | 症状 | 咳嗽
肺炎 | 科室 | 呼吸科
肺炎 | 编码 | J18
肺炎 | 症状 | 发烧
"""
ENGLISH = """
Gout | specialty | Rheumatology
Gout | code | M10
Lupus | specialty | Rheumatology
Lupus | code | M32
Asthma | specialty | Pulmonology
Asthma | code | J45
Pneumonia | specialty | Pulmonology
Pneumonia | code | J18
"""
Json = dict[str, Any]
Covered = Callable[..., Json]


def obo(terms: dict[str, list[str]]) -> str:
    """An ontology with a definition for each term."""
    stanzas = []
    for name, parents in terms.items():
        lines = ["[Term]", f"id: X:{name}", f"name: {name}", f'def: "What is called {name} here." []']
        stanzas.append("\n".join([*lines, *(f"is_a: X:{parent} ! {parent}" for parent in parents)]))
    return "format-version: 1.4\n\n" + "\n\n".join(stanzas) + "\n"


@pytest.fixture
def ontology(run: Run, tmp_path: Path) -> Callable[..., Artifact]:
    """The graph of an OBO file and of documents."""

    def build(terms: dict[str, list[str]], text: str = "") -> Artifact:
        (tmp_path / "terms.obo").write_text(obo(terms), encoding="utf-8")
        (tmp_path / "notes.txt").write_text(text, encoding="utf-8")
        corpus = run.step(build_corpus, CorpusConfig(), Source(("notes.txt",) if text else (), tmp_path))
        knowledge = KnowledgeConfig(sources=("terms.obo",), subject_type="disease")
        return make_graph(run, knowledge, Source(knowledge.sources, tmp_path), corpus)

    return build


@pytest.fixture
def covered(run: Run, tmp_path: Path) -> Covered:
    """The coverage of a model that answers some items wrongly and others not at all."""

    def cover(graph: Artifact, wrong: Callable[[Item], bool] = lambda item: False, skip: str = "no such item") -> Json:
        exam = run.step(write_exam, EvaluationConfig(), graph, graph)
        folder = tmp_path / f"sitting-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        items = [item for item in read_exam(exam.path) if skip not in item.id]
        write_jsonl(
            folder / "answers.jsonl",
            [{"id": item.id, "right": [not wrong(item)] * len(item.facts)} for item in items],
        )
        made = run.step(map_coverage, EvaluationConfig(), graph, exam, Artifact(folder, folder.name, "sitting"))
        return read_json(made.path / "coverage.json")

    return cover


def about(*subjects: str) -> Callable[[Item], bool]:
    """Picks the questions on some subjects."""
    return lambda item: item.family == "question" and any(f"about {name}. " in item.prompt for name in subjects)


def at(node: Json, *path: str) -> Json:
    """The node at the end of a path of names."""
    for name in path:
        (node,) = [child for child in node["children"] if child["name"] == name]
    return node


def nodes(node: Json) -> Iterator[Json]:
    yield node
    for child in node["children"]:
        yield from nodes(child)


def test_an_ontology_is_walked_from_its_root(ontology: Callable[..., Artifact], covered: Covered) -> None:
    found = covered(ontology(TERMS), about("asthma"))
    tree = found["tree"]
    assert (tree["name"], tree["facts"], tree["recalled"]) == ("disease", 12, 10)  # six definitions, six parents
    assert [child["name"] for child in tree["children"]] == ["disease"]
    top = at(tree, "disease")
    assert [child["name"] for child in top["children"]] == ["definition", "heart disease", "lung disease"]
    heart, lung = at(top, "heart disease"), at(top, "lung disease")
    assert [child["name"] for child in heart["children"]] == ["parent", "definition", "heart attack", "cor pulmonale"]
    assert (heart["facts"], heart["recalled"]) == (7, 7)
    assert (lung["facts"], lung["recalled"]) == (4, 2)
    assert at(lung, "asthma", "parent") == {
        "name": "parent",
        "facts": 1,
        "recalled": 0,
        "weight": 1,
        "recalled_weight": 0,
        "children": [],
    }
    assert found["ontology"] == {"relation": "parent", "hierarchy": True, "further_parents": 1, "cut_cycles": []}
    assert found["overall"]["unweighted"]["value"] == pytest.approx(10 / 12)
    assert found["overall"]["unweighted"]["n"] == 12


def test_every_fact_counts_once_on_every_floor(ontology: Callable[..., Artifact], covered: Covered) -> None:
    for node in nodes(covered(ontology(TERMS), about("asthma", "heart attack"))["tree"]):
        for key in ("facts", "recalled", "weight", "recalled_weight") if node["children"] else ():
            assert node[key] == sum(child[key] for child in node["children"])


def test_what_the_corpus_mentions_often_weighs_more(ontology: Callable[..., Artifact], covered: Covered) -> None:
    text = "The patient has asthma, and asthma is treated. Whoever has asthma must rest. A heart attack is rarer."
    found = covered(ontology(TERMS, text), about("asthma"))
    weighted = found["overall"]["weighted"]
    # two facts on asthma (weight 4), two on heart attack (2), eight others (1)
    assert found["tree"]["weight"] == 20
    assert (weighted["value"], weighted["n"]) == (12 / 20, 12)
    assert weighted["low"] < weighted["value"] < weighted["high"]
    assert found["long_tail"]["rare"]["value"] == 1.0

    assert (found["long_tail"]["common"]["value"], found["long_tail"]["common"]["n"]) == (0.5, 4)


def test_deep_and_shallow(ontology: Callable[..., Artifact], covered: Covered) -> None:
    tail = covered(ontology(TERMS), about("asthma"))["long_tail"]
    assert (tail["rare"], tail["common"]) == (None, None)  # nobody mentions anything
    assert (tail["deep"]["n"], tail["shallow"]["n"]) == (7, 5)
    assert (tail["deep"]["value"], tail["shallow"]["value"]) == (pytest.approx(5 / 7), 1.0)


def test_cycles_are_cut_at_their_first_term(ontology: Callable[..., Artifact], covered: Covered) -> None:
    terms = {"a": ["c"], "b": ["a"], "c": ["b"], "d": ["d"], "e": ["c"]}
    found = covered(ontology(terms))
    assert found["ontology"]["cut_cycles"] == ["a", "d"]
    assert found["tree"]["facts"] == 10
    assert at(found["tree"], "a", "b", "c", "e")["facts"] == 2
    assert [child["name"] for child in found["tree"]["children"]] == ["a", "d"]


def test_a_chain_without_end_is_refused(ontology: Callable[..., Artifact], covered: Covered) -> None:
    chain = {f"t{place}": [f"t{place - 1}"] if place else [] for place in range(102)}
    with pytest.raises(FusionError, match="`t101` has more than 100 terms above it through `parent`"):
        covered(ontology(chain))
    del chain["t101"]
    assert covered(ontology(chain))["tree"]["facts"] == 201


@pytest.mark.parametrize(
    ("facts", "subject_type", "relation", "names"),
    [
        (CHINESE, "疾病", "科室", ["风湿科", "呼吸科"]),
        (ENGLISH, "disease", "specialty", ["Rheumatology", "Pulmonology"]),
    ],
)
def test_without_a_hierarchy_subjects_are_grouped(
    facts: str,
    subject_type: str,
    relation: str,
    names: list[str],
    graph: Callable[..., Artifact],
    covered: Covered,
) -> None:
    found = covered(graph(facts, subject_type=subject_type))
    assert found["ontology"] == {"relation": relation, "hierarchy": False, "further_parents": 0, "cut_cycles": []}
    assert [child["name"] for child in found["tree"]["children"]] == names
    assert found["tree"]["facts"] == found["tree"]["recalled"] == len(facts.strip().splitlines())
    assert (found["long_tail"]["deep"], found["long_tail"]["shallow"]) == (None, None)
    assert found["overall"]["weighted"]["low"] < 1.0  # few facts prove little
    assert found["weak"] == []


def test_a_chinese_hierarchy(graph: Callable[..., Artifact], covered: Covered) -> None:
    facts = "痛风 | 上位词 | 关节病\n关节病 | 上位词 | 疾病\n痛风 | 编码 | M10\n关节病 | 编码 | M25"
    tree = covered(graph(facts, subject_type="词条"))["tree"]
    assert [child["name"] for child in at(tree, "疾病", "关节病")["children"]] == ["上位词", "编码", "痛风"]


def test_subjects_that_nothing_groups_stand_under_the_root(graph: Callable[..., Artifact], covered: Covered) -> None:
    found = covered(graph("Gout | code | M10\nLupus | code | M32\nAsthma | code | J45"))
    assert found["ontology"]["relation"] is None
    assert [child["name"] for child in found["tree"]["children"]] == ["Gout", "Lupus", "Asthma"]


def test_the_grouping_is_neither_too_coarse_nor_too_fine() -> None:
    rows = [
        (f"s{n}", relation, value)
        for n in range(36)
        for relation, value in (("kingdom", f"k{n % 2}"), ("order", f"o{n % 6}"), ("code", f"c{n}"), ("sign", f"x{n}"))
    ]
    rows += [(f"s{n}", "sign", "fever") for n in range(36)]
    relations = {name: Relation(name, name) for name in ("kingdom", "order", "code", "sign")}
    assert find_ontology(Graph(tuple(Triple(*row) for row in rows), "species", relations)).relation == "order"


def test_weak_branches_are_apart_and_the_weightiest_comes_first(
    graph: Callable[..., Artifact], covered: Covered
) -> None:
    lines = [
        f"{name} | {relation}"
        for name, office in (("Gout", "R"), ("Lupus", "R"), ("Asthma", "P"), ("Croup", "P"))
        for relation in (f"office | {office}", f"code | {name}1", *(f"sign | {name} {sign}" for sign in "abc"))
    ]
    found = covered(graph("\n".join(lines)), about("Asthma", "Croup", "Gout"))
    weak = [(row["path"], row["facts"], row["rate"]["value"]) for row in found["weak"]]
    assert weak == [(["P"], 10, 0.0), (["R", "Gout"], 5, 0.0)]
    assert found["weak"][0]["rate"]["high"] < 0.5


def test_facts_that_no_question_asks_for_are_counted(graph: Callable[..., Artifact], covered: Covered) -> None:
    found = covered(graph("Gout | code | M10\nLupus | code | M32"), skip="-1")
    assert found["unasked"] == {"count": 1, "facts": [["Lupus", "code", "M32"]]}
    assert found["tree"]["facts"] == found["overall"]["unweighted"]["n"] == 1
    nothing = covered(graph("Gout | code | M10\nLupus | code | M32"), skip="question")
    assert nothing["unasked"]["count"] == 2
    assert (nothing["tree"]["facts"], nothing["overall"]["weighted"]["n"], nothing["weak"]) == (0, 0, [])


def test_a_fact_is_recalled_if_every_phrasing_gets_it(graph: Callable[..., Artifact], covered: Covered) -> None:
    found = covered(graph("Gout | code | M10\nLupus | code | M32"), lambda item: item.id == "question-1-0")
    assert (found["tree"]["recalled"], at(found["tree"], "Gout")["recalled"]) == (1, 0)
