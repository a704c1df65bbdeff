"""The domain level: how much of what a text says is in the words of the domain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.documents import Document, Level
from deepseek_fusion.corpus.features import BITS, MOST_TIMES
from deepseek_fusion.corpus.filters.base import Batch, Filter, Reason
from deepseek_fusion.knowledge.language import language_of

_AT_ONCE = 2000

Weights = npt.NDArray[np.float64]


class Frequencies:
    """In how many texts each feature occurs: a word, or a pair or triple of Han characters."""

    def __init__(self) -> None:
        self.texts = 0
        self.counts = np.zeros(1 << BITS, np.int32)

    def add(self, batch: Batch) -> None:
        """Count more texts."""
        self.texts += len(batch)
        features, times = np.unique(batch.features.numbers, return_counts=True)
        self.counts[features] += times

    @classmethod
    def of(cls, texts: Sequence[str]) -> Frequencies:
        """Count texts."""
        found = cls()
        for start in range(0, len(texts), _AT_ONCE):
            found.add(Batch([Document("", text) for text in texts[start : start + _AT_ONCE]]))
        return found

    def weights(self) -> npt.NDArray[np.float32]:
        """The weight of each feature: the rarer the higher (IDF as in BM25, Robertson and Zaragoza 2009)."""
        counts = np.arange(self.texts + 1)  # few beside the features
        weights = np.log1p((self.texts - counts + 0.5) / (counts + 0.5), dtype=np.float32)
        return weights.take(self.counts)


class OffDomain(Filter):
    """Texts too little of whose TF-IDF vector lies along the domain's features.

    Args:
        terms: names and synonyms of the domain; each of their features belongs to it.
        seeds: texts of the domain; a feature belongs to it as far as it is more frequent there than in the corpus.
        corpus: frequencies in the corpus itself.
        threshold: cosine between the vector and the domain's part of it.
    """

    name: ClassVar[str] = "off_domain"
    level: ClassVar[Level] = "domain"

    def __init__(self, terms: Sequence[str], seeds: Sequence[str], corpus: Frequencies, threshold: float) -> None:
        self.threshold = threshold
        self.last: tuple[Batch, Weights] | None = None
        self.languages = {language_of(text) for text in (*terms, *seeds)}
        belongs: Weights | npt.NDArray[np.bool_] = Frequencies.of(terms).counts > 0
        if seeds:
            known = Frequencies.of(seeds)
            here, there = known.counts / known.texts, corpus.counts / max(1, corpus.texts)
            belongs = np.maximum(belongs, np.where(here > 0, here / np.maximum(here + there, 1e-12), 0))
        # [F] square of each feature's weight and of its part in the domain, as one complex number: to fetch takes time
        self.squares = np.empty(len(belongs), np.complex64)
        self.squares.real = corpus.weights() ** 2
        self.squares.imag = self.squares.real * (belongs * belongs)

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Compare the relevance of each text whose language the domain's words are in."""
        return [
            Reason(f"relevance {score:.2f}, less than {self.threshold:g}", float(score))
            if score < self.threshold
            else None
            for score in self.scores(batch)
        ]

    def scores(self, batch: Batch) -> Weights:
        """[N] relevance from 0 to 1; NaN where the domain has no words of the language."""
        if self.last is None or self.last[0] is not batch:  # asked for the reasons, and for the columns
            self.last = batch, self._scores(batch)
        return self.last[1]

    def _scores(self, batch: Batch) -> Weights:
        features = batch.features
        squares = self.squares.take(features.numbers)
        squares *= _frequencies()[features.times]
        sums = np.zeros(len(batch), np.complex64)
        some = np.flatnonzero(features.counts)
        if len(some):
            sums[some] = np.add.reduceat(squares, (np.cumsum(features.counts) - features.counts)[some])
        scores: Weights = np.sqrt(sums.imag / np.maximum(sums.real, 1e-12), dtype=np.float64)
        unknown = [language not in self.languages for language in batch.languages]
        scores[unknown] = np.nan
        return scores


@cache
def _frequencies() -> npt.NDArray[np.float32]:
    """Squares of how much more a feature counts that occurs so many times in a text."""
    frequencies: npt.NDArray[np.float32] = (1 + np.log(np.arange(MOST_TIMES + 1).clip(1), dtype=np.float32)) ** 2
    return frequencies
