"""The words of many texts at once, as numbers.

What counts as a word is what `knowledge.language.tokens` says: case-folded runs of letters and digits, and each Han
character by itself. The numbers are the same in every process and on every machine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from hashlib import blake2b

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

_BETWEEN = 0x1E  # record separator: no folded text holds it
_SPACE = 0x20
_BEYOND = 0x10000  # what lies there is folded text by text
_KIND = np.uint32(24)  # bits of a code point, after which those of its kind begin
_CHANGING = ((0, 0x3400), (0xA000, 0xAC00), (0xD7A4, 0xD800), (0xF900, _BEYOND))  # the others are Han and Hangul
_UNKNOWN, _CONTEXT = np.uint32(0xFFFFFFFE), np.uint32(0xFFFFFFFF)
_LAST = 0x40000  # no letter lies beyond
_LETTER, _HAN_CHARACTER, _DIGIT = 1, 2, 3
_BASE = np.uint64(0x9E3779B97F4A7C15)
_AT_ONCE = 4  # characters of 16 bits that a number holds
_LONGEST = 64  # characters of a word that are hashed side by side with other words
_SHIFTS = np.array([64, 48, 32, 16, 0], np.uint64)  # bits that drop what follows so many characters
_POWERS = np.multiply.accumulate(np.full(_LONGEST // _AT_ONCE - 1, _BASE))


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
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.size = len(texts)
        self._raw, self._ends = _written(texts)
        folded, self._borders, self.visible = _folded(texts, self._raw, self._ends)
        self._kind = kind = (folded >> _KIND).astype(np.uint8)
        self._codes = folded & ((np.uint32(1) << _KIND) - np.uint32(1))  # one between each two texts
        self._narrow = _narrow(self._codes)
        starts, ends = _word_borders(kind)
        self.hashes = _hashes(self._codes, self._narrow, starts, ends)
        self.counts: Places = _counted(starts, self._borders)
        self.text: Places = np.repeat(np.arange(self.size), self.counts)
        first = kind[starts]
        self.is_han, self.is_number = first == _HAN_CHARACTER, first == _DIGIT
        self.follows = np.zeros(len(starts), bool)
        self.follows[1:] = starts[1:] == ends[:-1] + 1

    @cached_property
    def folded(self) -> list[bytes | memoryview]:
        """The texts as words were looked for in them, in UTF-16."""
        content = self._narrow.data.cast("B")
        texts: list[bytes | memoryview] = [content[2 * first : 2 * stop] for first, stop in self._spans]
        for number in np.unique(np.searchsorted(self._borders, np.flatnonzero(self._codes >= _BEYOND))).tolist():
            first, stop = self._spans[number]
            texts[number] = _text(self._codes[first:stop]).encode("utf-16-le", "surrogatepass")
        return texts

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        """Where each folded text begins and ends."""
        ends = self._borders.tolist()
        return list(zip([0, *(end + 1 for end in ends)], ends, strict=False))

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
        """[N, K] how many characters with each number of a table, from 1 to K, a folded text has; none is Han."""
        lowest = int((characters > 0).argmax())
        places = np.flatnonzero((self._codes >= lowest) & (self._kind != _HAN_CHARACTER))
        number = characters.take(self._codes[places], mode="clip")
        places, number = places[number > 0], number[number > 0]
        text = np.searchsorted(self._borders, places)
        return np.bincount(text * kinds + number - 1, minlength=self.size * kinds).reshape(self.size, kinds)

    @cached_property
    def languages(self) -> list[Language]:
        """What `language_of` says of each text."""
        if not self.size:
            return []
        han = np.bincount(self.text[self.is_han], minlength=self.size)
        found: list[Language] = ["en"] * self.size
        for number in np.flatnonzero(han).tolist():
            first, stop = self._spans[number]
            if han[number] * LETTERS_PER_HAN > np.count_nonzero(self._kind[first:stop] == _LETTER):
                found[number] = "zh"
        return found

    @cached_property
    def fives(self) -> Hashes:
        """[G] the runs of five words, by which texts are compared, in order: `TEXT_BITS` bits of the text's number,
        then those of the hash."""
        hashes, text = self.grams(5)
        bits = np.uint64(TEXT_BITS)
        return np.sort((hashes >> bits) | (text.astype(np.uint64) << (np.uint64(64) - bits)))

    def grams(self, length: int) -> tuple[Hashes, Places]:
        """Hashes of all runs of so many words, and the text of each; a shorter text is one run as a whole."""
        total, ends = self.hashes.copy(), np.cumsum(self.counts)
        is_run = np.ones(len(total), np.bool_)
        for step in range(1, length):
            total *= _BASE
            total[:-step] += self.hashes[step:]
            is_run[ends[self.counts >= step] - step] = False
        short = (self.counts > 0) & (self.counts < length)
        counts, starts = self.counts[short], (ends - self.counts)[short]
        is_run[starts] = True
        total[starts] = self.hashes[starts]
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


def _text(codes: Codes) -> str:
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


def _folded(texts: Sequence[str], raw: Codes, ends: Places) -> tuple[Codes, Places, Places]:
    """The code points of `fold` of each text with their kinds, one between each two; where each text ends; and how many
    of a text are no spaces before."""
    table = _foldings()
    codes = table.take(raw, mode="clip")
    if len(rare := np.flatnonzero(codes >= _UNKNOWN)):
        unknown = np.unique(raw[rare[codes[rare] == _UNKNOWN]])
        table[unknown] = [_folding(chr(code)) for code in unknown.tolist()]
        codes[rare] = table.take(raw[rare], mode="clip")
        rare = rare[codes[rare] == _CONTEXT]
    codes[ends[:-1]] = _BETWEEN
    visible = np.diff(ends, prepend=-1) - 1 - _counted(np.flatnonzero(codes == _SPACE), ends)
    if len(rare):
        rest = 0
        parts: list[Codes] = []
        lengths = np.diff(ends, prepend=-1)
        for number in np.unique(np.searchsorted(ends, rare)).tolist():
            part = _written([fold(texts[number])])[0]
            part = part | (kinds().take(part, mode="clip").astype(np.uint32) << _KIND)
            parts += (codes[rest : ends[number - 1] + 1 if number else 0], part)
            visible[number] = sum(map(len, texts[number].split()))
            rest, lengths[number] = ends[number], len(part) + 1
        codes, ends = np.concatenate((*parts, codes[rest:])), np.cumsum(lengths) - 1
    # Of spaces that follow each other the first stays, unless it begins or ends a text
    spaces = np.flatnonzero(codes == _SPACE)
    before = codes[spaces - 1]
    codes, ends = _without(codes, ends, spaces[(before == _SPACE) | (before == _BETWEEN) | (spaces == 0)])
    lasts = ends[np.diff(ends, prepend=-1) > 1] - 1
    return *_without(codes, ends, lasts[codes[lasts] == _SPACE]), visible


def _without(codes: Codes, ends: Places, places: Places) -> tuple[Codes, Places]:
    """What is left when the codes at some places go, and where texts end then."""
    return (np.delete(codes, places), ends - np.searchsorted(places, ends)) if len(places) else (codes, ends)


@cache
def _foldings() -> Codes:
    """[65537] `_folding` of each code point, `_UNKNOWN` until it is met."""
    table = np.arange(_BEYOND + 1, dtype=np.uint32)
    table |= kinds()[: _BEYOND + 1].astype(np.uint32) << _KIND
    for first, stop in _CHANGING:
        table[first:stop] = _UNKNOWN
    table[_BEYOND] = _CONTEXT
    return table


def _folding(character: str) -> int:
    """`fold` of a character, with its kind; of one that becomes several, or depends on those before it, `_CONTEXT`."""
    folded = unicodedata.normalize("NFKC", character)
    if len(folded) != 1 or folded in _composing() or unicodedata.combining(folded):
        return int(_CONTEXT)
    folded = folded.casefold()
    if len(folded) != 1 or folded.isspace() != character.isspace():
        return int(_CONTEXT)
    code = _SPACE if folded.isspace() else ord(folded)
    return code | int(kinds()[code]) << int(_KIND)


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


def _word_borders(kind: Table) -> tuple[Places, Places]:
    """Where words start and end: a Han character is a word, other letters stand together."""
    is_han, is_letter = kind == _HAN_CHARACTER, (kind & _LETTER).view(np.bool_)  # digits are odd, too
    is_start, is_end = is_letter.copy(), is_letter.copy()
    is_start[1:] &= ~is_letter[:-1]
    is_end[:-1] &= ~is_letter[1:]
    is_start |= is_han
    is_end |= is_han
    return np.flatnonzero(is_start), np.flatnonzero(is_end)


def _narrow(codes: Codes) -> npt.NDArray[np.uint16]:
    """The code points in 16 bits; those beyond are taken for others, by all of their bits."""
    narrow = codes.astype(np.uint16)
    beyond = np.flatnonzero(codes >= _BEYOND)
    narrow[beyond] ^= (codes[beyond] >> np.uint32(16)).astype(np.uint16) * np.uint16(_BASE & np.uint64(0xFFFF))
    return narrow


def _hashes(codes: Codes, narrow: npt.NDArray[np.uint16], starts: Places, ends: Places) -> Hashes:
    """A polynomial of the characters of each word, four at a time."""
    padded = np.append(narrow, np.zeros(_AT_ONCE, np.uint16))
    # [C] each character and those after it
    fours = np.ascontiguousarray(np.ndarray((len(narrow),), np.uint64, padded, strides=(padded.itemsize,)))
    lengths = ends - starts + 1
    hashes = _first(fours.take(starts), lengths)
    longer = np.flatnonzero(lengths > _AT_ONCE)
    for place, power in zip(range(_AT_ONCE, _LONGEST, _AT_ONCE), _POWERS, strict=True):
        hashes[longer] += _first(fours.take(starts[longer] + place), lengths[longer] - place) * power
        longer = longer[lengths[longer] > place + _AT_ONCE]
    for number in longer.tolist():
        word = codes[starts[number] : ends[number] + 1].tobytes()
        hashes[number] = int.from_bytes(blake2b(word, digest_size=8).digest(), "little")
    return mixed(hashes)


def _first(fours: Hashes, lengths: Places) -> Hashes:
    """The first characters of each four, so many as there are."""
    return fours << _SHIFTS.take(lengths, mode="clip")


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
