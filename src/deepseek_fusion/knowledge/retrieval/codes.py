"""The dense part: vectors as codes of one bit a dimension, and the nearest codes compared exactly.

A bit is the sign of a dimension; the fewer bits differ, the smaller the angle (Charikar, 2002). That finds the
neighbourhood, in which the vectors themselves then decide. For many searches codes are kept in cells around
centroids, and only the cells nearest to a question are looked at (Jegou et al., 2011).
"""

from __future__ import annotations

import numpy as np

RERANK = 12
"""Vectors compared for each one wanted."""
PROBED = 0.1
"""Share of the cells that a search looks at."""

_BLOCK = 1 << 14  # codes at a time: what is computed of them stays in the nearest cache
_ABSENT = 1 << 12  # more than any distance
_WORTH = 1 << 13  # vectors from which on cells are worth their overhead
_ROUNDS, _SAMPLE = 6, 40  # of k-means, and vectors a cell that it looks at


def halved(vectors: np.ndarray) -> np.ndarray:
    """The upper 16 bits of float32, rounded: what is stored of a vector."""
    return ((vectors.astype("<f4").view("<u4") + 0x8000) >> 16).astype("<u2")


def doubled(halves: np.ndarray) -> np.ndarray:
    """The same as float32 again."""
    whole = np.zeros((*halves.shape, 2), "<u2")
    whole[..., 1] = halves
    floats: np.ndarray = whole.view("<f4")[..., 0]
    return floats


