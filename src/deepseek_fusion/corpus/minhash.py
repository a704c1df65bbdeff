"""Near duplicates by MinHash and locality-sensitive hashing, many texts at once.

One permutation hashing (Li, Owen and Zhang 2012, arXiv 1208.1259) with optimal densification (Shrivastava 2017,
arXiv 1703.04664), of which 16 bits a bin are kept (b-bit minwise hashing, Li and König 2010, arXiv 0910.3349): each
5-gram is hashed once, a signature takes 256 bytes, and the same text has the same one in every process. Where the
estimate cannot tell on which side of the threshold a pair is, the 5-grams themselves are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.words import TEXT_BITS, Hashes, Places, Words, mixed

Signatures = npt.NDArray[np.uint16]
Scores = npt.NDArray[np.float64]

_BIN = 7  # bits
BINS = 1 << _BIN
Shingles = Callable[[Places], Iterator[Hashes]]
"""For the numbers of texts, in order, the set of 5-grams of each, as `shingles` has them."""

_RECALL = 0.99  # of pairs at the threshold
_SURE = 2.0  # standard errors of the estimate
_AT_ONCE = 4096  # pairs that are compared at a time
_COUNTED_AT_ONCE = 512  # whose 5-grams are in memory
_MOST = 4  # pairs of a text that are counted
_LONGEST = 1 << 13  # 5-grams of a text; with more, similarity is told to half a hundredth
_SINGLE, _PROBES = 3, 64  # turns in which one bin is asked, then so many at once


def signatures(words: Words, wanted: npt.NDArray[np.bool_] | None = None) -> Signatures:
    """[N, 128] for each text and bin the smallest hash of a 5-gram that falls into it; zeros for a text of no words.

    Args:
        wanted: [N] the texts whose signatures are asked for, others are not finished; all if absent.
    """
    fives, bits = words.fives, np.uint64(64 - TEXT_BITS - _BIN)  # by text and bin, in order
    smallest = fives[_firsts(fives >> bits)]
    cells = (smallest >> bits).astype(np.int64)
    values, full = np.zeros(words.size * BINS, np.uint16), np.zeros(words.size * BINS, np.bool_)
    values[cells], full[cells] = smallest.astype(np.uint16), True
    empty_NB = ~full.reshape(-1, BINS)
    empty_NB &= ~empty_NB.all(1, keepdims=True) if wanted is None else (wanted & ~empty_NB.all(1))[:, None]
    cells = np.flatnonzero(empty_NB)
    probe = 0
    while len(cells):
        # An empty bin borrows from a full one, by its own number alone; where most are empty, it asks many at once
        bins = cells & (BINS - 1)
        asked_PK = (cells - bins) + _asked(probe, 1 if probe < _SINGLE else _PROBES)[:, bins]
        full_PK = full.take(asked_PK)
        first, places = full_PK.argmax(0), np.arange(len(cells))
        found = full_PK[first, places]
        values[cells[found]] = values[asked_PK[first, places][found]]
        cells, probe = cells[~found], probe + len(asked_PK)
    return values.reshape(-1, BINS)


@cache
def _asked(probe: int, more: int) -> Places:
    """[P, 128] the bins that each bin asks in its next turns."""
    turns = np.arange(probe, probe + more)[:, None]
    return (mixed((np.arange(BINS) + BINS * turns).astype(np.uint64)) % BINS).astype(np.int64)


def shingles(words: Words) -> list[Hashes]:
    """The hashes of the different 5-grams of each text, in order; of a long text the smallest 8,192."""
    bits = np.uint64(64 - TEXT_BITS)
    grams = words.fives[_firsts(words.fives)]
    ends = np.searchsorted(grams, np.arange(1, words.size, dtype=np.uint64) << bits)
    parts = np.split(grams & ((np.uint64(1) << bits) - np.uint64(1)), ends)[: words.size]
    return [part[:_LONGEST] for part in parts]


def similarity(first: Signatures, second: Signatures) -> Scores:
    """Estimated Jaccard similarity of each pair: the share of equal bins."""
    equal: Scores = (first == second).mean(-1)
    return equal


def near_duplicates(signatures_NB: Signatures, threshold: float, shingles_of: Shingles) -> tuple[Places, Scores]:
    """For each text the most similar earlier one that stays, or -1, and the similarity.

    Where the similarity reaches the threshold, the text is a duplicate and does not stay. An estimate within two
    standard errors of the threshold decides nothing: the 5-grams do.

    Args:
        signatures_NB: of the texts in order.
        threshold: Jaccard similarity.
        shingles_of: asked for texts of pairs near the threshold.
    """
    nearest, best = np.full(len(signatures_NB), -1), np.zeros(len(signatures_NB))
    stays = np.ones(len(signatures_NB), bool)
    counting = _Counting(threshold, shingles_of)
    while True:
        # What one round takes away is no candidate in the next, which may find others for what is left.
        staying = np.flatnonzero(stays)
        texts, others, scores = _compared(signatures_NB, staying, _rows(threshold))
        scores = counting.settled(staying[texts], staying[others], scores)
        goes = np.zeros(len(staying), bool)
        alike = np.flatnonzero(scores >= threshold)
        for text, other in zip(texts[alike].tolist(), others[alike].tolist(), strict=True):  # in the order of the texts
            goes[text] |= not goes[other]
        rank = np.lexsort((scores, texts))
        rank = rank[~goes[others[rank]]]
        nearest[staying], best[staying] = -1, 0
        nearest[staying[texts[rank]]], best[staying[texts[rank]]] = staying[others[rank]], scores[rank]  # the last wins
        stays[staying[goes]] = False
        if not goes.any():
            # What went by a text that itself went in a later round is asked again; as pairs are of a text and earlier
            # ones, the first texts are settled first, and this ends
            back = ~stays & ~stays[nearest]
            if not back.any():
                return nearest, best
            stays |= back


def _compared(signatures_NB: Signatures, staying: Places, rows: int) -> tuple[Places, Places, Scores]:
    """Pairs (text, earlier text) that share a band, in order, as numbers among the staying ones, and the similarity."""
    pairs = np.zeros(0, np.int64)
    for start in range(0, BINS, rows):
        texts, others = _candidates(signatures_NB[staying, start : start + rows])
        pairs = np.union1d(pairs, texts * len(staying) + others)
    texts, others = np.divmod(pairs, max(1, len(staying)))
    scores = np.zeros(len(pairs))
    for place in range(0, len(pairs), _AT_ONCE):
        part = slice(place, place + _AT_ONCE)
        scores[part] = similarity(signatures_NB[staying[texts[part]]], signatures_NB[staying[others[part]]])
    return texts, others, scores


class _Counting:
    """Counts the 5-grams that two texts share, where the estimate says too little; of each pair once."""

    def __init__(self, threshold: float, shingles_of: Shingles) -> None:
        self.threshold, self.shingles_of = threshold, shingles_of
        self.unsure = _SURE * math.sqrt(threshold * (1 - threshold) / BINS)
        self.known: dict[tuple[int, int], float] = {}

    def settled(self, texts: Places, others: Places, scores: Scores) -> Scores:
        """The similarities of pairs in order; 0 where one near the threshold need not be known.

        That is so if the text has a pair well above it, or was counted with those that seem most alike.
        """
        near = abs(scores - self.threshold) <= self.unsure
        asked = np.flatnonzero(near & ~np.isin(texts, texts[scores > self.threshold + self.unsure]))
        asked = asked[np.lexsort((-scores[asked], texts[asked]))]
        firsts = _firsts(texts[asked])
        asked = asked[np.arange(len(asked)) - np.repeat(firsts, np.diff(firsts, append=len(asked))) < _MOST]
        pairs = list(zip(texts[asked].tolist(), others[asked].tolist(), strict=True))
        self._count([pair for pair in pairs if pair not in self.known])
        scores = np.where(near, 0, scores)
        scores[asked] = [self.known[pair] for pair in pairs]
        return scores

    def _count(self, pairs: Sequence[tuple[int, int]]) -> None:
        for place in range(0, len(pairs), _COUNTED_AT_ONCE):
            part = pairs[place : place + _COUNTED_AT_ONCE]
            numbers = np.unique(part)
            grams = dict(zip(numbers.tolist(), self.shingles_of(numbers), strict=True))
            for pair in part:
                both = np.sort(np.concatenate([grams[number] for number in pair]))
                # Of long texts the smallest hashes are a sample (Broder 1997), and of their union no more than those
                union = _firsts(both)[: _LONGEST + 1]
                times = np.diff(union, append=len(both) if len(union) <= _LONGEST else [])
                self.known[pair] = float(np.mean(times == 2)) if len(union) else 1.0


def _firsts(ordered: Hashes | Places) -> Places:
    """Where each value of an ordered table stands for the first time."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])


