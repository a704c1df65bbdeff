"""The graph part: which passages mention which terms, what the terms of a question are, and their neighbours."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.retrieval.postings import best
from deepseek_fusion.knowledge.retrieval.words import name_words

SCHEMA = """
CREATE TABLE names (name TEXT, term INTEGER, PRIMARY KEY (name, term)) WITHOUT ROWID;
CREATE TABLE openings (word TEXT, words INTEGER, PRIMARY KEY (word, words)) WITHOUT ROWID;
CREATE TABLE terms (id INTEGER PRIMARY KEY, term TEXT UNIQUE);
CREATE TABLE neighbours (term INTEGER, other INTEGER, PRIMARY KEY (term, other)) WITHOUT ROWID;
CREATE TABLE mentions (term INTEGER, passage INTEGER, PRIMARY KEY (term, passage)) WITHOUT ROWID;
CREATE INDEX mentioned ON mentions (passage);
"""

LONGEST_NAME = 12
"""Words; a longer object of a fact is a sentence."""

_NEARBY = 0.25  # what a neighbour of a term counts, against the term itself
_NEIGHBOURS, _MENTIONS = 100, 5000  # of one term that are looked at
_MANY = 900  # values in one statement


def write_names(database: sqlite3.Connection, graph: Graph) -> None:
    """Make these the terms that are linked, instead of what was there."""
    for table in ("names", "openings", "terms", "neighbours"):
        database.execute(f"DELETE FROM {table}")
    numbers: dict[str, int] = {}
    names: dict[tuple[str, int], None] = {}

    def number(term: str, own: Iterable[str]) -> int:
        if term not in numbers:
            numbers[term] = len(numbers) + 1
            for name in own:
                words = name_words(name)
                if 0 < len(words) <= LONGEST_NAME:
                    names[" ".join(words), numbers[term]] = None
        return numbers[term]

    pairs = set[tuple[int, int]]()
    for triple in graph.triples:
        ends = [number(term, graph.names_of(term)) for term in (triple.subject, triple.object)]
        pairs.update((tuple(ends), tuple(ends[::-1])))  # type: ignore[arg-type]
    for nouns in graph.relations.values():
        number(nouns.name, (nouns.name, nouns.plural))
    openings = {(name.split(" ", 1)[0], name.count(" ") + 1) for name, _ in names}
    database.executemany("INSERT INTO terms VALUES (?, ?)", ((own, term) for term, own in numbers.items()))
    database.executemany("INSERT INTO names VALUES (?, ?)", sorted(names))
    database.executemany("INSERT INTO openings VALUES (?, ?)", sorted(openings))
    database.executemany("INSERT INTO neighbours VALUES (?, ?)", sorted(pairs))


def write_mentions(database: sqlite3.Connection, texts: Mapping[int, str]) -> None:
    """Note which terms passages mention, by number."""
    found = terms_in(database, list(texts.values()))
    rows = ((term, passage) for passage, terms in zip(texts, found, strict=True) for term in terms)
    database.executemany("INSERT OR IGNORE INTO mentions VALUES (?, ?)", rows)


def terms_in(database: sqlite3.Connection, texts: Sequence[str]) -> list[list[int]]:
    """The terms that each text names, in order; of names that overlap the first and longest."""
    read = [name_words(text) for text in texts]
    lengths: defaultdict[str, list[int]] = defaultdict(list)
    vocabulary = {word for words in read for word in words}
    for word, count in _select(database, "SELECT word, words FROM openings WHERE word IN", vocabulary):
        lengths[word].append(count)
    for own in lengths.values():
        own.sort(reverse=True)
    possible = {name for words in read for _, name in _spans(words, lengths)}
    owners: defaultdict[str, list[int]] = defaultdict(list)
    for name, term in _select(database, "SELECT name, term FROM names WHERE name IN", possible):
        owners[name].append(term)
    return [_longest(words, lengths, owners) for words in read]


def rank_linked(database: sqlite3.Connection, linked: Sequence[int], wanted: np.ndarray, count: int) -> list[int]:
    """The best passages that mention the terms of a question or their neighbours, best first; rare terms count more.

    All terms of the question add up, but only one neighbour counts, or long lists would win.

    Args:
        linked: the terms.
        wanted: [P + 1] whether a passage may be found, by number.
        count: how many at most.
    """
    scores, nearby = np.zeros((2, len(wanted)), np.float32)
    weights: dict[int, float] = dict.fromkeys(linked, 1.0)
    for term in linked:
        found = database.execute("SELECT other FROM neighbours WHERE term = ? LIMIT ?", (term, _NEIGHBOURS))
        for (other,) in found:
            weights.setdefault(other, _NEARBY)
    for term, weight in weights.items():
        found = database.execute("SELECT passage FROM mentions WHERE term = ? LIMIT ?", (term, _MENTIONS))
        passages = np.array([passage for (passage,) in found], np.int64)
        value = weight * math.log(1 + len(wanted) / (1 + len(passages)))
        if weight == 1:
            scores[passages] += value
        else:
            nearby[passages] = np.maximum(nearby[passages], value)
    scores += nearby
    scores[~wanted] = 0
    return best(scores, count)


def _spans(words: Sequence[str], lengths: Mapping[str, Sequence[int]]) -> Iterator[tuple[int, str]]:
    """Every place where a name may begin, with what it would be, the longest first."""
    for start, word in enumerate(words):
        for length in lengths.get(word, ()):
            if start + length <= len(words):
                yield start, " ".join(words[start : start + length])


def _longest(
    words: Sequence[str], lengths: Mapping[str, Sequence[int]], owners: Mapping[str, Sequence[int]]
) -> list[int]:
    terms: dict[int, None] = {}
    free = 0
    for start, name in _spans(words, lengths):
        if start >= free and name in owners:
            terms.update(dict.fromkeys(owners[name]))
            free = start + name.count(" ") + 1
    return list(terms)


def _select(database: sqlite3.Connection, query: str, values: Iterable[str]) -> Iterator[tuple[str, int]]:
    listed = list(values)
    for start in range(0, len(listed), _MANY):
        part = listed[start : start + _MANY]
        yield from database.execute(f"{query} ({', '.join('?' * len(part))})", part)
