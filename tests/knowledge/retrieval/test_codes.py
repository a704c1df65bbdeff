"""Vectors by their codes: nearly what an exact search finds, while they come and go."""

from __future__ import annotations

import numpy as np
import pytest

from deepseek_fusion.knowledge.retrieval import codes
from deepseek_fusion.knowledge.retrieval.codes import Codes, doubled, halved


def clustered(count: int, dimensions: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((50, dimensions))
    vectors = centres[random.integers(50, size=count)] + random.standard_normal((count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def recall(index: Codes, vectors: np.ndarray, queries: np.ndarray, wanted: np.ndarray | None = None) -> float:
    shares = []
    for query in queries:
        scores = vectors @ query
        if wanted is not None:
            scores[~wanted] = -2
        best = np.argsort(-scores)[:10]
        shares.append(len({*best.tolist()} & {*index.rank(query, 10, wanted)}) / 10)
    return float(np.mean(shares))


def test_halves_keep_a_vector_to_eight_bits() -> None:
    vectors = clustered(100, 70)
    np.testing.assert_allclose(doubled(halved(vectors)), vectors, rtol=2**-8)


@pytest.mark.parametrize("dimensions", [384, 100])
@pytest.mark.parametrize("arranged", [False, True])
def test_recall_against_exact_search(dimensions: int, arranged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "_WORTH", 1000)
    vectors, queries = clustered(6000, dimensions), clustered(6100, dimensions)[6000:]
    index = Codes(dimensions)
    index.put(np.arange(3000), halved(vectors[:3000]))
    if arranged:
        index.arrange()
    index.put(np.arange(3000, 6000), halved(vectors[3000:]))
    assert recall(index, vectors, queries) >= 0.9
    own = index.rank(vectors[17], 1)
    assert own == [17]
    wanted = np.arange(6000) % 50 == 1
    assert recall(index, vectors, queries, wanted) >= 0.97
    assert all(number % 50 == 1 for number in index.rank(queries[0], 200, wanted))
    index.drop(np.array([17, 9999]))
    assert 17 not in index.rank(vectors[17], 50)


def test_holes_and_small_indexes() -> None:
    index = Codes(64)
    query = clustered(1, 64)[0]
    assert index.rank(query, 5) == []
    index.put(np.array([3, 7]), halved(clustered(2, 64)))
    assert sorted(index.rank(query, 5)) == [3, 7]
    index.put(np.array([5000]), halved(query[None]))
    assert index.rank(query, 1) == [5000]
    index.arrange()  # too few to be worth it
    index.drop(np.array([3, 5000]))
    assert index.rank(query, 5) == [7]
