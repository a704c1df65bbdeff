"""What all readers share: which one a file needs, and that a bad file ends with a reason instead of the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.readers.opening import Opened

Reading = Iterator[Document | Rejected]


@dataclass(frozen=True)
class Fields:
    """Which field of a row is the document's text, and which others are kept beside it.

    A row without a text that has a question and an answer is a document of these two lines.
    """

    text: str = "text"
    keep: tuple[str, ...] = ()
    question: str = "question"
    answer: str = "answer"

    def text_of(self, row: Mapping[str, Any]) -> str | None:
        """The text of a row, or None if it has neither a text nor a question with an answer."""
        if isinstance(text := row.get(self.text), str):
            return text.strip()
        pair = [row.get(self.question), row.get(self.answer)]
        told = [part.strip() for part in pair if isinstance(part, str)]
        return "\n".join(told) if len(told) == len(pair) else None

    def metadata(self, row: Mapping[str, Any]) -> dict[str, str]:
        """The fields to keep, as text, of a row that has them; question and answer always."""
        return {name: str(row[name]) for name in self._kept if row.get(name) not in (None, "")}

    @cached_property
    def _kept(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.keep, self.question, self.answer)))

    def missing_in(self, names: Sequence[str]) -> str | None:
        """What to say of a table with these columns if no row of it can be a document."""
        if self.text in names or {self.question, self.answer} <= set(names):
            return None
        return f"no column `{self.text}`, but {', '.join(names)[:80]}"


class Reader(ABC):
    """A format: what its files are called, and how to get documents out of one."""

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    @abstractmethod
    def read(self, file: Opened) -> Reading:
        """The documents, and a rejection for each part that is none.

        Raises:
            UnreadableError: the file, or the rest of it, cannot be read.
            FusionError: a package of the `text` extra is needed and missing.
        """
