"""The words of many texts at once, as numbers.

What counts as a word is what `knowledge.language.tokens` says: case-folded runs of letters and digits, and each Han
character by itself. The numbers are the same in every process and on every machine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from deepseek_fusion.knowledge.language import HAN, LETTERS_PER_HAN, Language, fold

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint32]
"""Code points."""

Table = npt.NDArray[np.uint8]
"""A small number for each code point; the last one stands for all beyond."""

TEXT_BITS = 16
"""More texts than any batch has."""

_BETWEEN = "\x1e"  # record separator: no folded text holds it
_SPACE = 0x20
_BEYOND = 0x10000  # what lies there is folded text by text
_CHANGING = ((0, 0x3400), (0xA000, 0xAC00), (0xD7A4, 0xD800), (0xF900, _BEYOND))  # the others are Han and Hangul
_UNKNOWN, _CONTEXT = np.uint32(0xFFFFFFFE), np.uint32(0xFFFFFFFF)
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
        visible: [N] number of characters of each text, spaces aside.
        is_han: [T] whether a word is a Han character.
        is_number: [T] whether it begins with a digit.
        follows: [T] whether nothing stands between it and the word before.
        codes: the code points of all texts as words were looked for in them, one between each two.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.size = len(texts)
        self._raw, self._ends = _written(texts)
        self.codes, self.visible = _folded(texts, self._raw, self._ends)
        kind = kinds().take(self.codes, mode="clip")
        starts, ends = _borders(kind)
        self._borders = np.append(np.flatnonzero(self.codes == ord(_BETWEEN)), len(self.codes))[: self.size]
        self._kind = kind
        self.hashes = hashes_of(self.codes, starts, ends)
        self.counts: Places = _counted(starts, self._borders)
        self.text: Places = np.repeat(np.arange(self.size), self.counts)
        first = kind[starts]
        self.is_han, self.is_number = first == _HAN_CHARACTER, first == _DIGIT
        self.follows = np.zeros(len(starts), bool)
        self.follows[1:] = starts[1:] == ends[:-1] + 1

    @cached_property
    def folded(self) -> list[str]:
        """The texts as words were looked for in them."""
        return self.codes.tobytes().decode("utf-32-le", "surrogatepass").split(_BETWEEN) if self.size else []

    @property
    def lengths(self) -> Places:
        """[N] characters of each folded text."""
        return np.diff(self._borders, prepend=-1) - 1

    def holding(self, characters: Table) -> npt.NDArray[np.bool_]:
        """[N] whether a text, as it was written, has a character that a table marks."""
        found = np.zeros(self.size, bool)
        found[np.searchsorted(self._ends, np.flatnonzero(characters.take(self._raw, mode="clip") > 0))] = True
        return found

    def numbered(self, characters: Table, kinds: int) -> Places:
        """[N, K] how many characters with each number of a table, from 1 to K, a folded text has."""
        number = characters.take(self.codes, mode="clip")
        places = np.flatnonzero(number > 0)
        text = np.searchsorted(self._borders, places)
        return np.bincount(text * kinds + number[places] - 1, minlength=self.size * kinds).reshape(self.size, kinds)

    @cached_property
    def languages(self) -> list[Language]:
        """What `language_of` says of each text."""
        if not self.size:
            return []
        letters = _sums(self._kind == _LETTER, self._borders)
        han = np.bincount(self.text[self.is_han], minlength=self.size)
        return ["zh" if is_han else "en" for is_han in han * LETTERS_PER_HAN > letters]

    @cached_property
    def fives(self) -> Hashes:
        """[G] the runs of five words, by which texts are compared, in order: `TEXT_BITS` bits of the text's number,
        then those of the hash."""
        hashes, text = self.grams(5)
        bits = np.uint64(TEXT_BITS)
        return np.sort((hashes >> bits) | (text.astype(np.uint64) << (np.uint64(64) - bits)))

    def grams(self, length: int) -> tuple[Hashes, Places]:
        """Hashes of all runs of so many words, and the text of each; a shorter text is one run as a whole."""
        total, ends = mixed(self.hashes), np.cumsum(self.counts)
        is_run = np.ones(len(total), np.bool_)
        for step in range(1, length):
            total *= _BASE
            total[:-step] += self.hashes[step:]
            is_run[ends[self.counts >= step] - step] = False
        short = (self.counts > 0) & (self.counts < length)
        counts, starts = self.counts[short], (ends - self.counts)[short]
        is_run[starts] = True
        total[starts] = mixed(self.hashes[starts])
        for step in range(1, length):
            total[starts] *= _BASE
            goes_on = counts > step
            total[starts[goes_on]] += self.hashes[starts[goes_on] + step]
        return mixed(total[is_run]), np.repeat(np.arange(self.size), np.maximum(self.counts - length + 1, short))


class Known:
    """A few words, to be found among many.

    Args:
        words: each once.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.hashes = Words([" ".join(words)]).hashes
        self.shift = np.uint64(next(64 - bits for bits in range(10, 64) if self._is_told_apart(bits)))
        self.places = np.zeros(1 << (64 - int(self.shift)), np.int16)
        self.places[self.hashes >> self.shift] = np.arange(len(self.hashes))

    def _is_told_apart(self, bits: int) -> bool:
        return len(np.unique(self.hashes >> np.uint64(64 - bits))) == len(self.hashes)

    def among(self, hashes: Hashes) -> tuple[Places, npt.NDArray[np.int16]]:
        """Where the known words stand, and the number of each."""
        numbers = self.places.take(hashes >> self.shift, mode="clip")  # of the one word that may stand there
        found = np.flatnonzero(self.hashes.take(numbers) == hashes)
        return found, numbers[found]


