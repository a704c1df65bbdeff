"""Where all files of knowledge come together: each thing becomes one node, each statement one fact."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.language import fold
from deepseek_fusion.knowledge.sources.knowledge import REPLACED_BY, Fact, Kind, Knowledge, Name, Origin, Record, Term
from deepseek_fusion.knowledge.store.tables import IDENTIFIER, LABEL, NAME, SYNONYM, TERM, TEXT, Numbers, Tables
from deepseek_fusion.knowledge.store.tree import depths_of, is_hierarchy

MOST_KINDS = 1 << 16
"""Relations and languages of a store: their numbers are kept in two bytes."""


def compile_store(files: Iterable[Knowledge], language: str | None = None) -> Tables:
    """One store of several files, in their order.

    A name in one file is the term of another if it is written like its id or like the preferred name of exactly one
    term that is not obsolete; otherwise it stands for itself. A statement made twice is kept once, where it is most
    certain, then first.

    Args:
        language: which of a term's preferred names is its name; without one, English or what has no language comes
            first.

    Raises:
        FusionError: a record that is read on the way cannot be used, a file states nothing, or more kinds of relations
            than there are numbers for.
    """
    ledger, kept = _Ledger(language), list(files)
    for file in kept:
        for term in file.terms:
            ledger.register(term)
    ledger.settle()
    for file in kept:
        before = len(ledger.subjects)
        for term in file.terms:
            ledger.describe(term)
        for record in file.records:
            ledger.record(record)
        if len(ledger.subjects) == before:
            raise FusionError(f"{file.path}: holds no facts; add rows of subject, relation, object.")
        for what, numbers in (("relations", ledger.relations), ("languages", ledger.languages)):
            if len(numbers) > MOST_KINDS:
                raise FusionError(
                    f"{file.path}: more than {MOST_KINDS:,} {what}; see whether values stand in their place."
                )
    head = {
        "versions": {file.file: file.version for file in kept if file.version},
        "notes": [note for file in kept for note in file.notes],
    }
    return ledger.tables(head)


def name_hash(name: str) -> int:
    """Eight bytes of a folded name."""
    return int.from_bytes(hashlib.blake2b(fold(name).encode("utf-8", "replace"), digest_size=8).digest(), "little")


class _Numbers(dict[str, int]):
    """Numbers in the order in which things are first asked for."""

    def __missing__(self, key: str) -> int:
        self[key] = len(self)
        return self[key]


class _Ledger:
    """Nodes, names and facts as they come."""

    def __init__(self, language: str | None) -> None:
        self.language = language
        self.nodes: list[tuple[str, str, int, int, bool]] = []  # id, label, language, kind, obsolete
        self.places: dict[str, int] = {}
        self.texts: dict[tuple[str, int], int] = {}
        self.labels: dict[str, int | None] = {}
        self.names: dict[tuple[int, str], tuple[int, int]] = {}  # node and text: language, kind
        self.languages, self.times = _Numbers({"": 0}), _Numbers({"": 0})
        self.relations, self.sources = _Numbers(), _Numbers()
        self.subjects, self.predicates, self.objects = array("I"), array("I"), array("I")
        self.origins, self.lines, self.whens, self.confidences = array("I"), array("I"), array("I"), array("f")

    def register(self, term: Term) -> None:
        """Give a term its node; of two with one id the first counts."""
        if term.id not in self.places:
            self._add(term.id, _preferred(term.labels, self.language), TERM, term.obsolete)

    def settle(self) -> None:
        """Find out which preferred names belong to one term only."""
        for place, (_, label, _, _, obsolete) in enumerate(self.nodes):
            if not obsolete:
                self.labels[label] = None if label in self.labels else place

    def describe(self, term: Term) -> None:
        """Take the names and facts of a registered term."""
        place = self.places[term.id]
        for kind, names in ((LABEL, term.labels), (SYNONYM, term.synonyms)):
            for name in names:
                self.names.setdefault((place, name.text), (self.languages[name.language], kind))
        for identifier in (term.id, *term.alternatives):
            self.names.setdefault((place, identifier), (0, IDENTIFIER))
        for fact in term.facts:
            self._state(place, fact.relation, self._object(fact), fact.origin)
        for identifier in term.replaced_by:
            self._state(place, REPLACED_BY, self._place(identifier, "term"), Origin(""))

    def record(self, record: Record) -> None:
        """Take a fact between names."""
        subject, relation, value, origin, synonyms = record
        place, other = self.places.get(subject), self.places.get(value)
        if place is None:
            place = self._place(subject, "name")
        for synonym in synonyms:
            self.names.setdefault((place, synonym), (0, SYNONYM))
        if other is None:
            other = self._place(value, "name")
        self._state(place, relation, other, origin)

    def tables(self, head: dict[str, Any]) -> Tables:
        """All of it, sorted and indexed."""
        facts, starts, backward_starts = self._facts()
        names, name_starts = self._names()
        ids, labels, languages, kinds, obsolete = zip(*self.nodes, strict=True) if self.nodes else ((),) * 5
        hierarchy = [relation for relation in self.relations if is_hierarchy(relation)]
        above = np.isin(facts["relation"], [self.relations[relation] for relation in hierarchy])
        nodes = {
            "id": [*ids, ""],
            "label": [*labels, ""],
            "language": np.array([*languages, 0], np.uint16),
            "kind": np.array([*kinds, 0], np.uint8),
            "obsolete": np.array([*obsolete, 0], np.uint8),
            "depth": np.append(depths_of(len(ids), facts["subject"][above], facts["object"][above]), np.int32(-1)),
            "names": name_starts,
            "facts": starts,
            "backward": backward_starts,
        }
        head |= {
            "nodes": len(ids),
            "terms": kinds.count(TERM),
            "obsolete": sum(obsolete),
            "facts": len(facts["subject"]),
            "names": len(names["node"]),
            "hierarchy": hierarchy,
            "relations": list(self.relations),
            "languages": list(self.languages),
            "sources": list(self.sources),
            "times": list(self.times),
        }
        return Tables(pyarrow.table(nodes), pyarrow.table(names), pyarrow.table(facts), head)

    def _add(self, identifier: str, name: Name, kind: int, obsolete: bool = False) -> int:
        place = len(self.nodes)
        self.nodes.append((identifier, name.text, self.languages[name.language], kind, obsolete))
        if kind != TEXT:
            self.places[identifier] = place
        return place

    def _place(self, text: str, kind: Kind) -> int:
        """The node of an id or a name."""
        found = self.places.get(text)
        if found is None and kind == "name":
            found = self.labels.get(text)
        if found is not None:
            return found
        place = self._add(text, Name(text), NAME)
        self.names[place, text] = (0, LABEL)
        return place

    def _object(self, fact: Fact) -> int:
        if fact.kind != "text":
            return self._place(fact.object, fact.kind)
        key = (fact.object, self.languages[fact.language])
        if key not in self.texts:
            self.texts[key] = self._add("", Name(fact.object, fact.language), TEXT)
        return self.texts[key]

    def _state(self, subject: int, relation: str, value: int, origin: Origin) -> None:
        source, line, confidence, time = origin
        self.subjects.append(subject)
        self.predicates.append(self.relations[relation])
        self.objects.append(value)
        self.origins.append(self.sources[source])
        self.lines.append(line)
        self.whens.append(self.times[time])
        self.confidences.append(confidence)

    def _facts(self) -> tuple[dict[str, Numbers], Numbers, Numbers]:
        """Each statement once, by subject, then as the files have them; where each node's begin, and as object."""
        subject, relation, value = (
            np.array(part, np.uint32) for part in (self.subjects, self.predicates, self.objects)
        )
        confidence = np.array(self.confidences, np.float32)
        order = np.lexsort((-confidence, value, relation, subject))  # stable: among equals the first stays first
        new = np.zeros(len(order), bool)
        new[:1] = True
        for part in (subject[order], relation[order], value[order]):
            new[1:] |= part[1:] != part[:-1]
        groups = np.flatnonzero(new)
        rank = np.minimum.reduceat(order, groups) if len(groups) else order
        chosen = order[groups]
        by_subject = np.lexsort((rank, subject[chosen]))
        chosen, rank = chosen[by_subject], rank[by_subject]
        facts: dict[str, Numbers] = {
            "subject": subject[chosen],
            "relation": relation[chosen].astype(np.uint16),
            "object": value[chosen],
            "source": np.array(self.origins, np.uint32)[chosen],
            "line": np.array(self.lines, np.uint32)[chosen],
            "confidence": confidence[chosen],
            "time": np.array(self.whens, np.uint32)[chosen],
            "rank": rank.astype(np.uint32),
        }
        facts["backward"] = np.argsort(facts["object"], kind="stable").astype(np.uint32)
        return facts, self._starts(facts["subject"]), self._starts(facts["object"])

    def _names(self) -> tuple[dict[str, Any], Numbers]:
        """By node, preferred names first, with the index of their hashes; where each node's begin."""
        rows = [(place, kind, text, language) for (place, text), (language, kind) in self.names.items()]
        rows.sort(key=lambda row: row[:2])
        hashes = np.array([name_hash(row[2]) for row in rows], np.uint64)
        hashed = np.argsort(hashes, kind="stable")
        nodes = np.array([row[0] for row in rows], np.uint32)
        names = {
            "node": nodes,
            "text": [row[2] for row in rows],
            "language": np.array([row[3] for row in rows], np.uint16),
            "kind": np.array([row[1] for row in rows], np.uint8),
            "hashes": hashes[hashed],
            "hashed": hashed.astype(np.uint32),
        }
        return names, self._starts(nodes)

    def _starts(self, nodes: Numbers) -> Numbers:
        counts = np.bincount(nodes, minlength=len(self.nodes))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)


def _preferred(labels: Sequence[Name], language: str | None) -> Name:
    for tag in [language] if language else ["", "en"]:
        for name in labels:
            if name.language == tag or (tag and name.language.casefold().startswith(f"{tag}-")):
                return name
    return labels[0]
