"""The stage that turns documents into triples and records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_parquet, write_json, write_jsonl
from deepseek_fusion.core.config import ExtractionConfig
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.knowledge.extraction.extractor import Extraction, Extractor
from deepseek_fusion.knowledge.graph import Graph

DOCUMENTS = ("documents.parquet", "held_out.parquet")


@stage("extracted", version=1)
def extract_triples(out: Path, section: ExtractionConfig, graph: Artifact, corpus: Artifact) -> None:
    """Find what a corpus states of a graph's relations.

    Writes `extracted.jsonl` (one row a triple and sentence, with the file), `records.jsonl` (one row a document and
    subject, the values of each relation under its name) and `summary.json` (counts by relation).

    Raises:
        FusionError: the model cannot be used.
    """
    facts = Graph.load(graph.path)
    extractor = Extractor(facts, section.method, section.model)
    with track("Extracting triples") as progress:
        found: list[Extraction] = []
        sources: dict[str, str] = {}
        for document, source, text in _texts(corpus):
            sources[document] = source
            found += extractor.extract([(document, text)], section.min_confidence)
            progress.advance(triples=len(found))
    write_jsonl(out / "extracted.jsonl", ({**each.row(), "source": sources[each.document]} for each in found))
    write_jsonl(out / "records.jsonl", records(found, facts))
    write_json(out / "summary.json", _summary(found, section))


def _texts(corpus: Artifact) -> Iterator[tuple[str, str, str]]:
    for name in DOCUMENTS:
        for row in read_parquet(corpus.path / name, "id", "source", "text"):
            yield row["id"], row["source"], row["text"]


def records(found: list[Extraction], graph: Graph) -> Iterator[dict[str, Any]]:
    """Attribute-value records: what each document says of each subject."""
    values: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for each in found:
        own = values.setdefault((each.document, each.subject), {})
        sure = own.setdefault(graph.relations[each.relation].name, {})
        sure[each.object] = max(each.confidence, sure.get(each.object, 0.0))
    for (document, subject), own in values.items():
        yield {"document": document, graph.subject_type: subject, **{name: list(sure) for name, sure in own.items()}}


def _summary(found: list[Extraction], section: ExtractionConfig) -> dict[str, Any]:
    relations: dict[str, Counter[str]] = {}
    for each in {each.statement: each for each in found}.values():
        counts = relations.setdefault(each.relation, Counter(facts=0, known=0, new_names=0))
        counts.update(facts=1, known=each.known, new_names=bool(each.new))
    return {
        "method": section.method,
        "model": section.model,
        "statements": len(found),
        "relations": {relation: dict(counts) for relation, counts in sorted(relations.items())},
    }
