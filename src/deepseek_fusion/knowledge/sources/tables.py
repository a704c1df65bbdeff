"""Facts in rows of subject, relation and object: CSV, TSV and JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.tables import whole_table
from deepseek_fusion.knowledge.sources.attributes import is_thing, thing_records
from deepseek_fusion.knowledge.sources.knowledge import Knowledge, Origin, Record
from deepseek_fusion.knowledge.sources.origin import stated_origin
from deepseek_fusion.knowledge.sources.text import clean, text_of

_REQUIRED = ("subject", "relation", "object")


def read_table(path: Path) -> Knowledge:
    """A CSV or TSV file with the columns subject, relation, object and, where wanted, synonyms (separated by `|`),
    source, confidence and time.

    Raises:
        FusionError: the file, its header or, while the records are read, one of its rows cannot be used.
    """
    return Knowledge(path, records=_rows(path, text_of(path)))


def read_lines(path: Path) -> Knowledge:
    """JSON Lines with the same fields, synonyms as a list; or one thing with its attributes a line.

    Raises:
        FusionError: the file or, while the records are read, one of its lines cannot be used.
    """
    return Knowledge(path, records=_lines(path, text_of(path)))


def _rows(path: Path, text: str) -> Iterator[Record]:
    header_line = text.partition("\n")[0]
    rows = whole_table(str(path), text, "\t" if "\t" in header_line else ",")
    _, header = next(rows, (1, []))
    columns = [name.strip().casefold() for name in header]
    for name in _REQUIRED:
        if name not in columns:
            raise FusionError(f"{path}, line 1: the header has no column `{name}`; it needs subject,relation,object.")
    for line, row in rows:
        if len(row) != len(columns):
            raise FusionError(
                f"{path}, line {line}: {len(row)} fields where the header has {len(columns)};"
                " quote a field that holds the delimiter."
            )
        fields = dict(zip(columns, row, strict=True))
        synonyms = fields.get("synonyms", "")
        yield _record(path, line, fields, synonyms.split("|") if synonyms else ())


def _lines(path: Path, text: str) -> Iterator[Record]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        place = f"{path}, line {line}"
        try:
            fields = json.loads(content)
        except RecursionError:
            raise FusionError(f"{place}: JSON nested too deep; write one flat object a line.") from None
        except ValueError as error:
            raise FusionError(f"{place}: not JSON ({error}); write one object a line.") from None
        if not isinstance(fields, dict):
            raise FusionError(f"{place}: not a JSON object; write one object a line.")
        if is_thing(fields):
            yield from thing_records(place, Origin(path.name, line), fields)
            continue
        synonyms = fields.get("synonyms") or []
        if not isinstance(synonyms, list):
            raise FusionError(f"{place}: `synonyms` is not a list; write a list of names.")
        yield _record(path, line, fields, synonyms)


def _record(path: Path, line: int, fields: dict[str, Any], synonyms: Iterable[Any]) -> Record:
    place = f"{path}, line {line}"
    subject, relation, value = (clean(place, name, fields.get(name)) for name in _REQUIRED)
    if not (subject and relation and value):
        name = next(name for name in _REQUIRED if not clean(place, name, fields.get(name)))
        raise FusionError(f"{place}: `{name}` is missing or empty; fill it in or delete the line.")
    names = dict.fromkeys(clean(place, "synonyms", name) for name in synonyms)
    others = tuple(name for name in names if name and name != subject)
    return Record(subject, relation, value, stated_origin(place, Origin(path.name, line), fields), others)
