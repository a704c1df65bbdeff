"""English or Chinese, told from the characters alone."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "zh"]

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LETTER = re.compile(r"[^\W\d_]")
_LETTERS_PER_HAN = 3  # one Han character says about as much as three Latin letters


def language_of(text: str) -> Language:
    """The language of a text by the share of Han characters among its letters; `en` if it has no letters."""
    han = len(HAN.findall(text))
    others = len(_LETTER.findall(text)) - han
    return "zh" if han * _LETTERS_PER_HAN > others else "en"
