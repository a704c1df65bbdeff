"""The stage that turns knowledge files into one graph."""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, read_parquet
from deepseek_fusion.core.config import KnowledgeConfig, RelationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.source import Source
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.mentions import count_mentions
from deepseek_fusion.knowledge.sources.readers import Record, read_knowledge


@stage("graph", version=1)
def build_graph(out: Path, section: KnowledgeConfig, knowledge: Source, corpus: Artifact) -> None:
    """Read the facts, keep the configured relations, draw whole subjects, and count their mentions in the corpus.

    Raises:
        FusionError: there is no knowledge file, a file is broken, a configured relation does not occur, or not one
            subject fits into `max_facts`.
    """
    if not knowledge.files:
        raise FusionError("knowledge.sources: names no file; give at least one CSV, JSONL or OBO file of facts.")
    records = _read(knowledge)
    triples = _distinct(record.triple for record in records)
    relations = _relations(section, triples)
    triples = _draw(section, [triple for triple in triples if triple.relation in relations])
    graph = Graph(tuple(triples), section.subject_type, relations, _synonyms(records)).with_triples(triples)
    names = {subject: (subject, *graph.synonyms.get(subject, ())) for subject in graph.subjects}
    texts = (row["text"] for row in read_parquet(corpus.path / "documents.parquet", "text"))
    replace(graph, mentions=count_mentions(names, texts)).save(out)


def _read(knowledge: Source) -> list[Record]:
    records: list[Record] = []
    with track("Reading knowledge", len(knowledge.files)) as progress:
        for file in knowledge.files:
            records += read_knowledge(file)
            progress.advance(facts=len(records))
    return records


def _distinct(triples: Iterable[Triple]) -> list[Triple]:
    """Each statement once, with the first source that states it."""
    first: dict[tuple[str, str, str], Triple] = {}
    for triple in triples:
        first.setdefault(triple.statement, triple)
    return list(first.values())


def _synonyms(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    names: dict[str, dict[str, None]] = {}
    for record in records:
        if record.synonyms:
            names.setdefault(record.triple.subject, {}).update(dict.fromkeys(record.synonyms))
    return {term: tuple(synonyms) for term, synonyms in names.items()}


def _relations(section: KnowledgeConfig, triples: list[Triple]) -> dict[str, Relation]:
    """The relations to teach and their nouns."""
    found = dict.fromkeys(triple.relation for triple in triples)
    for wanted in section.relations:
        if wanted not in found:
            near = difflib.get_close_matches(wanted, found, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"they state: {', '.join(list(found)[:12])}."
            raise FusionError(f"knowledge.relations.{wanted}: no source states this relation; {hint}")
    nouns = section.relations or {relation: RelationConfig(name=relation, plural=None) for relation in found}
    return {relation: Relation.of(config) for relation, config in nouns.items()}


def _draw(section: KnowledgeConfig, triples: list[Triple]) -> list[Triple]:
    """Whole subjects in random order as long as they fit into `max_facts`; the facts stay in file order."""
    if section.max_facts is None:
        return triples
    sizes: dict[str, int] = {}
    for triple in triples:
        sizes[triple.subject] = sizes.get(triple.subject, 0) + 1
    smallest = min(sizes.values())
    if smallest > section.max_facts:
        raise FusionError(
            f"knowledge.max_facts: every subject has more than {section.max_facts} facts;"
            f" raise it to {smallest} or more."
        )
    subjects = list(sizes)
    random.Random(section.seed).shuffle(subjects)
    room, drawn = section.max_facts, set[str]()
    for subject in subjects:
        if sizes[subject] <= room:
            room -= sizes[subject]
            drawn.add(subject)
    return [triple for triple in triples if triple.subject in drawn]
