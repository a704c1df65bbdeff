"""Things with attributes, as databases export them: a JSON object with a name and whatever is known of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.sources.knowledge import Knowledge, Origin, Record
from deepseek_fusion.knowledge.sources.origin import ABOUT_ITSELF, stated_origin
from deepseek_fusion.knowledge.sources.text import clean, text_of

NAMES = ("name", "label", "名称", "名字")
SYNONYMS = ("synonyms", "aliases", "别名", "同义词")
ATTRIBUTES = ("attributes", "属性")


def read_things(path: Path) -> Knowledge:
    """A JSON file: a list of things, or one thing; `{"name": "痛风", "症状": ["关节痛", "红肿"]}`.

    The name stands under `name`, `label` or `名称`, other names under `synonyms`, `aliases` or `别名`. Every other key
    (or every key under `attributes`) is a relation; its value is a text, a number, or a list of them.

    Raises:
        FusionError: the file or one of its things cannot be used.
    """
    text = text_of(path)
    try:
        found = json.loads(text)
    except RecursionError:
        raise FusionError(f"{path}: JSON nested too deep; write a list of flat objects.") from None
    except ValueError as error:
        raise FusionError(f"{path}: not JSON ({error}); write a list of objects.") from None
    things = found if isinstance(found, list) else [found]
    return Knowledge(path, records=_records(path, things))


def is_thing(fields: Mapping[str, Any]) -> bool:
    """A name, and no fact of its own."""
    return "subject" not in fields and any(name in fields for name in NAMES)


def _records(path: Path, things: list[Any]) -> Iterator[Record]:
    for number, thing in enumerate(things, start=1):
        place = f"{path}, object {number}"
        if not isinstance(thing, dict):
            raise FusionError(f"{place}: not a JSON object; write a list of objects.")
        yield from thing_records(place, Origin(f"{path.name}#{number}"), thing)


def thing_records(place: str, origin: Origin, fields: Mapping[str, Any]) -> Iterator[Record]:
    """One fact for each value of each attribute.

    Raises:
        FusionError: there is no name, or a value is neither a text nor a number nor a list of them.
    """
    name_field = next((field for field in NAMES if field in fields), NAMES[0])
    subject = clean(place, name_field, fields.get(name_field))
    if not subject:
        raise FusionError(f"{place}: `{name_field}` is missing or empty; every object needs a name.")
    synonyms = tuple(
        dict.fromkeys(
            name for field in SYNONYMS for name in _values(place, field, fields.get(field)) if name != subject
        )
    )
    origin = stated_origin(place, origin, fields)
    for relation, value in _attributes(place, name_field, fields):
        for text in _values(place, relation, value):
            yield Record(subject, relation, text, origin, synonyms)


def _attributes(place: str, name_field: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Relations and their values; what has no name is left out."""
    own = (name_field, *SYNONYMS, *ATTRIBUTES, *ABOUT_ITSELF)
    found = [(field, value) for field, value in fields.items() if field not in own]
    for field in ATTRIBUTES:
        nested = fields.get(field) or {}
        if not isinstance(nested, dict):
            raise FusionError(
                f"{place}: `{field}` is {nested!r:.40}, not an object; write a name and a value for each."
            )
        found += nested.items()
    for field, value in found:
        if relation := clean(place, "relation", field):
            yield relation, value


def _values(place: str, field: str, value: Any) -> list[str]:
    found = [_text(place, field, one) for one in (value if isinstance(value, list) else [value])]
    return [text for text in found if text]


def _text(place: str, field: str, value: Any) -> str:
    if isinstance(value, dict | list):
        raise FusionError(f"{place}: `{field}` is nested; write texts, numbers, or a list of them.")
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return clean(place, field, value)
