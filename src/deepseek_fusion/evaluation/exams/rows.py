"""Rows of fields from CSV, TSV, JSON and JSON Lines files."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.tables import whole_table

LETTERS = string.ascii_uppercase


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Rows of a table, of JSON Lines, or of one JSON list or object of entries.

    Yields:
        the line that a row begins on (in one JSON value: the number of the entry), and its fields under case-folded
        names or, where there is no row, what is wrong with the line.

    Raises:
        FusionError: the file cannot be read, is not UTF-8, or is a table with broken quotes.
    """
    text = _text(path)
    if path.suffix.lower() in (".csv", ".tsv"):
        yield from _table(path, text)
        return
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, list) or (isinstance(value, dict) and all(isinstance(v, dict) for v in value.values())):
        entries = value if isinstance(value, list) else value.values()
        yield from ((number, _folded(entry)) for number, entry in enumerate(entries, start=1))
        return
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            try:
                yield line, _folded(json.loads(content))
            except (ValueError, RecursionError):
                yield line, "not JSON"


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FusionError(f"{path}: cannot be read ({error.strerror}); check the path and its rights.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise FusionError(f"{path}, line {line}: not UTF-8; save the file as UTF-8.") from None


def _folded(value: object) -> dict[str, Any] | str:
    if not isinstance(value, dict):
        return "not a JSON object"
    return {str(key).strip().casefold(): entry for key, entry in value.items()}


def _table(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Rows of a table under their header, or under MMLU's columns if it has none."""
    lines = whole_table(str(path), text, "\t" if path.suffix.lower() == ".tsv" else ",")
    first = next(lines, None)
    if first is None:
        return
    header = [name.strip().casefold() for name in first[1]]
    if "question" not in header:
        header = ["question", *(letter.casefold() for letter in LETTERS[: len(header) - 2]), "answer"]
        yield first[0], _named(header, first[1])
    for line, row in lines:
        yield line, _named(header, row)


def _named(header: Sequence[str], row: Sequence[str]) -> dict[str, Any] | str:
    return (
        dict(zip(header, row, strict=True)) if len(row) == len(header) else "another number of fields than the header"
    )
