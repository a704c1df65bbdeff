from __future__ import annotations

from pathlib import Path

from deepseek_fusion.core.config import RelationConfig
from deepseek_fusion.knowledge.graph import Graph, Group, Relation, Triple

DISEASES = Graph(
    triples=(
        Triple("Gout", "symptom", "Joint Pain", "a.csv:2"),
        Triple("Gout", "code", "M10.9", "a.csv:3"),
        Triple("Lupus", "symptom", "Joint Pain", "a.csv:4"),
        Triple("Lupus", "symptom", "Rash", "a.csv:5"),
    ),
    subject_type="disease",
    relations={"symptom": Relation("symptom", "symptoms"), "code": Relation("ICD-10 code", "ICD-10 codes")},
    synonyms={"Gout": ("Podagra",), "Rash": ("Exanthem",)},
    mentions={"Gout": 3, "Lupus": 0},
)
疾病 = Graph(
    triples=(Triple("痛风", "症状", "关节痛"), Triple("痛风", "编码", "M10.9")),
    subject_type="疾病",
    relations={"症状": Relation("症状", "症状"), "编码": Relation("ICD-10编码", "ICD-10编码")},
)


def test_forward_groups_hold_all_objects_in_file_order() -> None:
    assert DISEASES.forward() == [
        Group("Gout", "symptom", ("Joint Pain",), "forward"),
        Group("Gout", "code", ("M10.9",), "forward"),
        Group("Lupus", "symptom", ("Joint Pain", "Rash"), "forward"),
    ]


def test_backward_groups_hold_all_subjects() -> None:
    assert DISEASES.backward() == [
        Group("Joint Pain", "symptom", ("Gout", "Lupus"), "backward"),
        Group("M10.9", "code", ("Gout",), "backward"),
        Group("Rash", "symptom", ("Lupus",), "backward"),
    ]


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    for graph in (DISEASES, 疾病):
        graph.save(tmp_path)
        assert Graph.load(tmp_path) == graph


def test_language_is_that_of_most_names() -> None:
    assert DISEASES.language == "en"
    assert 疾病.language == "zh"


def test_fact_ids_depend_on_the_statement_alone() -> None:
    first, second = Triple("痛风", "症状", "关节痛", "a.csv:2"), Triple("痛风", "症状", "关节痛", "b.csv:9")
    assert Graph.fact_id(first) == Graph.fact_id(second) == "fbe08045a815"
    assert len({Graph.fact_id(triple) for triple in DISEASES.triples}) == 4
    assert DISEASES.digest == DISEASES.with_triples(reversed(DISEASES.triples)).digest != 疾病.digest


def test_fewer_triples_leave_nothing_unused() -> None:
    gout = DISEASES.with_triples(DISEASES.triples[:1])
    assert gout.subjects == ("Gout",)
    assert list(gout.relations) == ["symptom"]
    assert gout.synonyms == {"Gout": ("Podagra",)}
    assert gout.mentions == {"Gout": 3}


def test_plural_of_a_relation() -> None:
    assert Relation.of(RelationConfig(name="symptom", plural=None)).plural == "symptoms"
    assert Relation.of(RelationConfig(name="症状", plural=None)).plural == "症状"
    assert Relation.of(RelationConfig(name="specialty", plural="specialties")).plural == "specialties"
