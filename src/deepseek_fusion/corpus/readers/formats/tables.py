"""CSV and TSV, one document a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deepseek_fusion.core.tables import table_rows
from deepseek_fusion.corpus.documents import Document, unread
from deepseek_fusion.corpus.readers.decoding import Decoder
from deepseek_fusion.corpus.readers.opening import MOST_LINE, Opened, UnreadableError
from deepseek_fusion.corpus.readers.reader import Reader, Reading

_DELIMITERS = ",\t;"  # the first one if the header has a single column


class TableReader(Reader):
    """The text column, and the columns to keep, of each row."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")

    def read(self, file: Opened) -> Reading:
        """Row by row; one that is broken or has another number of fields is rejected."""
        lines = _lines(file)
        first = next(lines, "")
        delimiter = max(_DELIMITERS, key=first.count)
        columns: list[str] | None = None
        for line, row in table_rows(_with(first, lines), delimiter, MOST_LINE):
            if isinstance(row, str):
                yield unread(file.name, line, row)
            elif columns is None:
                columns = self._columns(row)
            elif len(row) == len(columns):
                fields = dict(zip(columns, row, strict=True))
                yield Document(file.name, self.fields.text_of(fields) or "", line, self.fields.metadata(fields))
            elif row:
                reason = f"{len(row)} fields where the header has {len(columns)}"
                yield unread(file.name, line, reason, ",".join(row))

    def _columns(self, header: list[str]) -> list[str]:
        names = [column.strip() for column in header]
        own = {name.casefold(): name for name in (self.fields.answer, self.fields.question, self.fields.text)}
        columns = [name if name in self.fields.keep else own.get(name.casefold(), name.casefold()) for name in names]
        if fault := self.fields.missing_in(columns):
            raise UnreadableError(f"the header has {fault}")
        return columns


def _with(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _lines(file: Opened) -> Iterator[str]:
    decoder = Decoder()
    for number, data in file.lines():
        if data is None:
            raise UnreadableError(f"line {number} is longer than {MOST_LINE >> 20} MB")
        # What cannot be decoded stays visibly damaged, so that its row is rejected and no other
        text = decoder(data)
        yield f"{data.decode('utf-8', 'replace') if text is None else text}\n"