class Codes:
    """Vectors by number, from 0, that grow at the end and may have holes.

    Args:
        dimensions: of a vector.
    """

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._words = -(-dimensions // 64)
        self._size = 0
        self._codes = np.zeros((self._words, 0), np.uint64)
        self._absent = np.zeros(0, np.uint16)
        self._halves = np.zeros((0, dimensions), "<u2")
        self._cells: Cells | None = None
        self._centroids: np.ndarray | None = None

    def put(self, numbers: np.ndarray, halves: np.ndarray) -> None:
        """Add vectors [N, D], as `halved` makes them, under ascending numbers."""
        if len(numbers):
            self._reserve(int(numbers[-1]) + 1)
            self._codes[:, numbers] = self._coded(doubled(halves)).T
            self._halves[numbers] = halves
            self._absent[numbers] = 0
            self._cells = None

    def drop(self, numbers: np.ndarray) -> None:
        """Never find these again."""
        if len(numbers):
            self._absent[numbers[numbers < self._size]] = _ABSENT
            self._cells = None

    def arrange(self) -> None:
        """Put codes into cells, which takes a second for 100,000 of them and makes each search several times faster.

        Changes keep the centroids; call it again when what is stored has become something else.
        """
        present = np.flatnonzero(self._absent[: self._size] == 0)
        if len(present) >= _WORTH:
            self._centroids = _k_means(self._halves, present)
            self._cells = None

    def rank(self, query: np.ndarray, count: int, wanted: np.ndarray | None = None) -> list[int]:
        """The nearest vectors to one query [D], nearest first.

        Args:
            wanted: [N] whether a number may be found; every one may if absent.
        """
        code = self._coded(query[None])[0]
        if wanted is None and self._centroids is not None:
            if self._cells is None:
                self._cells = self._celled(self._centroids)
            near = self._cells.near(query, code, count * RERANK)
        else:
            near = self._near(code, count * RERANK, wanted)
        scores = doubled(self._halves[near]) @ query
        best: list[int] = near[np.argsort(-scores, kind="stable")[:count]].tolist()
        return best

    def _near(self, code: np.ndarray, count: int, wanted: np.ndarray | None) -> np.ndarray:
        """Numbers of the nearest codes of all."""
        distances = self._absent[: self._size].copy()
        if wanted is not None:
            distances[~wanted[: self._size]] = _ABSENT
        for start in range(0, self._size, _BLOCK):
            part = distances[start : start + _BLOCK]
            for word in range(self._words):
                part += np.bitwise_count(self._codes[word, start : start + len(part)] ^ code[word])
        near = _least(distances.astype(np.uint32), count)
        present: np.ndarray = near[distances[near] < _ABSENT]
        return present

    def _celled(self, centroids: np.ndarray) -> Cells:
        present = np.flatnonzero(self._absent[: self._size] == 0)
        own = np.empty(len(present), np.int64)
        for start in range(0, len(present), _BLOCK):
            part = slice(start, start + _BLOCK)
            own[part] = (doubled(self._halves[present[part]]) @ centroids.T).argmax(axis=1)
        order = np.argsort(own, kind="stable")
        starts = np.searchsorted(own[order], np.arange(len(centroids) + 1))
        numbers = present[order]
        return Cells(centroids, starts, numbers, np.ascontiguousarray(self._codes[:, numbers].T))

    def _coded(self, vectors: np.ndarray) -> np.ndarray:
        bits = np.zeros((len(vectors), 64 * self._words), bool)
        bits[:, : self.dimensions] = vectors > 0
        return np.packbits(bits, axis=1).view(np.uint64)

    def _reserve(self, size: int) -> None:
        if size > len(self._absent):
            room = max(size, 2 * len(self._absent)) - len(self._absent)
            self._codes = np.concatenate([self._codes, np.zeros((self._words, room), np.uint64)], axis=1)
            self._halves = np.concatenate([self._halves, np.zeros((room, self.dimensions), "<u2")])
            self._absent = np.concatenate([self._absent, np.full(room, _ABSENT, np.uint16)])
        self._size = max(self._size, size)


class Cells:
    """Codes ordered by the centroid that they are nearest to.

    Args:
        centroids: [C, D].
        starts: [C + 1] where each cell begins.
        numbers: [N] of the codes.
        codes: [N, words].
    """

    def __init__(self, centroids: np.ndarray, starts: np.ndarray, numbers: np.ndarray, codes: np.ndarray) -> None:
        self.centroids = centroids
        self.starts: list[int] = starts.tolist()
        self.numbers = numbers
        self.codes = codes

    def near(self, query: np.ndarray, code: np.ndarray, count: int) -> np.ndarray:
        """Numbers of the nearest codes in the nearest cells, of which there are more where they hold too little."""
        order = np.argsort(-(self.centroids @ query))
        share, parts, size = max(1, round(PROBED * len(order))), list[tuple[int, int]](), 0
        for place, cell in enumerate(order.tolist()):
            if place >= share and size >= count:
                break
            parts.append((self.starts[cell], self.starts[cell + 1]))
            size += parts[-1][1] - parts[-1][0]
        differing = np.empty((size, len(code)), np.uint64)
        longest = max(last - first for first, last in parts)
        same = np.broadcast_to(code, (longest, len(code))).copy()
        end = 0
        for first, last in parts:
            start, end = end, end + last - first
            np.bitwise_xor(self.codes[first:last], same[: last - first], out=differing[start:end])
        near = _least(_row_sums(np.bitwise_count(differing)), count)
        found: np.ndarray = np.concatenate([self.numbers[first:last] for first, last in parts])[near]
        return found


def _row_sums(counts: np.ndarray) -> np.ndarray:
    """[N] of bytes [N, words]; column by column, which is faster than row by row, two bytes in one where that goes."""
    if counts.shape[1] % 2 == 0:
        pairs = counts.view(np.uint16)
        counts = (pairs & 0xFF) + (pairs >> 8)
    total = counts[:, 0].astype(np.uint32)
    for column in range(1, counts.shape[1]):
        total += counts[:, column]
    return total


def _least(distances: np.ndarray, count: int) -> np.ndarray:
    """Places of so many of the smallest."""
    if len(distances) <= count:
        return np.arange(len(distances))
    return np.argpartition(distances, count)[:count]


def _k_means(halves: np.ndarray, present: np.ndarray) -> np.ndarray:
    """[C, D] centroids of length one, of a sample, always the same for the same vectors."""
    random = np.random.default_rng(0)
    cells = 1 << round(np.log2(len(present)) / 2)
    sample = doubled(halves[random.choice(present, min(len(present), _SAMPLE * cells), replace=False)])
    centroids = sample[:cells].copy()
    for _ in range(_ROUNDS):
        own = (sample @ centroids.T).argmax(axis=1)
        order = np.argsort(own, kind="stable")
        cells_with, starts = np.unique(own[order], return_index=True)
        sums = np.add.reduceat(sample[order], starts, axis=0)
        centroids[cells_with] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return centroids
