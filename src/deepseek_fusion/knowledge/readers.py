"""Files of facts: CSV or JSON Lines of triples, and OBO ontologies."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.tables import whole_table
from deepseek_fusion.knowledge.graph import Triple
from deepseek_fusion.knowledge.obo import parse_obo

_REQUIRED = ("subject", "relation", "object")


@dataclass(frozen=True)
class Record:
    """One stated fact, and other names of its subject."""

    triple: Triple
    synonyms: tuple[str, ...] = ()


def read_knowledge(path: Path) -> list[Record]:
    """All facts of one file; facts stated twice stay twice.

    Raises:
        FusionError: the file or one of its lines cannot be used; the message names the line and the field.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise FusionError(f"{path}: knowledge files end in {', '.join(_READERS)}; convert this one.")
    records = list(reader(path, _text_of(path)))
    if not records:
        raise FusionError(f"{path}: holds no facts; add rows of subject, relation, object.")
    return records


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FusionError(f"{path}: cannot be read ({error.strerror}); check the path and its rights.") from None
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x} (at {error.start})"
        raise FusionError(f"{path}, line {line}: {byte} is not UTF-8; save the file as UTF-8.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FusionError(f"{path}, line {line}: holds a NUL byte, so it is not a text file; export it again.")
    return text


def _read_csv(path: Path, text: str) -> Iterator[Record]:
    header_line = text.partition("\n")[0]
    delimiter = "\t" if "\t" in header_line else ","
    rows = whole_table(str(path), text, delimiter)
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
        yield _record(path, line, fields, fields.get("synonyms", "").split("|"))


def _read_jsonl(path: Path, text: str) -> Iterator[Record]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            fields = json.loads(content)
        except RecursionError:
            raise FusionError(f"{path}, line {line}: JSON nested too deep; write one flat object a line.") from None
        except ValueError as error:
            raise FusionError(f"{path}, line {line}: not JSON ({error}); write one object a line.") from None
        if not isinstance(fields, dict):
            raise FusionError(f"{path}, line {line}: not a JSON object; write one object a line.")
        synonyms = fields.get("synonyms") or []
        if not isinstance(synonyms, list):
            raise FusionError(f"{path}, line {line}: `synonyms` is not a list; write a list of names.")
        yield _record(path, line, fields, synonyms)


def _read_obo(path: Path, text: str) -> Iterator[Record]:
    for term in parse_obo(path, text):
        synonyms = tuple(dict.fromkeys(name for name in term.synonyms if name != term.name))
        for line, relation, value in term.facts:
            fields = {"subject": term.name, "relation": relation, "object": value}
            yield _record(path, line, fields, synonyms)


def _record(path: Path, line: int, fields: dict[str, Any], synonyms: Iterable[Any]) -> Record:
    def clean(field: str, value: Any) -> str:
        return _clean(f"{path}, line {line}", field, value)

    for name in _REQUIRED:
        if not clean(name, fields.get(name)):
            raise FusionError(f"{path}, line {line}: `{name}` is missing or empty; fill it in or delete the line.")
    subject, relation, value = (clean(name, fields[name]) for name in _REQUIRED)
    source = clean("source", fields.get("source")) or f"{path.name}:{line}"
    names = dict.fromkeys(clean("synonyms", name) for name in synonyms)
    return Record(Triple(subject, relation, value, source), tuple(name for name in names if name and name != subject))


def _clean(place: str, field: str, value: Any) -> str:
    """The value as trimmed NFC text; empty for None."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FusionError(f"{place}: `{field}` is {value!r:.40}, not text; put it in quotes.")
    text = unicodedata.normalize("NFC", value.strip())
    for character in "" if text.isprintable() else text:
        category = unicodedata.category(character)
        if category in ("Zl", "Zp") or character in "\r\n":
            raise FusionError(f"{place}: `{field}` holds a line break; write it on one line.")
        if category in ("Cc", "Cs"):
            raise FusionError(f"{place}: `{field}` holds the control character {character!a}; remove it.")
    return text


_READERS: dict[str, Callable[[Path, str], Iterator[Record]]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_jsonl,
    ".obo": _read_obo,
}
