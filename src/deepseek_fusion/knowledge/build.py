"""From files of knowledge to the graph of what is taught."""

from __future__ import annotations

import difflib
import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import KnowledgeConfig, RelationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run, stage
from deepseek_fusion.core.source import Source
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.sources.knowledge import REPLACED_BY
from deepseek_fusion.knowledge.store.build import STORED, build_store
from deepseek_fusion.knowledge.store.store import Store, StoredFact
from deepseek_fusion.knowledge.store.tables import TERM, TEXT
from deepseek_fusion.knowledge.tail import map_tail, read_tail


def make_graph(run: Run, section: KnowledgeConfig, knowledge: Source, corpus: Artifact) -> Artifact:
    """Everything that the files state, how well the documents cover it, and the part of it that is taught."""
    store = run.step(build_store, section.only(*STORED), knowledge)
    tail = run.step(map_tail, None, store, corpus)
    return run.step(build_graph, section, store, tail)


@stage("graph", version=3)
def build_graph(out: Path, section: KnowledgeConfig, store: Artifact, tail: Artifact) -> None:
    """Keep the configured relations and draw whole subjects.

    Raises:
        FusionError: a configured relation does not occur, or not one subject fits into `max_facts`.
    """
    known = Store.open(store.path)
    relations = _relations(section, [name for name in known.head["relations"] if name != REPLACED_BY])
    facts = _teachable(known, section, relations)
    triples = _distinct(known, facts)
    if not triples:
        raise FusionError("knowledge: no fact is left to teach; lower `knowledge.min_confidence` or add sources.")
    graph = Graph(tuple(triples), section.subject_type, relations).with_triples(_draw(section, triples))
    _describe(graph, known, tail.path).save(out)


def statements(store: Store) -> list[Triple]:
    """All facts on terms that are not obsolete, under the names of the terms, each once, in the order of the files."""
    return _distinct(store, _teachable(store, KnowledgeConfig(sources=()), store.head["relations"]))


def _teachable(store: Store, section: KnowledgeConfig, relations: Collection[str]) -> list[StoredFact]:
    """Facts of some relations that are certain enough; of a text in several languages, the chosen one."""
    facts = [
        fact
        for fact in store.all_facts([relation for relation in relations if relation != REPLACED_BY])
        if fact.origin.confidence >= section.min_confidence and not store.obsolete[fact.subject]
    ]
    if len(store.head["languages"]) == 1:
        return facts
    chosen: dict[tuple[int, str], str] = {}
    for fact in facts:
        if store.kinds[fact.object] == TEXT:
            language = store.language(fact.object)
            key, wanted = (fact.subject, fact.relation), store.language(fact.subject)
            if key not in chosen or language == wanted:
                chosen[key] = language
    return [
        fact
        for fact in facts
        if store.kinds[fact.object] != TEXT or chosen[fact.subject, fact.relation] == store.language(fact.object)
    ]


def _distinct(store: Store, facts: list[StoredFact]) -> list[Triple]:
    """Facts by name; two terms of one name are one here."""
    first: dict[tuple[str, str, str], Triple] = {}
    for fact in facts:
        triple = Triple(store.label(fact.subject), fact.relation, store.label(fact.object), str(fact.origin))
        first.setdefault(triple.statement, triple)
    return list(first.values())


def _describe(graph: Graph, store: Store, tail: Path) -> Graph:
    """The same facts with what is known of their terms."""
    subjects = set(graph.subjects)
    names = subjects | {triple.object for triple in graph.triples}
    places = read_tail(tail)
    synonyms: dict[str, dict[str, None]] = {}
    mentions: dict[str, int] = {}
    ids: dict[str, str] = {}
    depths: dict[str, int] = {}
    definitions: dict[str, str] = {}
    for node in range(len(store)):
        label = store.label(node)
        if label not in names or store.kinds[node] == TEXT or store.obsolete[node]:
            continue
        synonyms.setdefault(label, {}).update(dict.fromkeys(store.spoken(node)[1:]))
        place = places[store.id(node)]
        if store.kinds[node] == TERM:
            ids.setdefault(label, store.id(node))
        if place.depth is not None:
            depths.setdefault(label, place.depth)
        if place.definition:
            definitions.setdefault(label, place.definition)
        if label in subjects:
            mentions[label] = mentions.get(label, 0) + place.mentions
    return replace(
        graph,
        synonyms={term: tuple(others) for term, others in synonyms.items() if others},
        mentions={subject: mentions[subject] for subject in graph.subjects},
        ids=ids,
        depths=depths,
        definitions=definitions,
    )


def _relations(section: KnowledgeConfig, found: Sequence[str]) -> dict[str, Relation]:
    """The relations to teach and their nouns."""
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
