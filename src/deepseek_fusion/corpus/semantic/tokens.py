"""The tokens of many short texts at once, as numbers that a small network reads.

Unlike the words of `corpus.words`, these keep case, punctuation and line breaks: a menu, a torn sentence or a garbled
line differs from prose in little else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.words import Hashes, Places, kinds, mixed

BUCKETS = 1 << 16
"""Rows of the table of embeddings; what falls into the same row is not told apart."""
FEATURES = 4
"""A token is the sum of so many rows: itself, its beginning, its end (of a Han character the pairs), its shape."""

_LINE, _BETWEEN = "\ue000", "\ue001"  # private use: `Damaged` turns texts away that hold more than a few
_LETTER, _HAN, _DIGIT, _MARK = 1, 2, 3, 4
_BEGIN, _END, _SHAPE, _STEM = (np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64) for salt in (3, 5, 7, 11))
_STEM_LETTERS = 5
_LONGEST = 12  # tokens longer than this have one shape
_BASE = np.uint64(0x9E3779B97F4A7C15)
_TOLD_APART = 64  # characters of a token whose place counts
_SPAN = 1 << 15  # characters whose sums fit into the cache

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Tokens:
    """The tokens of texts, one text after another.

    Attributes:
        ids: [T, 4] rows of the table of embeddings.
        text: [T] number of the text that each token stands in.
        counts: [N] number of tokens of each text.
        keys: [T, 2] what two tokens share that mean the same: a stem, of Han characters the pairs; 0 is none.
        is_word: [T] whether it is neither a mark nor a line break.
        is_line: [T] whether it is a line break.
        is_digit: [T] whether it is a number.
        is_name: [T] whether it begins with a capital and is not the first of its text.
        is_stop: [T] whether it ends a sentence or line.
        is_han: [T] whether it is a Han character.
        lengths: [T] characters of each.
    """

    def __init__(self, texts: Sequence[str], most: int, last: int = 0) -> None:
        codes = _codes(texts, most)
        kind = kinds()[np.minimum(codes, len(kinds()) - 1)]
        is_space = np.isin(codes, _spaces())
        kind = np.where((kind == 0) & ~is_space & (codes != ord(_BETWEEN)), np.uint8(_MARK), kind)
        starts, ends = _borders(kind)
        text = np.searchsorted(np.flatnonzero(codes == ord(_BETWEEN)), starts)
        wanted = _within(text, len(texts), most, last)
        starts, ends, self.text = starts[wanted], ends[wanted], text[wanted]
        self.counts: Places = np.bincount(self.text, minlength=len(texts))
        kind = kind[starts]
        lower = _lower()[np.minimum(codes, 0xFFFF)]
        lower = np.where(codes > 0xFFFF, codes, lower).astype(np.uint32)
        self.is_han, self.is_digit = kind == _HAN, kind == _DIGIT
        self.is_word, self.is_line = kind != _MARK, codes[starts] == ord(_LINE)
        self.lengths: Places = ends - starts + 1
        self.is_stop = np.isin(codes[starts], _stops())
        self.is_capital = lower[starts] != codes[starts]
        first = np.ones(len(starts), bool)
        first[1:] = self.text[1:] != self.text[:-1]
        self.is_name = self.is_capital & ~first
        self._number(lower, starts, ends, lower[ends] != codes[ends])

    def _number(self, lower: npt.NDArray[np.uint32], starts: Places, ends: Places, all_capital: Flags) -> None:
        whole = _hashes(lower, starts, ends)
        follows = np.zeros(len(starts), bool)
        if len(starts):
            follows[1:] = self.is_han[1:] & self.is_han[:-1] & (starts[1:] == ends[:-1] + 1)
        pair = np.zeros(len(starts), np.uint64)  # with the character before
        pair[1:] = np.where(follows[1:], mixed(whole[:-1] * _BEGIN + whole[1:]), np.uint64(0))
        after = np.append(pair[1:], np.uint64(0))[: len(pair)]
        begin = _hashes(lower, starts, np.minimum(starts + 2, ends)) * _BEGIN
        end = _hashes(lower, np.maximum(ends - 2, starts), ends) * _END
        length = np.minimum(ends - starts + 1, _LONGEST)
        shape = (
            self.is_han + 2 * self.is_digit + 4 * self.is_capital + 8 * all_capital + 16 * self.is_word + 32 * length
        )
        rows = [whole, np.where(self.is_han, after, begin), np.where(self.is_han, pair, end)]
        rows.append((shape.astype(np.uint64) + np.uint64(1)) * _SHAPE)
        self.ids: Ids = np.stack([mixed(row) % np.uint64(BUCKETS) for row in rows], axis=1).astype(np.int64)
        stem = mixed(_hashes(lower, starts, np.minimum(starts + _STEM_LETTERS - 1, ends)) ^ _STEM)
        alone = self.is_han & (pair == 0) & (after == 0)
        first = np.where(self.is_han & ~alone, after, stem)
        second = np.where(self.is_han & ~alone, pair, np.uint64(0))
        self.keys: Hashes = np.stack([first, second], axis=1) * self.is_word[:, None]


def _codes(texts: Sequence[str], most: int) -> npt.NDArray[np.uint32]:
    """Code points of all texts, one mark between each two; of a long text only what holds enough tokens."""
    reach = 16 * most
    cut = (text if len(text) <= 2 * reach else f"{text[:reach]}\n{text[-reach:]}" for text in texts)
    marked = (unicodedata.normalize("NFKC", text).replace("\n", _LINE).replace(_BETWEEN, _LINE) for text in cut)
    return np.frombuffer(_BETWEEN.join(marked).encode("utf-32-le", "surrogatepass"), np.uint32)


def _borders(kind: npt.NDArray[np.uint8]) -> tuple[Places, Places]:
    """Where tokens start and end: letters and digits stand together, all else alone."""
    before = np.concatenate((np.zeros(1, np.uint8), kind[:-1]))
    after = np.concatenate((kind[1:], np.zeros(1, np.uint8)))
    alone = (kind == _HAN) | (kind == _MARK)
    is_start = (kind > 0) & (alone | (before != kind))
    is_end = (kind > 0) & (alone | (after != kind))
    return np.flatnonzero(is_start), np.flatnonzero(is_end)


def _within(text: Places, size: int, most: int, last: int) -> Flags:
    """The first tokens of each text, and the last ones of it, of so many in all."""
    counts = np.bincount(text, minlength=size)
    place = np.arange(len(text)) - (np.cumsum(counts) - counts)[text]
    return (place < most - last) | (place >= counts[text] - last)


@cache
def _lower() -> npt.NDArray[np.uint32]:
    lowered = (chr(code).lower() if not 0xD800 <= code < 0xE000 else chr(code) for code in range(1 << 16))
    return np.array([ord(found) if len(found) == 1 else code for code, found in enumerate(lowered)], np.uint32)


@cache
def _spaces() -> npt.NDArray[np.uint32]:
    return np.array([code for code in range(1 << 16) if chr(code).isspace()], np.uint32)


@cache
def _stops() -> npt.NDArray[np.uint32]:
    return np.array([ord(mark) for mark in f".!?。;{_LINE}"], np.uint32)


def _hashes(codes: npt.NDArray[np.uint32], starts: Places, ends: Places) -> Hashes:
    """A polynomial of the characters of each token, which the packaged judge was trained with.

    It is the difference of two sums over all characters so far, divided by the power that the token begins with.
    """
    hashes = np.zeros(len(starts), np.uint64)
    powers, inverses = _powers()
    lasts = np.minimum(ends, starts + _TOLD_APART - 1)
    parts = np.searchsorted(starts, np.arange(0, len(codes) + _SPAN, _SPAN))
    for number, (first, stop) in enumerate(pairwise(parts.tolist())):
        begin = number * _SPAN
        letters = codes[begin : begin + _SPAN + _TOLD_APART].astype(np.uint64)
        letters += np.uint64(1)
        letters *= powers[: len(letters)]
        sums = np.zeros(len(letters) + 1, np.uint64)
        np.cumsum(letters, out=sums[1:])
        begins = starts[first:stop] - begin
        hashes[first:stop] = (sums[lasts[first:stop] + 1 - begin] - sums[begins]) * inverses[begins]
    is_long = ends > lasts
    hashes[is_long] = _long_hashes(codes, starts[is_long], ends[is_long])
    return mixed(hashes)


def _long_hashes(codes: npt.NDArray[np.uint32], starts: Places, ends: Places) -> Hashes:
    """The same of tokens with more characters than are told apart by their place."""
    if not len(starts):
        return np.zeros(0, np.uint64)
    lengths = ends - starts + 1
    offsets = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) - np.repeat(offsets, lengths)
    letters = codes[np.repeat(starts, lengths) + within].astype(np.uint64) + np.uint64(1)
    return np.add.reduceat(letters * _powers()[0][within % _TOLD_APART], offsets)


@cache
def _powers() -> tuple[Hashes, Hashes]:
    """The powers of the base from the first, and those of its inverse from the zeroth."""
    powers = np.full(_SPAN + _TOLD_APART, _BASE)
    inverses = np.full(_SPAN + _TOLD_APART, pow(int(_BASE), -1, 1 << 64), np.uint64)
    inverses[0] = 1
    return np.multiply.accumulate(powers), np.multiply.accumulate(inverses)
