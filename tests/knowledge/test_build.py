from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import KnowledgeConfig, RelationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.store.build import build_store

Build = Callable[..., Graph]
FACTS = """\
subject,relation,object,synonyms
Gout,symptom,Joint Pain,Podagra
Gout,code,M10.9,
Gout,symptom,Joint Pain,Uric Arthritis
Lupus,symptom,Rash,
Lupus,code,M32,
Asthma,symptom,Cough,
"""
疾病 = "subject,relation,object\n痛风,症状,关节痛\n哮喘,症状,咳嗽\n"


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Build a graph from the text of a CSV file and of documents."""

    def build(facts: str, *texts: str, relations: dict[str, str] | None = None, **fields: int | str) -> Graph:
        (tmp_path / "facts.csv").write_text(facts, encoding="utf-8")
        table = pyarrow.table({"text": pyarrow.array(texts, pyarrow.string())})
        pyarrow.parquet.write_table(table, tmp_path / "documents.parquet")
        named = {key: RelationConfig(name=name, plural=None) for key, name in (relations or {}).items()}
        section = KnowledgeConfig(sources=("facts.csv",), relations=named, **fields)  # type: ignore[arg-type]
        with Run(tmp_path / "work") as run:
            corpus = Artifact(tmp_path, str(hash(texts)), "corpus")
            return Graph.load(make_graph(run, section, Source(section.sources, tmp_path), corpus).path)

    return build


def test_facts_stated_twice_are_one_fact(build: Build) -> None:
    graph = build(FACTS, "Gout is podagra. GOUT! Lupus.", subject_type="disease")
    assert len(graph.triples) == 5
    assert graph.triples[0] == Triple("Gout", "symptom", "Joint Pain", "facts.csv:2")
    assert graph.synonyms == {"Gout": ("Podagra", "Uric Arthritis")}
    assert graph.mentions == {"Gout": 3, "Lupus": 1, "Asthma": 0}
    assert graph.relations == {"symptom": Relation("symptom", "symptoms"), "code": Relation("code", "codes")}
    assert (graph.subject_type, graph.language) == ("disease", "en")


def test_chinese(build: Build) -> None:
    graph = build(疾病, "患者有痛风，痛风反复。", relations={"症状": "症状"}, subject_type="疾病")
    assert graph.language == "zh"
    assert graph.relations == {"症状": Relation("症状", "症状")}
    assert graph.mentions == {"痛风": 2, "哮喘": 0}


def test_only_configured_relations_are_kept(build: Build) -> None:
    graph = build(FACTS, relations={"code": "ICD-10 code"})
    assert [triple.object for triple in graph.triples] == ["M10.9", "M32"]
    assert graph.relations == {"code": Relation("ICD-10 code", "ICD-10 codes")}


def test_whole_subjects_are_drawn(build: Build) -> None:
    drawn = set()
    for seed in range(12):
        graph = build(FACTS, max_facts=3, seed=seed)
        sizes = dict.fromkeys(graph.subjects, 0)
        for triple in graph.triples:
            sizes[triple.subject] += 1
        assert all(size == {"Gout": 2, "Lupus": 2, "Asthma": 1}[subject] for subject, size in sizes.items())
        assert len(graph.triples) == 3
        assert build(FACTS, max_facts=3, seed=seed) == graph
        drawn.add(graph.subjects)
    assert drawn == {("Gout", "Asthma"), ("Lupus", "Asthma")}


def test_an_unknown_relation_names_the_nearest(build: Build) -> None:
    with pytest.raises(FusionError, match=r"knowledge\.relations\.symptoms: .* did you mean `symptom`\?"):
        build(FACTS, relations={"symptoms": "symptom"})
    with pytest.raises(FusionError, match="they state: 症状"):
        build(疾病, relations={"gene": "gene"})


def test_room_for_no_subject(build: Build) -> None:
    with pytest.raises(FusionError, match=r"knowledge\.max_facts: .* raise it to 2"):
        build("subject,relation,object\na,b,c\na,b,d\n", max_facts=1)


def test_no_knowledge_file(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match=r"knowledge\.sources"):
        build_store(tmp_path, KnowledgeConfig(sources=()), Source((), tmp_path))
