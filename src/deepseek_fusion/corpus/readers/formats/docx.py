"""Word documents (Office Open XML), one document a file: the body, without heads and feet."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import ClassVar
from xml.etree.ElementTree import Element

from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.formats.xml import elements
from deepseek_fusion.corpus.readers.opening import BLOCK, MOST_WHOLE, Opened, UnreadableError
from deepseek_fusion.corpus.readers.reader import Reader, Reading

_BODY = "word/document.xml"


class DocxReader(Reader):
    """The paragraphs, those of tables row by row."""

    suffixes: ClassVar[tuple[str, ...]] = (".docx",)

    def read(self, file: Opened) -> Reading:
        """The whole file."""
        lines = [_row(element) if element.tag == "tr" else _line(element) for element in _body(file)]
        yield Document(file.name, "\n".join(filter(None, lines)))


def _body(file: Opened) -> Iterator[Element]:
    try:
        with zipfile.ZipFile(io.BytesIO(file.whole())) as archive, archive.open(_BODY) as body:
            if archive.getinfo(_BODY).file_size > MOST_WHOLE:
                raise UnreadableError(f"its text unpacks to more than {MOST_WHOLE >> 20} MB, as a zip bomb does")
            yield from elements(iter(lambda: body.read(BLOCK), b""), {"p", "tr"})
    except KeyError:
        raise UnreadableError(f"no Word document: it holds no {_BODY}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        # RuntimeError: it is encrypted, or packed in a way that Word does not use
        raise UnreadableError(f"no Word document that can be opened ({error})") from None


def _row(row: Element) -> str:
    cells = (" ".join(filter(None, map(_line, cell.iter("p")))) for cell in row.iter("tc"))
    return "\t".join(cells).strip()


def _line(paragraph: Element) -> str:
    """The text of the runs; what was deleted under revision (`delText`) is not among it."""
    parts: dict[str, Callable[[Element], str]] = {
        "t": lambda run: run.text or "",
        "tab": lambda _: "\t",
        "br": lambda _: "\n",
        "cr": lambda _: "\n",
    }
    return "".join(parts[part.tag](part) for part in paragraph.iter() if part.tag in parts).strip()
