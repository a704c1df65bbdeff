"""What all filters share: the texts they look at, and that a decision comes with its reason."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.documents import Document, Level, Rejected
from deepseek_fusion.corpus.features import Features, features_of
from deepseek_fusion.corpus.words import TEXT_BITS, Words
from deepseek_fusion.knowledge.language import Language

_DIGEST = 16  # bytes
_FEWEST = 20  # 5-grams: below, one repeated line is the half of a text


class Batch:
    """Documents that follow each other, and what several filters want to know of them.

    Args:
        documents: in order.
        first: number of the first one among all documents.

    Attributes:
        judged: filter of the semantic level -> [N] its probabilities, once it was asked.
    """

    def __init__(self, documents: Sequence[Document], first: int = 0) -> None:
        self._documents = documents
        self.first = first
        self.judged: dict[str, npt.NDArray[np.float64]] = {}

    def __len__(self) -> int:
        """How many documents."""
        return len(self._documents)

    @cached_property
    def documents(self) -> Sequence[Document]:
        """In order."""
        return self._documents

    def some(self, numbers: Sequence[int]) -> list[Document]:
        """A few of them."""
        return [self.documents[number] for number in numbers]

    @cached_property
    def places(self) -> list[str]:
        """Where each comes from."""
        return [document.place for document in self.documents]

    @cached_property
    def words(self) -> Words:
        """Their words."""
        return Words([document.text for document in self.documents])

    @cached_property
    def characters(self) -> list[int]:
        """How many characters each has, spaces aside."""
        counts: list[int] = self.words.visible.tolist()
        return counts

    @cached_property
    def repetition(self) -> npt.NDArray[np.float64]:
        """[N] share of the 5-grams of each that stood in it before; 0 for a text of few words."""
        fives = self.words.fives
        again = fives[1:][fives[1:] == fives[:-1]]
        repeated = np.bincount((again >> np.uint64(64 - TEXT_BITS)).astype(np.int64), minlength=len(self))
        grams = np.maximum(self.words.counts - 4, self.words.counts > 0)
        share: npt.NDArray[np.float64] = np.where(grams < _FEWEST, 0, repeated / np.maximum(grams, 1))
        return share

    @cached_property
    def digests(self) -> list[bytes]:
        """Equal for texts that differ in case, width of characters and spaces at most."""
        return [sha256(text).digest()[:_DIGEST] for text in self.words.folded]

    @cached_property
    def languages(self) -> list[Language]:
        """The language of each."""
        return self.words.languages

    @cached_property
    def features(self) -> Features:
        """What the domain level sees of each."""
        return features_of(self.words)


@dataclass(frozen=True)
class Reason:
    """Why a document must go, and the score that fell short if the filter has a threshold."""

    text: str
    score: float | None = None


class Filter(ABC):
    """Says which documents must go and why. Keeping, counting and showing what was rejected is done elsewhere, once."""

    name: ClassVar[str]
    level: ClassVar[Level] = "basic"

    @abstractmethod
    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """For each document of the batch why it must go, or None to keep it; batches come in order."""


def sift(batch: Batch, filters: Sequence[Filter]) -> list[Rejected | None]:
    """For each document its rejection by the first filter that has a reason, or None."""
    found: list[Rejected | None] = [None] * len(batch)
    reasons: dict[int, tuple[Filter, Reason]] = {}
    for each in filters:
        for number, reason in enumerate(each.reasons(batch)):
            if reason is not None:
                reasons.setdefault(number, (each, reason))
    for document, (number, (each, reason)) in zip(batch.some(list(reasons)), reasons.items(), strict=True):
        found[number] = document.rejected(each.name, reason.text, each.level, reason.score)
    return found