def _candidates(band_NR: Signatures) -> tuple[Places, Places]:
    """Pairs (text, earlier text) with equal values in a band: each with the first of its kind and the one before."""
    keys = np.zeros(len(band_NR), np.uint64)
    for column in band_NR.T:
        keys = mixed(keys ^ column.astype(np.uint64)) + np.uint64(1)
    # The number of each text in the last bits: to sort values is several times faster than to sort places by them
    bits = np.uint64(len(keys).bit_length())
    packed = np.sort((keys >> bits << bits) | np.arange(len(keys), dtype=np.uint64))
    ordered = packed >> bits
    order = (packed ^ (ordered << bits)).astype(np.int64)
    begins = np.concatenate((np.ones(min(1, len(keys)), bool), ordered[1:] != ordered[:-1]))
    first = np.maximum.accumulate(np.where(begins, np.arange(len(keys)), 0))
    later = np.flatnonzero(~begins)
    texts = np.concatenate((order[later], order[later]))
    return texts, np.concatenate((order[first[later]], order[later - 1]))


def _rows(threshold: float) -> int:
    """Most rows a band may have so that a pair at the threshold still shares a band."""
    return next(
        rows for rows in (32, 16, 8, 4, 2, 1) if rows == 1 or 1 - (1 - threshold**rows) ** (BINS // rows) >= _RECALL
    )
