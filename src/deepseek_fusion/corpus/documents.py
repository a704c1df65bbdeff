"""A document, and a document that was turned away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

Level = Literal["reading", "basic", "semantic", "domain", "exam"]

_EXCERPT = 80


class Document(NamedTuple):
    """One text and where it came from.

    Attributes:
        source: the file.
        line: the line (of a table or a text), row, page or entry that the text stands on, if it is a part of the file.
        metadata: what else the file says about it, such as `title` or `pmid`.
        personal: names and numbers of the patient that it is about, which must not stay in the text.
    """

    source: str
    text: str
    line: int | None = None
    metadata: Mapping[str, str] = MappingProxyType({})
    personal: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """The file, and the line if the document is a part of it."""
        return place_of(self.source, self.line)

    def rejected(self, by: str, reason: str, level: Level = "basic", score: float | None = None) -> Rejected:
        """This document as turned away by the filter `by`."""
        return Rejected(self.source, self.line, by, reason, excerpt(self.text), level, score)


@dataclass(frozen=True)
class Rejected:
    """What was not kept, by which filter, and why; the score if the filter has a threshold."""

    source: str
    line: int | None
    filter: str
    reason: str
    excerpt: str = ""
    level: Level = "basic"
    score: float | None = None

    def row(self) -> dict[str, str | int | float | None]:
        """The row of `rejected.jsonl`."""
        return {
            "source": self.source,
            "line": self.line,
            "level": self.level,
            "filter": self.filter,
            "reason": self.reason,
            "score": self.score,
            "excerpt": self.excerpt,
        }


def place_of(source: str, line: int | None) -> str:
    """How a document is cited."""
    return source if line is None else f"{source}:{line}"


def unread(source: str, line: int | None, reason: str, content: str = "") -> Rejected:
    """A file, or a part of one, that no document could be made of."""
    return Rejected(source, line, "reader", reason, excerpt(content), "reading")


def excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    return " ".join(text[: 4 * _EXCERPT].split())[:_EXCERPT]
