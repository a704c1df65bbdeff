"""Words in segments: the ranking is that of BM25 over what is there, however it came there."""

from __future__ import annotations

import math
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence

import numpy as np

from deepseek_fusion.knowledge.retrieval.postings import K1, SCHEMA, B, purge_segments, rank_words, write_segment

Texts = dict[int, list[str]]


def texts(count: int) -> Texts:
    rng = random.Random(0)
    vocabulary = [f"w{number}" for number in range(60)] + ["痛风", "症状"]
    return {number: rng.choices(vocabulary, k=rng.randint(3, 30)) for number in range(1, count + 1)}


def expected(passages: Texts, words: Sequence[str]) -> dict[int, float]:
    mean = sum(map(len, passages.values())) / len(passages)
    scores = dict.fromkeys(passages, 0.0)
    for word in set(words):
        holding = [number for number, own in passages.items() if word in own]
        rarity = math.log1p((len(passages) - len(holding) + 0.5) / (len(holding) + 0.5))
        for number in holding:
            count = Counter(passages[number])[word]
            norm = K1 * (1 - B + B * len(passages[number]) / mean)
            scores[number] += rarity * count * (K1 + 1) / (count + norm)
    return scores


def test_many_small_changes_rank_as_one_large_would_and_leave_few_segments() -> None:
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    every = texts(300)
    for start in range(1, 301, 3):
        write_segment(database, [(number, every[number]) for number in range(start, start + 3)])
    assert database.execute("SELECT COUNT(*) FROM segments").fetchone()[0] <= math.log2(100) + 1
    lengths = np.zeros(301, np.float32)
    lengths[list(every)] = [len(own) for own in every.values()]
    gone = set(range(5, 300, 7))
    lengths[list(gone)] = 0
    left = {number: own for number, own in every.items() if number not in gone}
    question = ["w3", "痛风", "w41", "absent", "w3"]

    def check() -> None:
        found = rank_words(database, question, lengths, lengths > 0, 20)
        scores = expected(left, question)
        assert len(found) == 20
        np.testing.assert_allclose(
            [scores[number] for number in found], sorted(scores.values(), reverse=True)[:20], rtol=1e-5
        )

    check()
    size = database.execute("SELECT SUM(LENGTH(passages)) FROM postings").fetchone()[0]
    purge_segments(database, lengths > 0)
    assert database.execute("SELECT SUM(LENGTH(passages)) FROM postings").fetchone()[0] < size
    check()


def test_what_is_not_wanted_is_not_found_and_nothing_found_is_nothing() -> None:
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    write_segment(database, [(1, ["a", "b"]), (2, ["a"]), (3, ["c"])])
    lengths = np.array([0, 2, 1, 1], np.float32)
    assert rank_words(database, ["a"], lengths, lengths > 0, 5) == [2, 1]
    assert rank_words(database, ["a"], lengths, np.array([False, True, False, True]), 5) == [1]
    assert rank_words(database, ["x"], lengths, lengths > 0, 5) == []
    assert rank_words(database, [], lengths, lengths > 0, 5) == []
    assert rank_words(database, ["a"], np.zeros(1, np.float32), np.zeros(1, bool), 5) == []
