"""Rows of CSV and TSV text, as every room reads them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from deepseek_fusion.core.errors import FusionError


def table_rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """The rows of a table, each with the line it starts on; for one that cannot be read, what is wrong with it.

    The caller decides whether a broken row ends everything or is left out.
    """
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a field may well be longer than 128 KiB
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"broken CSV ({error})"


def whole_table(place: str, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, for a reader who wants all of them.

    Raises:
        FusionError: a row is broken; names `place` and the line.
    """
    for line, row in table_rows(text, delimiter):
        if isinstance(row, str):
            raise FusionError(f"{place}, line {line}: {row}; check the quotes of this row.")
        if any(field.strip() for field in row):
            yield line, row
