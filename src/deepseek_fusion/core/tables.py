"""Rows of CSV and TSV text, as every room reads them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from deepseek_fusion.core.errors import FusionError


def table_rows(
    text: str | Iterable[str], delimiter: str, longest: int = 1 << 30
) -> Iterator[tuple[int, list[str] | str]]:
    """The rows of a table, each with the line it starts on; for one that cannot be read, what is wrong with it.

    The caller decides whether a broken row ends everything or is left out.

    Args:
        text: all of it, or its lines with their ends.
        longest: characters of a field.
    """
    csv.field_size_limit(longest)  # by itself the module takes no more than 128 KiB
    lines = io.StringIO(text, newline="") if isinstance(text, str) else text
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            said = str(error).replace("\t", "a tab")  # it names the delimiter
            yield line, f"broken CSV ({said})"


def whole_table(place: str, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, for a reader who wants all of them.

    Raises:
        FusionError: a row is broken; names `place` and the line.
    """
    for line, row in table_rows(text, delimiter):
        if isinstance(row, str):
            raise FusionError(f"{place}, line {line}: {row}; check the quotes of this row.")
        if "".join(row).strip():
            yield line, row
