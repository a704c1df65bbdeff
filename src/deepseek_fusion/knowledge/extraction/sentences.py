"""Texts cut into sentences that know where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deepseek_fusion.knowledge.language import HAN, fold

LONGEST = 400
"""Characters of a sentence; a longer one is cut at its last comma or space before."""

_END = re.compile(r"[。！？；!?]+[”’」』\"')）\]]*|\.(?=\s|$)|;(?=\s)|[\n\r\v\f\x00\u2028\u2029]+")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|cf|vs|dr|mr|mrs|ms|prof|approx|fig|resp)$", re.IGNORECASE)
_PAUSE = re.compile(r"[,，、:：\s]")
_TOKEN = re.compile(rf"{HAN.pattern}|(?:(?!{HAN.pattern})[^\W_])+|[^\w\s]|_")
_PLURAL_AFTER = 4
"""Letters of a word whose last s may be that of a plural; shorter ones are mostly abbreviations."""


@dataclass(frozen=True)
class Sentence:
    """A piece of a text: `text[start:end]`."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class Token:
    """A word, a Han character or a punctuation mark of a sentence: what it is compared by, and where it stands."""

    word: str
    start: int
    end: int


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text in order, without what surrounds them; a line break ends one, too."""
    start = 0
    for found in _END.finditer(text):
        if found.group() == "." and _ABBREVIATION.search(text, max(start, found.start() - 6), found.start()):
            continue
        yield from _pieces(text, start, found.end())
        start = found.end()
    yield from _pieces(text, start, len(text))


def _pieces(text: str, start: int, end: int) -> Iterator[Sentence]:
    while end - start > LONGEST:
        pauses = [found.end() for found in _PAUSE.finditer(text, start + LONGEST // 2, start + LONGEST)]
        cut = pauses[-1] if pauses else start + LONGEST
        yield from _pieces(text, start, cut)
        start = cut
    piece = text[start:end]
    stripped = piece.strip(" \t\r\n\v\f\x00\u2028\u2029\u3000")
    if stripped:
        yield Sentence(stripped, start + piece.index(stripped))


def tokens_of(text: str) -> list[Token]:
    """Words without case, width and plural, Han characters and punctuation marks; hyphens stand for spaces."""
    found = (Token(_compared(match.group()), match.start(), match.end()) for match in _TOKEN.finditer(text))
    return [token for token in found if token.word not in "-‐‑–"]


def _compared(word: str) -> str:
    word = fold(word).replace("’", "'") or word
    if not word.isascii() or not word.isalpha() or len(word) < _PLURAL_AFTER:
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
