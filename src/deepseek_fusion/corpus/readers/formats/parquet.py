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
                if self.fields.text not in names:
                    raise UnreadableError(f"no column `{self.fields.text}`, but {', '.join(names)[:80]}")
                columns = [self.fields.text, *(name for name in self.fields.keep if name in names)]
                for batch in table.iter_batches(_ROWS, columns=columns):
                    for row in batch.to_pylist():
                        number += 1
                        yield self._row(file.name, number, row)
        except (pyarrow.ArrowException, OSError) as error:
            raise UnreadableError(f"broken Parquet after row {number} ({str(error)[:120]})") from None

    def _row(self, name: str, number: int, row: dict[str, object]) -> Document | Rejected:
        text = row[self.fields.text]
        if not isinstance(text, str):
            return unread(name, number, f"`{self.fields.text}` is no text", str(text)[:80])
        if len(text) > MOST_LINE:
            return unread(name, number, f"a text of more than {MOST_LINE >> 20} million characters")
        return Document(name, text.strip(), number, self.fields.metadata(row))
