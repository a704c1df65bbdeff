"""What the domain level sees of a text: its words, and pairs and triples of Han characters, each as a number."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.words import Hashes, Known, Places, Words, mixed

BITS = 22
"""Features are told apart by so many bits of their hash."""
_TIMES = 32 - BITS  # bits
MOST_TIMES = (1 << _TIMES) - 1
"""More often than that no feature counts in a text."""
_BIGRAM, _TRIGRAM = np.uint64(0x9FB21C651E98DF25), np.uint64(0xD6E8FEB86659FD93)

Keys = npt.NDArray[np.unsignedinteger[Any]]

_GRAMMAR = (
    "a about above after again all also although am among an and any are as at be because been before being below "
    "between both but by can could did do does doing done down due during each either else ever every few for from "
    "further get had has have having he her here hers him his how however i if in into is it its just least less like "
    "many may me might more most much must my near neither never no nor not now of off often on once one only or other "
    "our out over own per quite rather same several shall she should since so some still such than that the their them "
    "then there these they this those through thus to too toward two under until up upon us very via was we were what "
    "when where whether which while who whom whose why will with within without would yet you your"
)


class Features(NamedTuple):
    """The features of texts, one text after another, each of a text once.

    Attributes:
        table: [F] the number of each and, in the last bits, how often it occurs there.
        counts: [N] how many each text has.
    """

    table: npt.NDArray[np.uint32]
    counts: Places

    @property
    def numbers(self) -> Places:
        """[F] the number of each."""
        return (self.table >> np.uint32(_TIMES)).astype(np.int64)

    @property
    def times(self) -> npt.NDArray[np.uint32]:
        """[F] how often each occurs in its text, up to `MOST_TIMES`."""
        return self.table & np.uint32(MOST_TIMES)


def features_of(words: Words) -> Features:
    """All features of texts."""
    keys = np.sort(_features(words))
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    times = np.minimum(np.diff(first, append=len(keys)), MOST_TIMES).astype(np.uint32)
    keys = keys[first]
    ends = np.searchsorted(keys, np.arange(1, words.size + 1, dtype=np.uint64) << np.uint64(BITS))
    return Features(keys.astype(np.uint32) << np.uint32(_TIMES) | times, np.diff(ends, prepend=0))


@cache
def _grammar() -> Known:
    return Known(_GRAMMAR.split())


def _features(words: Words) -> Keys:
    """Words that are neither numbers nor of grammar; of Han characters, which alone say little, pairs and triples."""
    plain = ~(words.is_han | words.is_number)
    plain[_grammar().among(words.hashes)[0]] = False
    singles = _keys(words, words.hashes, words.text)[plain]
    # [T] whether a word and the one after it are Han and stand together
    pair = np.zeros(len(words.hashes), bool)
    pair[:-1] = words.is_han[:-1] & words.is_han[1:] & words.follows[1:] & (words.text[:-1] == words.text[1:])
    triple = np.zeros(len(words.hashes), bool)
    triple[:-1] = pair[:-1] & pair[1:]
    twos, threes = np.flatnonzero(pair), np.flatnonzero(triple)
    pairs = mixed(words.hashes[twos] * _BIGRAM + words.hashes[twos + 1])
    triples = (words.hashes[threes] * _BIGRAM + words.hashes[threes + 1]) * _TRIGRAM + words.hashes[threes + 2]
    others = (_keys(words, hashes, words.text[places]) for hashes, places in ((pairs, twos), (mixed(triples), threes)))
    return np.concatenate((singles, *others))


def _keys(words: Words, hashes: Hashes, text: Places) -> Keys:
    """The number of a text and, in the last bits, that of a feature: in 32 bits if it fits, sorted in half the time."""
    kind = np.uint32 if words.size <= 1 << 32 - BITS else np.uint64
    first = np.left_shift(text.astype(kind), kind(BITS), dtype=kind)
    keys: Keys = np.bitwise_or(first, (hashes >> np.uint64(64 - BITS)).astype(kind), dtype=kind)
    return keys
