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
from deepseek_fusion.knowledge.sources.origin import ABOUT_ITSELF, stated_origin
from deepseek_fusion.knowledge.sources.text import Cleaned, clean, cleaned_or_none, text_of

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
    bare = not {"synonyms", *ABOUT_ITSELF} & set(columns)
    subject, relation, value = (columns.index(name) for name in _REQUIRED)
    known, file = Cleaned(), path.name
    for line, row in rows:
        if len(row) != len(columns):
            raise FusionError(
                f"{path}, line {line}: {len(row)} fields where the header has {len(columns)};"
                " quote a field that holds the delimiter."
            )
        if bare:  # a million rows of this kind are common
            one, link, other = known[row[subject]], known[row[relation]], known[row[value]]
            if one and link and other:
                yield Record(one, link, other, Origin(file, line))
            else:
                yield _fact(path, line, row[subject], row[relation], row[value])
            continue
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
    fact = _fact(path, line, *(fields.get(name) for name in _REQUIRED))
    place = f"{path}, line {line}"
    names = dict.fromkeys(clean(place, "synonyms", name) for name in synonyms)
    others = tuple(name for name in names if name and name != fact.subject)
    return fact._replace(origin=stated_origin(place, fact.origin, fields), synonyms=others)


def _fact(path: Path, line: int, *values: Any) -> Record:
    cleaned = [cleaned_or_none(value) for value in values]
    if all(cleaned):
        return Record(cleaned[0], cleaned[1], cleaned[2], Origin(path.name, line))  # type: ignore[arg-type]
    place = f"{path}, line {line}"
    for name, value in zip(_REQUIRED, values, strict=True):
        if not clean(place, name, value):
            raise FusionError(f"{place}: `{name}` is missing or empty; fill it in or delete the line.")
    raise AssertionError(values)
