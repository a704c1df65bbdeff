"""Files as documents, whatever they are."""

from __future__ import annotations

from pathlib import Path

from deepseek_fusion.corpus.documents import unread
from deepseek_fusion.corpus.readers.formats.articles import ArticleReader
from deepseek_fusion.corpus.readers.formats.docx import DocxReader
from deepseek_fusion.corpus.readers.formats.html import HtmlReader
from deepseek_fusion.corpus.readers.formats.json import JsonReader, LinesReader
from deepseek_fusion.corpus.readers.formats.parquet import ParquetReader
from deepseek_fusion.corpus.readers.formats.pdf import PdfReader
from deepseek_fusion.corpus.readers.formats.plain import TextReader
from deepseek_fusion.corpus.readers.formats.tables import TableReader
from deepseek_fusion.corpus.readers.opening import Opened, UnreadableError, suffix_of
from deepseek_fusion.corpus.readers.reader import Fields, Reader, Reading

_READERS: dict[str, type[Reader]] = {
    suffix: reader
    for reader in (
        *(TextReader, HtmlReader, PdfReader, DocxReader, TableReader, JsonReader, LinesReader),
        *(ParquetReader, ArticleReader),
    )
    for suffix in reader.suffixes
}
SAFE = {".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".ndjson"}
"""Formats that Python's own code takes apart, in bounded time and memory."""

ALL_FIELDS = Fields()


def read_documents(path: Path, name: str, fields: Fields = ALL_FIELDS) -> Reading:
    """The documents of one file, and a rejection for each row, or the rest of a file, that cannot be read.

    Args:
        path: the file.
        name: what to call it in the rows.
        fields: of formats that have rows.

    Raises:
        FusionError: the file may not be opened, or a package of the `text` extra is needed and missing.
    """
    reader = _READERS.get(suffix_of(path))
    if reader is None:
        yield unread(name, None, f"not one of {', '.join(_READERS)}, nor one of them packed by gzip or zstd")
        return
    try:
        yield from reader(fields).read(Opened(path, name))
    except UnreadableError as error:
        yield unread(name, None, str(error))
