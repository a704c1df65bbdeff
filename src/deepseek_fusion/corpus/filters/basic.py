"""Filters of the basic level that look at one text alone: too short, damaged, in another language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.filters.base import Batch, Filter, Reason
from deepseek_fusion.corpus.readers.decoding import garbled
from deepseek_fusion.corpus.words import Hashes, Words
from deepseek_fusion.knowledge.language import language_of


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


class Damaged(Filter):
    """Control characters, and text that was decoded with the wrong encoding and could not be repaired."""

    name: ClassVar[str] = "damaged"
    _MOST = 0.01  # of all characters
    # Control characters, halves of surrogate pairs (which no encoding can write), private use
    _BROKEN = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff]")
    _FATAL = re.compile(r"[\0\ud800-\udfff]")

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Measure the damaged share of the characters."""
        found = (self._damage(document.text) for document in batch.documents)
        return [reason and Reason(reason) for reason in found]

    def _damage(self, text: str) -> str | None:
        if self._BROKEN.search(text):
            broken: list[str] = self._BROKEN.findall(text)
            if len(broken) > self._MOST * len(text) or self._FATAL.search(text):
                return f"{len(broken)} control characters, such as {broken[0]!a}"
        wrong = garbled(text)
        return wrong and f"decoded with the wrong encoding, see {wrong!r}"


class OtherLanguage(Filter):
    """Texts in a language that is not wanted, told by script and by the small words that only one language has."""

    name: ClassVar[str] = "other_language"
    _SCRIPTS: ClassVar[dict[str, str]] = {
        "Japanese": "\u3041-\u30ff",
        "Korean": "\uac00-\ud7af\u1100-\u11ff",
        "Cyrillic": "\u0400-\u052f",
        "Greek": "\u0370-\u03ff",
        "Arabic": "\u0600-\u06ff\u0750-\u077f",
        "Hebrew": "\u0590-\u05ff",
        "Indic": "\u0900-\u0dff",
        "Thai": "\u0e00-\u0e7f",
    }
    _OTHER = re.compile("|".join(f"(?P<{name}>[{letters}])" for name, letters in _SCRIPTS.items()))
    _MOST = 0.15  # of all characters: a quotation, Greek letters in formulas
    _FEWEST, _SHARE, _LEAD = 4, 0.06, 2  # small words of a language: at least, of all words, and per English one
    _NAMES: ClassVar[dict[str, str]] = {"en": "English", "zh": "Chinese"}

    def __init__(self, wanted: Iterable[str]) -> None:
        self.wanted = frozenset(wanted)

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Name the language."""
        small = _small_words(batch.words)
        found = (self._other(document.text, counts) for document, counts in zip(batch.documents, small, strict=True))
        return [name and Reason(f"seems to be {name}") for name in found]

    def _other(self, text: str, small: npt.NDArray[np.int64]) -> str | None:
        if not text.isascii():
            scripts = Counter(found.lastgroup for found in self._OTHER.finditer(text))
            name, count = scripts.most_common(1)[0] if scripts else (None, 0)
            if count > self._MOST * len(text):
                return name
        language = language_of(text)
        most = int(small[1:-1].argmax()) + 1
        if language == "en" and small[most] >= max(self._FEWEST, self._SHARE * small[-1], self._LEAD * small[0] + 1):
            return _SPOKEN[most]
        return None if language in self.wanted else self._NAMES[language]


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


def _small_words(words: Words) -> npt.NDArray[np.int64]:
    """[N, L + 1] how many small words of each language a text has, and how many words in all."""
    hashes, language = _small_hashes()
    place = np.minimum(np.searchsorted(hashes, words.hashes), len(hashes) - 1)
    hits = np.flatnonzero(hashes[place] == words.hashes)
    counts = np.zeros((len(words.counts), len(_SPOKEN) + 1), np.int64)
    np.add.at(counts, (words.text[hits], language[place[hits]]), 1)
    counts[:, -1] = words.counts
    return counts


@cache
def _small_hashes() -> tuple[Hashes, npt.NDArray[Any]]:
    """Hashes in order, and the number of the language of each."""
    count = Counter(word for text in _SMALL.values() for word in text.split())
    pairs = [
        (int(Words([word]).hashes[0]), number)
        for number, text in enumerate(_SMALL.values())
        for word in text.split()
        if count[word] == 1
    ]
    hashes, languages = zip(*sorted(pairs), strict=True)
    return np.array(hashes, np.uint64), np.array(languages)
