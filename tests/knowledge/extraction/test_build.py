"""The stage: a corpus and a graph in, triples and records out."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl
from deepseek_fusion.core.config import ExtractionConfig
from deepseek_fusion.knowledge.extraction.build import extract_triples
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple

GRAPH = Graph(
    (Triple("Asthma", "symptom", "Wheezing"), Triple("Measles", "symptom", "Rash"), Triple("哮喘", "symptom", "喘息")),
    "disease",
    {"symptom": Relation("symptom", "symptoms")},
)


def inputs(folder: Path, texts: list[str]) -> tuple[Artifact, Artifact]:
    for name in ("graph", "corpus"):
        (folder / name).mkdir()
    GRAPH.save(folder / "graph")
    for name, own in (("documents", texts[1:]), ("held_out", texts[:1])):
        rows = [{"id": f"{name}{place}", "source": "a.txt", "text": text} for place, text in enumerate(own)]
        schema = pyarrow.schema({key: pyarrow.string() for key in ("id", "source", "text")})
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), folder / "corpus" / f"{name}.parquet")
    return Artifact(folder / "graph", "", "graph"), Artifact(folder / "corpus", "", "corpus")


def test_triples_become_rows_and_records_with_their_documents(tmp_path: Path) -> None:
    texts = ["Asthma has wheezing. The symptoms of asthma are wheezing and rash.", "哮喘有喘息。", "Nothing of note."]
    graph, corpus = inputs(tmp_path, texts)
    extract_triples(tmp_path, ExtractionConfig(method="dictionary"), graph, corpus)
    rows = read_jsonl(tmp_path / "extracted.jsonl")
    assert [row["source"] for row in rows] == ["a.txt"] * 4
    assert {(row["document"], row["subject"], row["object"]) for row in rows} == {
        ("held_out0", "Asthma", "Wheezing"),
        ("held_out0", "Asthma", "Rash"),
        ("documents0", "哮喘", "喘息"),
    }
    assert read_jsonl(tmp_path / "records.jsonl") == [
        {"document": "documents0", "disease": "哮喘", "symptom": ["喘息"]},
        {"document": "held_out0", "disease": "Asthma", "symptom": ["Wheezing", "Rash"]},
    ]
    summary = read_json(tmp_path / "summary.json")
    assert summary["relations"] == {"symptom": {"facts": 3, "known": 2, "new_names": 0}}


def test_an_empty_corpus_gives_empty_files(tmp_path: Path) -> None:
    graph, corpus = inputs(tmp_path, [])
    extract_triples(tmp_path, ExtractionConfig(), graph, corpus)
    assert read_jsonl(tmp_path / "extracted.jsonl") == []
    assert read_json(tmp_path / "summary.json")["statements"] == 0
