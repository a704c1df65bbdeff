"""English or Chinese, and the words of a text, told from the characters alone."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Language = Literal["en", "zh"]

_HAN_RANGES = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
HAN = re.compile(f"[{_HAN_RANGES}]")
_LETTER = re.compile(r"[^\W\d_]")
_TOKEN = re.compile(rf"[{_HAN_RANGES}]|[^\W{_HAN_RANGES}]+")
_HISSING = re.compile(r"(?:s|x|z|ch|sh)$", re.IGNORECASE)
_CONSONANT_Y = re.compile(r"[^aeiou\W]y$", re.IGNORECASE)
LETTERS_PER_HAN = 3  # one Han character says about as much as three Latin letters


def language_of(text: str) -> Language:
    """The language of a text by the share of Han characters among its letters; `en` if it has no letters."""
    han = len(HAN.findall(text))
    others = len(_LETTER.findall(text)) - han
    return "zh" if han * LETTERS_PER_HAN > others else "en"


def plural_of(noun: str) -> str:
    """A noun for several things, where that is regular: itself in Chinese, by the rules of spelling in English."""
    if language_of(noun) == "zh":
        return noun
    if _CONSONANT_Y.search(noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if _HISSING.search(noun) else f"{noun}s"


def tokens(text: str) -> list[str]:
    """Case-folded words, without punctuation; each Han character is a word."""
    return _TOKEN.findall(fold(text))


def fold(name: str) -> str:
    """The form in which two spellings of a name are the same: NFKC, case-folded, single spaces."""
    folded = name.lower() if name.isascii() else unicodedata.normalize("NFKC", name).casefold()
    return " ".join(folded.split())
