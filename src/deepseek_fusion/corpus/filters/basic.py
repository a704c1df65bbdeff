"""Filters of the basic level that look at one text alone: too short, repetitive, damaged, in another language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.filters.base import Batch, Filter, Reason
from deepseek_fusion.corpus.readers.decoding import SUSPECT, garbled
from deepseek_fusion.corpus.words import Known, Places, Table, Words, table_of


class TooShort(Filter):
    """Texts with fewer characters than wanted, spaces aside."""

    name: ClassVar[str] = "too_short"

    def __init__(self, fewest: int) -> None:
        self.fewest = fewest

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Compare the number of visible characters."""
        return [
            Reason(f"{count} characters, fewer than {self.fewest}", count) if count < self.fewest else None
            for count in batch.characters
        ]


class Repetitive(Filter):
    """Texts that say the same over and over: menus, offers, what a broken export wrote again and again.

    The share of repeated 5-grams (Rae et al. 2021, arXiv 2112.11446, who measure it in characters).
    """

    name: ClassVar[str] = "repetitive"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Compare the share."""
        return [
            Reason(f"{share:.0%} of it repeats what it said before", share) if share >= self.threshold else None
            for share in batch.repetition.tolist()
        ]


class Damaged(Filter):
    """Control characters, and text that was decoded with the wrong encoding and could not be repaired."""

    name: ClassVar[str] = "damaged"
    _MOST = 0.01  # of all characters
    # Control characters, halves of surrogate pairs (which no encoding can write), private use
    BROKEN = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff]")
    _FATAL = re.compile(r"[\0\ud800-\udfff]")

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Measure the damaged share of the characters."""
        is_suspect = batch.words.holding(_suspects()).tolist()
        found = (
            self._damage(document.text) if suspect else None
            for document, suspect in zip(batch.documents, is_suspect, strict=True)
        )
        return [None if reason is None else Reason(reason) for reason in found]

    def _damage(self, text: str) -> str | None:
        broken = self.BROKEN.findall(text)
        if len(broken) > self._MOST * len(text) or self._FATAL.search(text):
            return f"{len(broken)} control characters, such as {broken[0]!a}"
        wrong = garbled(text)
        return wrong and f"decoded with the wrong encoding, see {wrong!r}"


@cache
def _suspects() -> Table:
    """The characters without which no text is damaged."""
    return table_of(Damaged.BROKEN) | table_of(SUSPECT)


class OtherLanguage(Filter):
    """Texts in a language that is not wanted, told by script and by the small words that only one language has."""

    name: ClassVar[str] = "other_language"
    _MOST = 0.15  # of all characters: a quotation, Greek letters in formulas
    _FEWEST, _SHARE, _LEAD = 4, 0.06, 2  # small words of a language: at least, of all words, and per English one
    _NAMES: ClassVar[dict[str, str]] = {"en": "English", "zh": "Chinese"}

    def __init__(self, wanted: Iterable[str]) -> None:
        self.wanted = frozenset(wanted)

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Name the language."""
        words = batch.words
        counts = words.numbered(_script_table(), len(_SCRIPTS))
        scripts = counts.argmax(1)
        is_other = counts.max(1) > self._MOST * words.lengths
        small = _small_words(words)
        most = small[:, 1:].argmax(1) + 1
        needed = np.maximum(np.maximum(self._FEWEST, self._SHARE * words.counts), self._LEAD * small[:, 0] + 1)
        is_spoken = small[np.arange(len(most)), most] >= needed
        found: list[Reason | None] = [
            None if language in self.wanted else Reason(f"seems to be {self._NAMES[language]}")
            for language in words.languages
        ]
        for number in np.flatnonzero(is_spoken | is_other):
            if is_other[number]:
                found[number] = Reason(f"seems to be {list(_SCRIPTS)[scripts[number]]}")
            elif words.languages[number] == "en":
                found[number] = Reason(f"seems to be {_SPOKEN[most[number]]}")
        return found


_SCRIPTS = {
    "Japanese": [(0x3041, 0x30FF)],
    "Korean": [(0xAC00, 0xD7AF), (0x1100, 0x11FF)],
    "Cyrillic": [(0x0400, 0x052F)],
    "Greek": [(0x0370, 0x03FF)],
    "Arabic": [(0x0600, 0x06FF), (0x0750, 0x077F)],
    "Hebrew": [(0x0590, 0x05FF)],
    "Indic": [(0x0900, 0x0DFF)],
    "Thai": [(0x0E00, 0x0E7F)],
}
_SMALL = {  # words of grammar that no other of these languages has
    "English": "the of and is was with for that this from are were be by which has have had not or it as on at to",
    "French": "les des une est dans pour qui avec sur du au aux et sont nous vous cette ces ses elle être été mais où",
    "German": "der das und ist nicht ein eine einen dem mit auf für von sich auch wird werden bei nach wie oder über",
    "Spanish": "el los las y una con para por del más pero sus como está son al muy también fue ha este esta",
    "Italian": "il gli di che è per una con non sono della nel alla delle più anche questo dei dal nella ed",
    "Portuguese": "o os as um uma não com para do da dos das em ao mais foi pelo pela são também ou é no na",
    "Dutch": "het een van en niet dat zijn met voor aan ook naar bij deze wordt door maar werd dit op te",
}
_SPOKEN = list(_SMALL)


@cache
def _script_table() -> Table:
    """The number of the script of each code point, from 1; 0 for all others."""
    table = np.zeros(0xD800, np.uint8)
    for number, ranges in enumerate(_SCRIPTS.values(), start=1):
        for first, last in ranges:
            table[first : last + 1] = number
    table[-1] = 0  # stands for all beyond
    return table


def _small_words(words: Words) -> npt.NDArray[np.int64]:
    """[N, L] how many small words of each language a text has."""
    known, language = _small()
    places, numbers = known.among(words.hashes)
    cells = words.text[places] * len(_SPOKEN) + language[numbers]
    return np.bincount(cells, minlength=words.size * len(_SPOKEN)).reshape(words.size, len(_SPOKEN))


@cache
def _small() -> tuple[Known, Places]:
    """The words, and the number of the language of each."""
    count = Counter(word for text in _SMALL.values() for word in text.split())
    own = [[word for word in text.split() if count[word] == 1] for text in _SMALL.values()]
    return Known(chain.from_iterable(own)), np.repeat(np.arange(len(own)), list(map(len, own)))