def mixed(values: Hashes) -> Hashes:
    """Each value spread over all 64 bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def table_of(pattern: re.Pattern[str]) -> Table:
    """[65537] 1 for each code point that a pattern of one character matches; the last stands for all beyond."""
    return _numbered({pattern.pattern: 1}, _BEYOND)


def _written(texts: Sequence[str]) -> tuple[Codes, Places]:
    """The code points of all texts, one between each two, and where each text ends."""
    raw = np.frombuffer("\n".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    return raw, np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1) - 1


def _folded(texts: Sequence[str], raw: Codes, ends: Places) -> tuple[Codes, Places]:
    """The code points of `fold` of each text, one between each two, and how many of a text are no spaces before."""
    table = _foldings()
    codes = table.take(raw, mode="clip")
    unknown = np.unique(raw[codes == _UNKNOWN])
    if len(unknown):
        table[unknown] = [_folding(chr(code)) for code in unknown.tolist()]
        codes = table.take(raw, mode="clip")
    codes[ends[:-1]] = ord(_BETWEEN)
    is_space = codes == _SPACE
    visible = np.diff(ends, prepend=-1) - 1 - _sums(is_space, ends)
    rest = 0
    parts: list[Codes] = []
    for number in np.unique(np.searchsorted(ends, np.flatnonzero(codes == _CONTEXT))).tolist():
        parts += (codes[rest : ends[number - 1] + 1 if number else 0], _written([fold(texts[number])])[0])
        visible[number] = sum(map(len, texts[number].split()))
        rest = ends[number]
    if parts:
        codes = np.concatenate((*parts, codes[rest:]))
        is_space = codes == _SPACE
    # Of spaces that follow each other the first stays, unless it begins or ends a text
    is_gap = is_space | (codes == ord(_BETWEEN))
    goes = is_space.copy()
    goes[1:] &= is_gap[:-1]
    codes = codes[~goes]  # whose runs are copied as they are, as `compress` does not
    lasts = np.append(np.flatnonzero(codes == ord(_BETWEEN)), len(codes)) - 1
    lasts = lasts[lasts >= 0]
    lasts = lasts[codes[lasts] == _SPACE]
    return np.delete(codes, lasts) if len(lasts) else codes, visible


@cache
def _foldings() -> Codes:
    """[65537] `_folding` of each code point, `_UNKNOWN` until it is met."""
    table = np.arange(_BEYOND + 1, dtype=np.uint32)
    for first, stop in _CHANGING:
        table[first:stop] = _UNKNOWN
    table[_BEYOND] = _CONTEXT
    return table


def _folding(character: str) -> int:
    """`fold` of a character; of one that becomes several, or depends on those before it, `_CONTEXT`."""
    folded = unicodedata.normalize("NFKC", character)
    if len(folded) != 1 or folded in _composing() or unicodedata.combining(folded):
        return int(_CONTEXT)
    folded = folded.casefold()
    if len(folded) != 1 or folded.isspace() != character.isspace():
        return int(_CONTEXT)
    return _SPACE if folded.isspace() else ord(folded)


@cache
def _composing() -> frozenset[str]:
    """Characters that may become one with the character before them."""
    jamo = [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]
    pairs = (unicodedata.decomposition(chr(code)).split() for first, stop in _CHANGING for code in range(first, stop))
    seconds = [int(pair[1], 16) for pair in pairs if len(pair) == 2 and "<" not in pair[0]]
    return frozenset(map(chr, (*jamo, *seconds)))


def _counted(places: Places, ends: Places) -> Places:
    """[N] how many of the places, which are in order, lie before the end of each text and after the one before."""
    return np.diff(np.searchsorted(places, ends), prepend=0)


def _sums(marks: npt.NDArray[np.bool_], ends: Places) -> Places:
    """[N] how many marks each text has."""
    if not len(ends):
        return np.zeros(0, np.int64)
    starts = np.append(0, ends[:-1] + 1)
    return np.add.reduceat(np.append(marks, False).view(np.int8), starts, dtype=np.int64)  # the last may be empty


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
        letters = codes[begin : begin + _SPAN + _LONGEST].astype(np.uint64)
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
def kinds() -> Table:
    """For each code point 0 (between words), 1 (a letter), 2 (Han) or 3 (a digit, or a line as in `a_b`)."""
    return _numbered({r"\w": _LETTER, r"[\d_]": _DIGIT, HAN.pattern: _HAN_CHARACTER}, _LAST)


def _numbered(patterns: Mapping[str, int], beyond: int) -> Table:
    """[beyond + 1] the number of the last pattern of one character that matches each code point, else 0."""
    characters = np.arange(beyond, dtype=np.uint32).tobytes().decode("utf-32-le", "surrogatepass")
    table = np.zeros(beyond + 1, np.uint8)
    for pattern, number in patterns.items():
        for run in re.finditer(f"(?:{pattern})+", characters):
            table[run.start() : run.end()] = number
    return table
