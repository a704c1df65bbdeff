"""The words of many texts at once, as numbers.

What counts as a word is what `knowledge.language.tokens` says: case-folded runs of letters and digits, and each Han
character by itself. The numbers are the same in every process and on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from deepseek_fusion.knowledge.language import HAN, LETTERS_PER_HAN, Language, fold

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

_BETWEEN = "\x1e"  # record separator: no word holds it
_LAST = 0x40000  # no letter lies beyond
_LETTER, _HAN_CHARACTER, _DIGIT = 1, 2, 3
_BASE = np.uint64(0x9E3779B97F4A7C15)
_LONGEST = 64  # characters of a word that are told apart by their place
_SPAN = 1 << 15  # characters whose sums fit into the cache


class Words:
    """The words of a batch of texts, one text after another.

    Attributes:
        hashes: [T] 64-bit hash of each word.
        text: [T] number of the text that each word stands in.
        counts: [N] number of words of each text.
        folded: the texts as words were looked for in them.
        is_han: [T] whether a word is a Han character.
        is_number: [T] whether it begins with a digit.
        follows: [T] whether nothing stands between it and the word before.
        codes: the code points of all texts, one between each two.
        letters: places of letters that are not Han among them.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        folded = [fold(text) for text in texts]  # which takes record separators for spaces
        joined = _BETWEEN.join(folded)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        kind = kinds()[np.minimum(codes, _LAST)]
        starts, ends = _borders(kind)
        borders = np.flatnonzero(codes == ord(_BETWEEN))
        self.folded = folded
        self.hashes = hashes_of(codes, starts, ends)
        self.codes, self.borders = codes, borders
        self.size = len(texts)
        self.counts: Places = self._counts(starts)
        self.text: Places = np.repeat(np.arange(self.size), self.counts)
        self.is_han = kind[starts] == _HAN_CHARACTER
        self.is_number = kind[starts] == _DIGIT
        self.letters = np.flatnonzero(kind == _LETTER)
        self.follows = np.zeros(len(starts), bool)
        self.follows[1:] = starts[1:] == ends[:-1] + 1

    def text_at(self, places: Places) -> Places:
        """The text that each place among the code points is in."""
        return np.searchsorted(self.borders, places)

    def _counts(self, places: Places) -> Places:
        """[N] how many of the places among the code points, which are in order, each text has."""
        ends = np.append(np.searchsorted(places, self.borders), len(places))[: self.size]
        return np.diff(ends, prepend=0)

    @cached_property
    def languages(self) -> list[Language]:
        """What `language_of` says of each text."""
        letters = self._counts(self.letters)
        han = np.bincount(self.text[self.is_han], minlength=self.size)
        return ["zh" if is_han else "en" for is_han in han * LETTERS_PER_HAN > letters]

    @cached_property
    def place(self) -> Places:
        """[T] number of each word in its text."""
        first = np.cumsum(self.counts) - self.counts
        return np.arange(len(self.hashes)) - first[self.text]

    def grams(self, length: int) -> tuple[Hashes, Places]:
        """Hashes of all runs of so many words, and the text of each; a shorter text is one run as a whole."""
        total, count = mixed(self.hashes), len(self.hashes)
        for step in range(1, length):
            reach = max(0, count - step)
            total *= _BASE
            total[:reach] += np.where(self.text[step:] == self.text[:reach], self.hashes[step:], np.uint64(0))
        wanted = self.place <= np.maximum(self.counts[self.text] - length, 0)
        return mixed(total[wanted]), self.text[wanted]


def mixed(values: Hashes) -> Hashes:
    """Each value spread over all 64 bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _borders(kind: npt.NDArray[np.uint8]) -> tuple[Places, Places]:
    """Where words start and end: a Han character is a word, other letters stand together."""
    before = np.concatenate((np.zeros(1, np.uint8), kind[:-1]))
    after = np.concatenate((kind[1:], np.zeros(1, np.uint8)))
    is_han, is_in = kind == _HAN_CHARACTER, kind > 0
    is_start = is_in & (is_han | (before == 0) | (before == _HAN_CHARACTER))
    is_end = is_in & (is_han | (after == 0) | (after == _HAN_CHARACTER))
    return np.flatnonzero(is_start), np.flatnonzero(is_end)


def hashes_of(codes: npt.NDArray[np.uint32], starts: Places, ends: Places) -> Hashes:
    """A polynomial of the characters of each word.

    It is the difference of two sums over all characters so far, divided by the power that the word begins with.
    """
    hashes = np.zeros(len(starts), np.uint64)
    powers, inverses = _powers()
    lasts = np.minimum(ends, starts + _LONGEST - 1)
    parts = np.searchsorted(starts, np.arange(0, len(codes) + _SPAN, _SPAN))
    for number, (first, stop) in enumerate(pairwise(parts.tolist())):
        begin = number * _SPAN
        letters = codes[begin : begin + _SPAN + _LONGEST].astype(np.uint64) + np.uint64(1)
        sums = np.zeros(len(letters) + 1, np.uint64)
        np.cumsum(letters * powers[: len(letters)], out=sums[1:])
        begins = starts[first:stop] - begin
        hashes[first:stop] = (sums[lasts[first:stop] + 1 - begin] - sums[begins]) * inverses[begins]
    is_long = ends > lasts
    hashes[is_long] = _long_hashes(codes, starts[is_long], ends[is_long])
    return mixed(hashes)


def _long_hashes(codes: npt.NDArray[np.uint32], starts: Places, ends: Places) -> Hashes:
    """The same of words with more characters than are told apart by their place."""
    if not len(starts):
        return np.zeros(0, np.uint64)
    lengths = ends - starts + 1
    offsets = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) - np.repeat(offsets, lengths)
    letters = codes[np.repeat(starts, lengths) + within].astype(np.uint64) + np.uint64(1)
    return np.add.reduceat(letters * _powers()[0][within % _LONGEST], offsets)


@cache
def _powers() -> tuple[Hashes, Hashes]:
    """The powers of the base from the first, and those of its inverse from the zeroth."""
    powers = np.full(_SPAN + _LONGEST, _BASE)
    inverses = np.full(_SPAN + _LONGEST, pow(int(_BASE), -1, 1 << 64), np.uint64)
    inverses[0] = 1
    return np.multiply.accumulate(powers), np.multiply.accumulate(inverses)


@cache
def kinds() -> npt.NDArray[np.uint8]:
    """For each code point 0 (between words), 1 (a letter), 2 (Han) or 3 (a digit, or a line as in `a_b`)."""
    characters = list(map(chr, range(_LAST)))
    kinds = np.fromiter(
        (_DIGIT if each == "_" or each.isdecimal() else _LETTER if each.isalnum() else 0 for each in characters),
        np.uint8,
        _LAST,
    )
    for found in HAN.finditer("".join(characters)):
        kinds[ord(found[0])] = _HAN_CHARACTER
    return np.append(kinds, np.uint8(0))
