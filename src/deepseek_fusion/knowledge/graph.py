"""A knowledge graph: triples, the other names of their terms, and how to speak of them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from deepseek_fusion.core.artifacts import read_json, read_jsonl, write_json, write_jsonl
from deepseek_fusion.core.config import RelationConfig
from deepseek_fusion.knowledge.language import Language, fold, language_of, plural_of

Direction = Literal["forward", "backward"]


@dataclass(frozen=True)
class Triple:
    """One fact and the file (and line) that states it."""

    subject: str
    relation: str
    object: str
    source: str = ""

    @property
    def statement(self) -> tuple[str, str, str]:
        """The fact without its source; equal for two sources that say the same."""
        return self.subject, self.relation, self.object


@dataclass(frozen=True)
class Relation:
    """Nouns for a relation."""

    name: str
    plural: str

    @classmethod
    def of(cls, config: RelationConfig) -> Relation:
        """Fill in the plural where it is regular."""
        return cls(config.name, config.plural or plural_of(config.name))


@dataclass(frozen=True)
class Group:
    """One question and all its right answers.

    `forward` holds the objects of a (subject, relation), `backward` the subjects of a (relation, object); the anchor
    is the end that the question names.
    """

    anchor: str
    relation: str
    answers: tuple[str, ...]
    direction: Direction

    def triples(self) -> tuple[Triple, ...]:
        """The facts that the answers state, one an answer."""
        if self.direction == "forward":
            return tuple(Triple(self.anchor, self.relation, answer) for answer in self.answers)
        return tuple(Triple(answer, self.relation, self.anchor) for answer in self.answers)


@dataclass(frozen=True)
class Graph:
    """Facts on things of one type.

    Attributes:
        triples: the facts in file order, each once.
        subject_type: noun for what the subjects are.
        relations: how each relation that occurs is named.
        synonyms: other names of a term; terms without any are absent.
        mentions: how many times the corpus mentions a subject, under any of its names.
        ids: what a term of an ontology is known by in all its releases; bare names are absent.
        depths: the fewest steps from a root of the whole ontology; terms outside a hierarchy are absent.
        definitions: a sentence that says what a term is, from the ontology or the corpus; terms without are absent.
    """

    triples: tuple[Triple, ...]
    subject_type: str
    relations: dict[str, Relation]
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    mentions: dict[str, int] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """Subjects in file order, each once."""
        return tuple(dict.fromkeys(triple.subject for triple in self.triples))

    @property
    def subject_plural(self) -> str:
        """Noun for several subjects."""
        return plural_of(self.subject_type)

    @cached_property
    def language(self) -> Language:
        """Language of most names; subjects and objects count alike."""
        return language_of(" ".join(name for triple in self.triples for name in (triple.subject, triple.object)))

    @cached_property
    def owners(self) -> Mapping[tuple[str, str], Mapping[str, None]]:
        """For each (relation, folded name of an object) the subjects that have it under any name, in file order."""
        found: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for group in self.forward():
            for name in sorted({fold(name) for answer in group.answers for name in self.names_of(answer)}):
                found[group.relation, name][group.anchor] = None
        return dict(found)

    def names_of(self, term: str) -> tuple[str, ...]:
        """A term under all names, its own first."""
        return (term, *self.synonyms.get(term, ()))

    @property
    def digest(self) -> str:
        """Hash of what the graph states, whatever the order and the sources."""
        return _hash("\n".join(sorted(map(self.fact_id, self.triples))))

    @staticmethod
    def fact_id(triple: Triple) -> str:
        """Twelve hex digits that depend on the statement alone."""
        return _hash("\x1f".join(triple.statement))

    def forward(self) -> list[Group]:
        """One group for each (subject, relation), its objects in file order."""
        return _groups(
            self.triples, lambda triple: (triple.subject, triple.relation), lambda triple: triple.object, "forward"
        )

    def backward(self) -> list[Group]:
        """One group for each (relation, object), its subjects in file order."""
        return _groups(
            self.triples, lambda triple: (triple.object, triple.relation), lambda triple: triple.subject, "backward"
        )

    def with_triples(self, triples: Iterable[Triple]) -> Graph:
        """The same names and nouns around other facts."""
        kept = tuple(triples)
        terms = {name for triple in kept for name in (triple.subject, triple.object)}
        used = {triple.relation for triple in kept}
        return replace(
            self,
            triples=kept,
            relations={key: relation for key, relation in self.relations.items() if key in used},
            synonyms={term: names for term, names in self.synonyms.items() if term in terms},
            mentions={term: count for term, count in self.mentions.items() if term in terms},
            ids={term: identifier for term, identifier in self.ids.items() if term in terms},
            depths={term: depth for term, depth in self.depths.items() if term in terms},
            definitions={term: sentence for term, sentence in self.definitions.items() if term in terms},
        )

    def _row(self, term: str) -> dict[str, Any]:
        row = {"term": term, "synonyms": list(self.synonyms.get(term, ())), "mentions": self.mentions.get(term)}
        further: dict[str, Mapping[str, str | int]] = {
            "id": self.ids,
            "depth": self.depths,
            "definition": self.definitions,
        }
        return row | {field: known[term] for field, known in further.items() if term in known}

    @classmethod
    def load(cls, folder: Path) -> Graph:
        """Read what `save` wrote."""
        facts = read_json(folder / "graph.json")
        terms = read_jsonl(folder / "terms.jsonl")
        return cls(
            triples=tuple(Triple(**row) for row in read_jsonl(folder / "triples.jsonl")),
            subject_type=facts["subject_type"],
            relations={key: Relation(**nouns) for key, nouns in facts["relations"].items()},
            synonyms={row["term"]: tuple(row["synonyms"]) for row in terms if row["synonyms"]},
            mentions={row["term"]: row["mentions"] for row in terms if row["mentions"] is not None},
            ids={row["term"]: row["id"] for row in terms if "id" in row},
            depths={row["term"]: row["depth"] for row in terms if "depth" in row},
            definitions={row["term"]: row["definition"] for row in terms if "definition" in row},
        )

    def save(self, folder: Path) -> None:
        """Write `triples.jsonl`, `terms.jsonl` (what is known of each term) and `graph.json` (nouns and counts)."""
        write_jsonl(folder / "triples.jsonl", [vars(triple) for triple in self.triples])
        known = (self.synonyms, self.mentions, self.ids, self.depths, self.definitions)
        terms = dict.fromkeys([*self.subjects, *(term for part in known for term in part)])
        write_jsonl(folder / "terms.jsonl", [self._row(term) for term in terms])
        write_json(
            folder / "graph.json",
            {
                "subject_type": self.subject_type,
                "language": self.language,
                "relations": {key: vars(relation) for key, relation in self.relations.items()},
                "facts": len(self.triples),
                "subjects": len(self.subjects),
                "digest": self.digest,
            },
        )


def _groups(
    triples: Iterable[Triple],
    question: Callable[[Triple], tuple[str, str]],
    answer: Callable[[Triple], str],
    direction: Direction,
) -> list[Group]:
    answers: dict[tuple[str, str], list[str]] = {}
    for triple in triples:
        answers.setdefault(question(triple), []).append(answer(triple))
    return [
        Group(anchor, relation, tuple(dict.fromkeys(found)), direction) for (anchor, relation), found in answers.items()
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
