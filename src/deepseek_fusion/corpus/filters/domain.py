"""The domain level: how much of what a text says is in the words of the domain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.documents import Level
from deepseek_fusion.corpus.filters.base import Batch, Filter, Reason
from deepseek_fusion.corpus.words import Hashes, Places, Words, mixed
from deepseek_fusion.knowledge.language import language_of

_BITS = 22  # features are told apart by so many bits of their hash
_AT_ONCE = 2000
_BIGRAM, _TRIGRAM = np.uint64(0x9FB21C651E98DF25), np.uint64(0xD6E8FEB86659FD93)

_GRAMMAR = (
    "a about above after again all also although am among an and any are as at be because been before being below "
    "between both but by can could did do does doing done down due during each either else ever every few for from "
    "further get had has have having he her here hers him his how however i if in into is it its just least less like "
    "many may me might more most much must my near neither never no nor not now of off often on once one only or other "
    "our out over own per quite rather same several shall she should since so some still such than that the their them "
    "then there these they this those through thus to too toward two under until up upon us very via was we were what "
    "when where whether which while who whom whose why will with within without would yet you your"
)

Weights = npt.NDArray[np.float64]


class Frequencies:
    """In how many texts each feature occurs: a word, or a pair or triple of Han characters."""

    def __init__(self) -> None:
        self.texts = 0
        self.counts: Weights = np.zeros(1 << _BITS)

    def add(self, words: Words) -> None:
        """Count more texts."""
        features, _, _ = counted(words)
        self.texts += len(words.counts)
        np.add.at(self.counts, features, 1)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Frequencies:
        """Count texts."""
        found = cls()
        for start in range(0, len(texts), _AT_ONCE):
            found.add(Words(texts[start : start + _AT_ONCE]))
        return found

    def weights(self) -> Weights:
        """The weight of each feature: the rarer the higher (IDF as in BM25, Robertson and Zaragoza 2009)."""
        return np.log1p((self.texts - self.counts + 0.5) / (self.counts + 0.5))


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
        self.weights = corpus.weights()
        self.languages = {language_of(text) for text in (*terms, *seeds)}
        self.belongs: Weights = (Frequencies.of(terms).counts > 0).astype(float)
        if seeds:
            known = Frequencies.of(seeds)
            here, there = known.counts / known.texts, corpus.counts / max(1, corpus.texts)
            self.belongs = np.maximum(self.belongs, np.where(here > 0, here / np.maximum(here + there, 1e-12), 0))

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
        features, text, times = counted(batch.words)
        weight = (1 + np.log(times)) * self.weights[features]
        size = len(batch.documents)
        whole = np.bincount(text, weight**2, size)
        inside = np.bincount(text, (weight * self.belongs[features]) ** 2, size)
        scores: Weights = np.sqrt(inside / np.maximum(whole, 1e-12))
        unknown = [language not in self.languages for language in batch.words.languages]
        scores[unknown] = np.nan
        return scores


def counted(words: Words) -> tuple[Places, Places, Places]:
    """Each feature of each text once: its number, its text, and how often it occurs there."""
    hashes, text = _features(words)
    keys = (text.astype(np.uint64) << np.uint64(_BITS)) | (hashes >> np.uint64(64 - _BITS))
    keys, times = np.unique(keys, return_counts=True)
    return (keys & np.uint64((1 << _BITS) - 1)).astype(np.int64), (keys >> np.uint64(_BITS)).astype(np.int64), times


@cache
def _grammar() -> Hashes:
    return Words([_GRAMMAR]).hashes


def _features(words: Words) -> tuple[Hashes, Places]:
    """Words that are neither numbers nor of grammar; of Han characters, which alone say little, pairs and triples."""
    plain = ~words.is_han & ~words.is_number & ~np.isin(words.hashes, _grammar())
    # [T] whether a word and the one after it are Han and stand together
    pair = np.zeros(len(words.hashes), bool)
    pair[:-1] = words.is_han[:-1] & words.is_han[1:] & words.follows[1:] & (words.text[:-1] == words.text[1:])
    triple = np.zeros(len(words.hashes), bool)
    triple[:-1] = pair[:-1] & pair[1:]
    twos, threes = np.flatnonzero(pair), np.flatnonzero(triple)
    pairs = mixed(words.hashes[twos] * _BIGRAM + words.hashes[twos + 1])
    triples = (words.hashes[threes] * _BIGRAM + words.hashes[threes + 1]) * _TRIGRAM + words.hashes[threes + 2]
    hashes = np.concatenate((words.hashes[plain], pairs, mixed(triples)))
    return hashes, np.concatenate((words.text[plain], words.text[twos], words.text[threes]))
