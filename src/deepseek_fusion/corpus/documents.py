"""A document, and a document that was turned away."""

from __future__ import annotations

from dataclasses import dataclass

_EXCERPT = 80


@dataclass(frozen=True)
class Document:
    """One text and where it came from; `line` is set for a row of a file."""

    source: str
    text: str
    line: int | None = None

    @property
    def place(self) -> str:
        """The file, and the line if the document is a row of it."""
        return self.source if self.line is None else f"{self.source}:{self.line}"

    def rejected(self, by: str, reason: str) -> Rejected:
        """This document as turned away by the filter `by`."""
        return Rejected(self.source, self.line, by, reason, " ".join(self.text[: 4 * _EXCERPT].split())[:_EXCERPT])


@dataclass(frozen=True)
class Rejected:
    """What was not kept, by which filter, and why."""

    source: str
    line: int | None
    filter: str
    reason: str
    excerpt: str = ""

    def row(self) -> dict[str, str | int | None]:
        """The row of `rejected.jsonl`."""
        return {
            "source": self.source,
            "line": self.line,
            "level": "basic",
            "filter": self.filter,
            "reason": self.reason,
            "excerpt": self.excerpt,
        }
