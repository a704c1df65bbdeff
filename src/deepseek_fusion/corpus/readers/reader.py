"""What all readers share: which one a file needs, and that a bad file ends with a reason instead of the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.readers.opening import Opened

Reading = Iterator[Document | Rejected]


@dataclass(frozen=True)
class Fields:
    """Which field of a row is the document's text, and which others are kept beside it."""

    text: str = "text"
    keep: tuple[str, ...] = ()

    def metadata(self, row: Mapping[str, Any]) -> dict[str, str]:
        """The fields to keep, as text, of a row that has them."""
        return {name: str(row[name]) for name in self.keep if row.get(name) not in (None, "")}


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
