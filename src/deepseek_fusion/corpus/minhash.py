"""Near duplicates by MinHash and locality-sensitive hashing, many texts at once.

One permutation hashing (Li, Owen and Zhang 2012, arXiv 1208.1259) with optimal densification (Shrivastava 2017,
arXiv 1703.04664), of which 16 bits a bin are kept (b-bit minwise hashing, Li and König 2010, arXiv 0910.3349): each
5-gram is hashed once, a signature takes 256 bytes, and the same text has the same one in every process.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.words import TEXT_BITS, Places, Words, mixed

Signatures = npt.NDArray[np.uint16]

_BIN = 7  # bits
BINS = 1 << _BIN
_RECALL = 0.99  # of pairs at the threshold
_AT_ONCE = 4096  # pairs that are compared at a time
_PROBES = 64  # at once


def signatures(words: Words) -> Signatures:
    """[N, 128] for each text and bin the smallest hash of a 5-gram that falls into it; zeros for a text of no words."""
    fives, bits = words.fives, np.uint64(64 - TEXT_BITS - _BIN)  # by text and bin, in order
    smallest = fives[np.flatnonzero(np.append(True, (fives[1:] ^ fives[:-1]) >> bits)[: len(fives)])]
    cells = (smallest >> bits).astype(np.int64)
    values_NB = np.zeros((words.size, BINS), np.uint16)
    full_NB = np.zeros((words.size, BINS), np.bool_)
    values_NB.reshape(-1)[cells] = smallest.astype(np.uint16)
    full_NB.reshape(-1)[cells] = True
    rows, bins = np.nonzero(~full_NB & full_NB.any(1, keepdims=True))
    probe, more = 0, 1
    while len(rows):
        # An empty bin borrows from a full one, by its own number alone; the fewer still ask, the more at once
        probes = np.arange(probe, probe + more)[:, None]
        chosen_PK = (mixed((bins + BINS * probes).astype(np.uint64)) % BINS).astype(np.int64)
        full_PK = full_NB.reshape(-1).take(rows * BINS + chosen_PK)
        first, found = full_PK.argmax(0), full_PK.any(0)
        chosen = chosen_PK[first, np.arange(len(rows))][found]
        values_NB[rows[found], bins[found]] = values_NB[rows[found], chosen]
        rows, bins, probe, more = rows[~found], bins[~found], probe + more, min(2 * more, _PROBES)
    return values_NB


def similarity(first: Signatures, second: Signatures) -> npt.NDArray[np.float64]:
    """Estimated Jaccard similarity of each pair: the share of equal bins."""
    equal: npt.NDArray[np.float64] = (first == second).mean(-1)
    return equal


def near_duplicates(signatures_NB: Signatures, threshold: float) -> tuple[Places, npt.NDArray[np.float64]]:
    """For each text the most similar earlier one that stays, or -1, and the similarity.

    Where the similarity reaches the threshold, the text is a duplicate and does not stay.

    Args:
        signatures_NB: of the texts in order.
        threshold: estimated Jaccard similarity.
    """
    nearest, best = np.full(len(signatures_NB), -1), np.zeros(len(signatures_NB))
    staying = np.arange(len(signatures_NB))
    while True:
        # What one round takes away is no candidate in the next, which may find others for what is left.
        texts, others, scores = _compared(signatures_NB, staying, _rows(threshold))
        goes = np.zeros(len(staying), bool)
        alike = np.flatnonzero(scores >= threshold)
        for text, other in zip(texts[alike].tolist(), others[alike].tolist(), strict=True):  # in the order of the texts
            goes[text] |= not goes[other]
        rank = np.lexsort((scores, texts))
        rank = rank[~goes[others[rank]]]
        nearest[staying], best[staying] = -1, 0
        nearest[staying[texts[rank]]], best[staying[texts[rank]]] = staying[others[rank]], scores[rank]  # the last wins
        if not goes.any():
            return nearest, best
        staying = staying[~goes]


def _compared(signatures_NB: Signatures, staying: Places, rows: int) -> tuple[Places, Places, npt.NDArray[np.float64]]:
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
