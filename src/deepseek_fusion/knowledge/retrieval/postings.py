"""The lexical part: which passages hold which words, as arrays in the same database as everything else.

Each change writes a segment of its own; segments of like size are merged, so that a word is read from few places and
each posting is rewritten log(N) times (Bentley and Saxe, 1980). Ranking is BM25 (Robertson and Zaragoza, 2009).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

SCHEMA = """
CREATE TABLE postings (
    segment INTEGER, word TEXT, passages BLOB, counts BLOB, PRIMARY KEY (segment, word)
) WITHOUT ROWID;
CREATE TABLE segments (id INTEGER PRIMARY KEY, size INTEGER);
"""

K1, B = 1.2, 0.75

_MOST = 255  # a count is one byte
_WORDS = 64  # of a question; the rest of a longer one says little more


def write_segment(database: sqlite3.Connection, texts: Iterable[tuple[int, Sequence[str]]]) -> None:
    """Add passages by number, ascending and above all others, with their words; merge what is too many segments."""
    table: dict[str, tuple[list[int], list[int]]] = {}
    for passage, words in texts:
        for word, count in Counter(words).items():
            passages, counts = table.setdefault(word, ([], []))
            passages.append(passage)
            counts.append(min(count, _MOST))
    if not table:
        return
    size = sum(len(passages) for passages, _ in table.values())
    segment = database.execute("INSERT INTO segments (size) VALUES (?)", (size,)).lastrowid
    rows = (
        (segment, word, np.array(passages, "<u4").tobytes(), bytes(counts))
        for word, (passages, counts) in sorted(table.items())
    )
    database.executemany("INSERT INTO postings VALUES (?, ?, ?, ?)", rows)
    _merge(database)


def _merge(database: sqlite3.Connection) -> None:
    """Put the two newest segments together until each is more than twice as large as the next."""
    while True:
        newest = database.execute("SELECT id, size FROM segments ORDER BY id DESC LIMIT 2").fetchall()
        if len(newest) < 2 or newest[1][1] > 2 * newest[0][1]:
            return
        (late, added), (early, size) = newest
        both = database.execute(
            "SELECT late.word, early.passages, late.passages, early.counts, late.counts FROM postings AS late "
            "LEFT JOIN postings AS early ON early.segment = ? AND early.word = late.word WHERE late.segment = ?",
            (early, late),
        ).fetchall()
        rows = [(early, word, (p or b"") + q, (c or b"") + d) for word, p, q, c, d in both]
        database.executemany("INSERT OR REPLACE INTO postings VALUES (?, ?, ?, ?)", rows)
        database.execute("DELETE FROM postings WHERE segment = ?", (late,))
        database.execute("DELETE FROM segments WHERE id = ?", (late,))
        database.execute("UPDATE segments SET size = ? WHERE id = ?", (size + added, early))


def purge_segments(database: sqlite3.Connection, alive: np.ndarray) -> None:
    """Leave out every passage whose place in `alive` is false."""
    for segment, word in database.execute("SELECT segment, word FROM postings").fetchall():
        key = (segment, word)
        found = "SELECT passages, counts FROM postings WHERE segment = ? AND word = ?"
        passages, counts = _unpacked(*database.execute(found, key).fetchone())
        kept = alive[passages]
        if kept.all():
            continue
        database.execute("DELETE FROM postings WHERE segment = ? AND word = ?", key)
        if kept.any():
            row = (*key, passages[kept].tobytes(), counts[kept].tobytes())
            database.execute("INSERT INTO postings VALUES (?, ?, ?, ?)", row)


def rank_words(
    database: sqlite3.Connection, words: Sequence[str], lengths: np.ndarray, wanted: np.ndarray, count: int
) -> list[int]:
    """The best passages for some words, best first.

    Args:
        words: of the question.
        lengths: [P + 1] words of each passage by number, 0 where there is none.
        wanted: [P + 1] whether a passage may be found.
        count: how many at most.
    """
    alive = lengths > 0
    passages = int(alive.sum())
    if not passages:
        return []
    norms = K1 * (1 - B + B * lengths / (lengths.sum() / passages))
    scores = np.zeros(len(lengths), np.float32)
    for found, counts in _read(database, list(dict.fromkeys(words))[:_WORDS]):
        kept = alive[found]
        found, counts = found[kept], counts[kept].astype(np.float32)
        rarity = np.log1p((passages - len(found) + 0.5) / (len(found) + 0.5))
        scores[found] += rarity * counts * (K1 + 1) / (counts + norms[found])
    scores[~wanted] = 0
    return best(scores, count)


def best(scores: np.ndarray, count: int) -> list[int]:
    """Places of the largest scores above 0, best first, equal ones in order."""
    places = np.flatnonzero(scores > 0)
    if len(places) > count:
        least = np.partition(scores[places], len(places) - count)[len(places) - count]
        places = places[scores[places] >= least]
    order = np.argsort(-scores[places], kind="stable")[:count]
    return [int(place) for place in places[order]]


def _read(database: sqlite3.Connection, words: Sequence[str]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """The postings of each word that occurs, all segments together."""
    marks = ", ".join("?" * len(words))
    rows = database.execute(
        "SELECT word, passages, counts FROM postings WHERE segment IN (SELECT id FROM segments) "
        f"AND word IN ({marks}) ORDER BY word",
        words,
    )
    found: dict[str, tuple[list[bytes], list[bytes]]] = {}
    for word, passages, counts in rows:
        own = found.setdefault(word, ([], []))
        own[0].append(passages)
        own[1].append(counts)
    for parts in found.values():
        yield _unpacked(*(b"".join(part) for part in parts))


def _unpacked(passages: bytes, counts: bytes) -> tuple[np.ndarray, np.ndarray]:
    return np.frombuffer(passages, "<u4"), np.frombuffer(counts, np.uint8)
