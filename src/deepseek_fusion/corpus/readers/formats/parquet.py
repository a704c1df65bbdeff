"""Parquet, one document a row."""

from __future__ import annotations

import io
from typing import ClassVar

from deepseek_fusion.core.errors import missing
from deepseek_fusion.corpus.documents import Document, Rejected, unread
from deepseek_fusion.corpus.readers.opening import MOST_LINE, Opened, UnreadableError
from deepseek_fusion.corpus.readers.reader import Reader, Reading

_ROWS = 512  # at a time


class ParquetReader(Reader):
    """The text column, and the columns to keep, of each row."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    def read(self, file: Opened) -> Reading:
        """Batch by batch; no other column is even read."""
        try:
            import pyarrow
            from pyarrow.parquet import ParquetFile
        except ModuleNotFoundError:
            raise missing("pyarrow", "Parquet", "text") from None
        content = io.BytesIO(file.whole()) if file.is_packed() else file.path
        number = 0
        try:
            with ParquetFile(content) as table:
                names = table.schema_arrow.names
                if fault := self.fields.missing_in(names):
                    raise UnreadableError(fault)
                wanted = (self.fields.text, self.fields.question, self.fields.answer, *self.fields.keep)
                columns = list(dict.fromkeys(name for name in wanted if name in names))
                for batch in table.iter_batches(_ROWS, columns=columns):
                    for row in batch.to_pylist():
                        number += 1
                        yield self._row(file.name, number, row)
        except (pyarrow.ArrowException, OSError) as error:
            raise UnreadableError(f"broken Parquet after row {number} ({str(error)[:120]})") from None

    def _row(self, name: str, number: int, row: dict[str, object]) -> Document | Rejected:
        text = self.fields.text_of(row)
        if text is None:
            return unread(name, number, f"`{self.fields.text}` is no text", str(row.get(self.fields.text))[:80])
        if len(text) > MOST_LINE:
            return unread(name, number, f"a text of more than {MOST_LINE >> 20} million characters")
        return Document(name, text, number, self.fields.metadata(row))
