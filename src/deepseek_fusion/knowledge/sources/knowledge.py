"""What one file of knowledge states: terms of an ontology, facts between names, or both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["term", "name", "text"]
"""What the object of a fact is: the id of a term, a name that may be one of a term, or plain text."""

PARENT_RELATION = "parent"
DEFINITION = "definition"
REPLACED_BY = "replaced_by"
LAST_LINE = 2**32 - 1
"""The number of a line is kept in four bytes."""


class Name(NamedTuple):
    """A name and the language tag that its source gives it (`zh`, `en-GB`); empty if it gives none."""

    text: str
    language: str = ""


class Origin(NamedTuple):
    """Where a fact comes from.

    Attributes:
        source: what states it; the file it was read from, unless the file names another.
        line: the line of that file; 0 where lines mean nothing or the source is not the file.
        confidence: from 0 to 1.
        time: when it was stated, as the file writes it (2024-05-01); empty if the file does not say.
    """

    source: str
    line: int = 0
    confidence: float = 1.0
    time: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class Fact(NamedTuple):
    """A relation and an object; `language` is that of a text."""

    relation: str
    object: str
    kind: Kind
    origin: Origin
    language: str = ""


class Record(NamedTuple):
    """One fact between names, and other names of its subject."""

    subject: str
    relation: str
    object: str
    origin: Origin
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """One term of an ontology.

    Attributes:
        id: what it is known by in every release.
        labels: its preferred names, one a language.
        synonyms: other names.
        facts: parents (relation `parent`), definitions (`definition`), and whatever else is said of it.
        obsolete: withdrawn by its makers; not taught.
        replaced_by: ids of what took its place.
        alternatives: ids of terms that were merged into it.
    """

    id: str
    labels: tuple[Name, ...]
    synonyms: tuple[Name, ...] = ()
    facts: tuple[Fact, ...] = ()
    obsolete: bool = False
    replaced_by: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Knowledge:
    """All that a file states.

    Attributes:
        records: facts between names; may be an iterator that reads the file on, and then raises what is wrong there.
        version: the release that the file says it is.
        notes: sentences on what was left out.
    """

    path: Path
    terms: Sequence[Term] = ()
    records: Iterable[Record] = ()
    version: str = ""
    notes: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.path.name
