"""Near duplicates by MinHash and locality-sensitive hashing, in plain Python.

One permutation hashing (Li, Owen and Zhang 2012, arXiv 1208.1259) with optimal densification (Shrivastava 2017,
arXiv 1703.04664): each 5-gram is hashed once, and the same text has the same signature in every process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from itertools import count

_BINS = 128
_GRAM = 5
_RECALL = 0.99  # of pairs at the threshold


class NearDuplicates:
    """Signatures of the texts so far, indexed by bands."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.rows = _rows(threshold)
        self.signatures: dict[str, tuple[int, ...]] = {}
        self.bands: dict[tuple[int, tuple[int, ...]], list[str]] = {}

    def add(self, name: str, words: Sequence[str]) -> tuple[str, float] | None:
        """The most similar earlier text and the estimated Jaccard similarity; if there is none, remember this one."""
        if not words:
            return None
        signature = signature_of(words)
        bands = [(start, signature[start : start + self.rows]) for start in range(0, _BINS, self.rows)]
        candidates = dict.fromkeys(other for band in bands for other in self.bands.get(band, ()))
        scores = [(other, similarity(signature, self.signatures[other])) for other in candidates]
        best = max(scores, key=lambda score: score[1], default=None)
        if best and best[1] >= self.threshold:
            return best
        self.signatures[name] = signature
        for band in bands:
            self.bands.setdefault(band, []).append(name)
        return None


def signature_of(words: Sequence[str]) -> tuple[int, ...]:
    """For each of 128 bins the smallest hash of a 5-gram that falls into it."""
    smallest: dict[int, int] = {}
    for start in range(max(1, len(words) - _GRAM + 1)):
        value, place = divmod(_hash(" ".join(words[start : start + _GRAM])), _BINS)
        smallest[place] = min(value, smallest.get(place, value))
    return tuple(smallest[place] if place in smallest else _borrow(smallest, place) for place in range(_BINS))


def similarity(first: Sequence[int], second: Sequence[int]) -> float:
    """Estimated Jaccard similarity: the share of equal bins."""
    return sum(left == right for left, right in zip(first, second, strict=True)) / _BINS


def _borrow(smallest: dict[int, int], place: int) -> int:
    """The value of a full bin, chosen by the empty bin's number alone."""
    return next(smallest[other] for other in (_probe(place, n) for n in count()) if other in smallest)


@cache
def _probe(place: int, n: int) -> int:
    return _hash(f"{place} {n}") % _BINS


def _rows(threshold: float) -> int:
    """Most rows a band may have so that a pair at the threshold still shares a band."""
    return next(
        rows for rows in (32, 16, 8, 4, 2, 1) if rows == 1 or 1 - (1 - threshold**rows) ** (_BINS // rows) >= _RECALL
    )


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
