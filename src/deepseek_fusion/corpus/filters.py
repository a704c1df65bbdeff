"""Filters of the basic level: too short, damaged, said before."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import ClassVar

from deepseek_fusion.core.config import CorpusConfig
from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.minhash import NearDuplicates
from deepseek_fusion.knowledge.language import fold, tokens

_CONTINUED = "[\x80-\xbfŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™]"  # second and later bytes of UTF-8, read as Windows-1252


class Filter(ABC):
    """A filter says why a document must go; keeping and counting the rejected is done here, once."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.rejected: list[Rejected] = []

    @abstractmethod
    def reason(self, document: Document) -> str | None:
        """Why the document is rejected, None to keep it; called once for each document, in order."""

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Pass on what is kept."""
        for document in documents:
            reason = self.reason(document)
            if reason is None:
                yield document
            else:
                self.rejected.append(document.rejected(self.name, reason))


class TooShort(Filter):
    """Texts with fewer characters than wanted, spaces aside."""

    name = "too_short"

    def __init__(self, fewest: int) -> None:
        super().__init__()
        self.fewest = fewest

    def reason(self, document: Document) -> str | None:
        """Compare the number of visible characters."""
        count = sum(map(len, document.text.split()))
        return f"{count} characters, fewer than {self.fewest}" if count < self.fewest else None


class Damaged(Filter):
    """Control characters, and text that was decoded with the wrong encoding."""

    name = "damaged"
    _MOST = 0.01  # of all characters
    # Control characters, halves of surrogate pairs (which no encoding can write), private use
    _BROKEN = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff]")
    # UTF-8 read as Windows-1252 (Ã©, â€™), and GBK's reading of lost characters (锟斤拷, 烫烫烫)
    _MOJIBAKE = re.compile(
        rf"[ÂÃÄÅÎÏÐÑ]{_CONTINUED}|[à-ï]{_CONTINUED}{{2}}|[ð-ô]{_CONTINUED}{{3}}|锟斤拷|烫烫烫|\ufffd+"
    )

    def reason(self, document: Document) -> str | None:
        """Measure the damaged share of the characters."""
        most = self._MOST * len(document.text)
        broken: list[str] = self._BROKEN.findall(document.text)
        if len(broken) > most or any("\ud800" <= character <= "\udfff" for character in broken):
            return f"{len(broken)} control characters, such as {broken[0]!a}"
        garbled: list[str] = self._MOJIBAKE.findall(document.text)
        if sum(map(len, garbled)) > most:
            return f"decoded with the wrong encoding, see {garbled[0]!r}"
        return None


class ExactDuplicate(Filter):
    """Texts that are equal but for case, width of characters and spaces."""

    name = "exact_duplicate"

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[bytes, str] = {}

    def reason(self, document: Document) -> str | None:
        """Name the first document with the same text."""
        digest = sha256(fold(document.text).encode()).digest()
        if digest in self.seen:
            return f"same text as {self.seen[digest]}"
        self.seen[digest] = document.place
        return None


class NearDuplicate(Filter):
    """Texts most of whose word 5-grams (Chinese: character 5-grams) occur in an earlier one."""

    name = "near_duplicate"

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.index = NearDuplicates(threshold)

    def reason(self, document: Document) -> str | None:
        """Name the most similar earlier document."""
        near = self.index.add(document.place, tokens(document.text))
        return near and f"similarity {near[1]:.2f} to {near[0]}"


def basic_filters(section: CorpusConfig) -> list[Filter]:
    """The basic level, cheapest first."""
    return [TooShort(section.min_characters), Damaged(), ExactDuplicate(), NearDuplicate(section.near_duplicate)]
