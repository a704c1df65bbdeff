"""Plain text and Markdown, one document a file."""

from __future__ import annotations

from typing import ClassVar

from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.opening import Opened
from deepseek_fusion.corpus.readers.reader import Reader, Reading


class TextReader(Reader):
    """Text as it stands."""

    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".md")

    def read(self, file: Opened) -> Reading:
        """The whole file."""
        yield Document(file.name, file.text().strip())
