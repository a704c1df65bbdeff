"""Documents, and their passages: whole sentences up to a length, in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deepseek_fusion.knowledge.language import HAN, LETTERS_PER_HAN

_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s)|[。！？；…]+[」』”’）]*|\n\s*\n|\n(?=\s*[-*•#|])")
_SHORT = re.compile(r"(?:\b(?:[A-Z]|e\.g|i\.e|cf|vs|etc|approx|Dr|Mr|Mrs|Ms|Prof|St|Fig|Nos?|al|resp|ca))\.$")
"""What a full stop belongs to without ending a sentence."""
_PAUSE = re.compile(r"[,;:](?=\s)|[，、：]|\s")


@dataclass(frozen=True)
class Document:
    """A text that can be found.

    Attributes:
        source: file and line, or whatever else a person finds it by.
        metadata: what else is known of it; a search can be narrowed to a value.
    """

    id: str
    text: str
    source: str = ""
    language: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


Span = tuple[int, int]
"""First character and the one after the last."""


def passages(text: str, letters: int) -> list[Span]:
    """Neighbouring sentences together as long as they have no more than so many Latin letters (a Han character counts
    as three); a longer sentence is divided at a comma or a space. Nothing but white space is left out."""
    found: list[Span] = []
    for start, end in _sentences(text, letters):
        if found and _fits(text, found[-1][0], end, letters):
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _sentences(text: str, letters: int) -> Iterator[Span]:
    start = 0
    for match in [*_END.finditer(text), None]:
        end = match.end() if match else len(text)
        if match and match.group().startswith(".") and _SHORT.search(text, max(start, end - 8), end):
            continue
        for first, last in _divided(text, start, end, letters):
            kept = text[first:last].strip()
            if kept:
                first += len(text[first:last]) - len(text[first:last].lstrip())
                yield first, first + len(kept)
        start = end


def _divided(text: str, start: int, end: int, letters: int) -> Iterator[Span]:
    """A sentence in parts that are short enough, each as long as it can be."""
    while not _fits(text, start, end, letters):
        room = start + _reach(text[start : start + letters], letters)
        pauses = [match.end() for match in _PAUSE.finditer(text, start + (room - start) // 2, room)]
        cut = pauses[-1] if pauses else room
        yield start, cut
        start = cut
    yield start, end


def _fits(text: str, start: int, end: int, letters: int) -> bool:
    return end - start <= letters and (
        end - start + (LETTERS_PER_HAN - 1) * len(HAN.findall(text, start, end)) <= letters
    )


def _reach(text: str, letters: int) -> int:
    """How many characters have so many letters; one at least."""
    for place, character in enumerate(text):
        letters -= LETTERS_PER_HAN if HAN.match(character) else 1
        if letters < 0:
            return max(place, 1)
    return len(text)
