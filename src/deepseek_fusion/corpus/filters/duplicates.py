"""Filters of the basic level that compare a text with the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.filters.base import Batch, Filter, Reason
from deepseek_fusion.corpus.minhash import Shingles, Signatures, near_duplicates


class ExactDuplicate(Filter):
    """Texts that are equal but for case, width of characters and spaces."""

    name: ClassVar[str] = "exact_duplicate"

    def __init__(self) -> None:
        self.seen: dict[bytes, str] = {}

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Name the first document with the same text."""
        return [self._earlier(digest, place) for digest, place in zip(batch.digests, batch.places, strict=True)]

    def _earlier(self, digest: bytes, place: str) -> Reason | None:
        first = self.seen.setdefault(digest, place)
        return None if first is place else Reason(f"same text as {first}")


class NearDuplicate(Filter):
    """Texts most of whose word 5-grams (Chinese: character 5-grams) occur in an earlier one that stays.

    Args:
        signatures_NB: of all documents in order.
        places: of all documents, to name them.
        threshold: Jaccard similarity.
        shingles_of: 5-grams of documents by their numbers, asked for where signatures cannot decide.
    """

    name: ClassVar[str] = "near_duplicate"

    def __init__(
        self, signatures_NB: Signatures, places: Sequence[str], threshold: float, shingles_of: Shingles
    ) -> None:
        self.threshold = threshold
        self.places = places
        self.nearest, self.similarity = near_duplicates(signatures_NB, threshold, shingles_of)

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Name the most similar earlier document."""
        numbers = range(batch.first, batch.first + len(batch))
        return [self._earlier(number, self.similarity[number]) for number in numbers]

    def _earlier(self, number: int, score: float) -> Reason | None:
        if score < self.threshold:
            return None
        return Reason(f"similarity {score:.2f} to {self.places[self.nearest[number]]}", float(score))

    def scores(self, batch: Batch) -> npt.NDArray[np.float64]:
        """The similarity of each document of the batch to the most similar earlier one."""
        return self.similarity[batch.first : batch.first + len(batch)]
