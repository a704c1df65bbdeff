"""PDF, one document a file, without the heads and feet that its pages share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from deepseek_fusion.core.errors import missing
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.opening import Opened, UnreadableError
from deepseek_fusion.corpus.readers.reader import Reader, Reading

_MOST_PAGES = 5000
_EDGE = 2  # lines at the top and at the bottom where running heads stand
_OFTEN = 0.5  # of the pages
_DIGITS = re.compile(r"\d+")
_HYPHEN = "\x02"  # what pdfium makes of one at the end of a line
_BROKEN_WORD = re.compile(rf"(?<=[a-z]){_HYPHEN}(?=[a-z])")


class PdfReader(Reader):
    """The text layer of a PDF."""

    suffixes: ClassVar[tuple[str, ...]] = (".pdf",)

    def read(self, file: Opened) -> Reading:
        """The whole file."""
        pages = [page.replace("\r\n", "\n").replace("\r", "\n").strip() for page in _pages(file.whole())]
        if not any(pages):
            raise UnreadableError(f"no text on {len(pages)} pages; if it was scanned, run OCR on it first")
        text = "\n\n".join(filter(None, _without_running_heads(pages)))
        yield Document(file.name, _BROKEN_WORD.sub("", text).replace(_HYPHEN, "-"), metadata={"pages": str(len(pages))})


def _pages(data: bytes) -> Iterator[str]:
    try:
        import pypdfium2
    except ModuleNotFoundError:
        raise missing("pypdfium2", "PDF", "text") from None
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise UnreadableError(f"no PDF that can be opened ({error})") from None
    try:
        if len(document) > _MOST_PAGES:
            raise UnreadableError(f"{len(document)} pages, more than {_MOST_PAGES}; split it")
        for number in range(len(document)):
            try:
                yield document[number].get_textpage().get_text_bounded()
            except pypdfium2.PdfiumError as error:
                raise UnreadableError(f"page {number + 1} is broken ({error})") from None
    finally:
        document.close()


def _without_running_heads(pages: list[str]) -> Iterator[str]:
    """Lines at the edges that stand on most pages, page numbers aside, say nothing."""
    lines = [page.split("\n") for page in pages]
    edges = Counter(key for page in lines for key in {_shape(line) for line in (*page[:_EDGE], *page[-_EDGE:])})
    running = {key for key, count in edges.items() if count > max(2, _OFTEN * len(pages))}
    for page in lines:
        last = len(page) - _EDGE
        kept = (line for place, line in enumerate(page) if _EDGE <= place < last or _shape(line) not in running)
        yield "\n".join(kept).strip()


def _shape(line: str) -> str:
    return _DIGITS.sub("#", " ".join(line.split()).casefold())
