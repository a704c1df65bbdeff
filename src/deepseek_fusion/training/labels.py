"""Rows of the tasks of phase `multitask`, checked line by line."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import numbered_rows
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.settings.phases import TaskConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.models.heads import Task

FIELDS = {
    "classification": [{"text", "label"}],
    "rating": [{"text", "rating"}],
    "labelling": [{"text", "words", "tags"}],
    "text": [{"text"}, {"question", "answer"}],
}
"""What a row of each kind of task may consist of."""


@dataclass(frozen=True)
class Labelled:
    """One row.

    Attributes:
        place: its file and line.
        text: what is read; of a `question`, the question.
        words: what is labelled, for `labelling`.
        targets: the class or rating, or the label of each word.
        answer: for `question` and `answer`.
    """

    place: str
    text: str
    words: tuple[str, ...] = ()
    targets: tuple[Any, ...] = ()
    answer: str | None = None


def read_labels(config: Mapping[str, TaskConfig], labels: Source) -> dict[str, list[Labelled]]:
    """The rows of each task.

    Raises:
        FusionError: there are no tasks, or a row cannot be used; the message names file, line and field.
    """
    if not config:
        raise FusionError(
            "training.multitask.tasks: phase `multitask` has none; name at least one, with `kind` and `files`."
        )
    rows: dict[str, list[Labelled]] = {}
    for name, task in config.items():
        files = Source(task.files, labels.folder).files
        rows[name] = [row for file in files for row in _rows(file, task.kind)]
        if not rows[name]:
            raise FusionError(f"{files[0]}: holds no rows for task `{name}`; add some or leave the task out.")
    return rows


def task_of(name: str, kind: str, rows: list[Labelled]) -> Task | None:
    """What a head must know before it learns: the labels, or how ratings are spread. None for `text`.

    Raises:
        FusionError: all rows have the same answer.
    """
    if kind == "text":
        return None
    values = [target for row in rows for target in row.targets]
    if len(set(values)) < 2:
        what = {"classification": "class", "rating": "rating", "labelling": "tag"}[kind]
        file = rows[0].place.rpartition(", line")[0]
        raise FusionError(f"{file}: every row of task `{name}` has the {what} {values[0]!r}; two at least are needed.")
    if kind == "rating":
        mean = math.fsum(values) / len(values)
        return Task(name, "rating", (), mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values)))
    return Task(name, "classification" if kind == "classification" else "labelling", tuple(sorted(set(values))))


def _rows(file: Path, kind: str) -> Iterator[Labelled]:
    for line, row in numbered_rows(file):
        place = f"{file}, line {line}"
        _check_fields(place, row, kind)
        text = _text(place, row, "question" if "question" in row else "text")
        if kind == "classification":
            yield Labelled(place, text, targets=(_text(place, row, "label"),))
        elif kind == "rating":
            yield Labelled(place, text, targets=(_number(place, row["rating"]),))
        elif kind == "labelling":
            yield Labelled(place, text, *_tagged(place, row, text))
        else:
            yield Labelled(place, text, answer=_text(place, row, "answer") if "answer" in row else None)


def _check_fields(place: str, row: Mapping[str, Any], kind: str) -> None:
    sets = FIELDS[kind]
    wanted = next((own for own in sets if own & row.keys()), sets[0])
    names = " and ".join(f"`{name}`" for name in sorted(wanted))
    for name in row.keys() - wanted:
        near = difflib.get_close_matches(name, wanted, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"a row of kind {kind} has {names}."
        raise FusionError(f"{place}: unknown field `{name}`; {hint}")
    for name in sorted(wanted - row.keys()):
        raise FusionError(f"{place}: `{name}` is missing; a row of kind {kind} has {names}.")


def _text(place: str, row: Mapping[str, Any], field: str) -> str:
    value = row[field]
    if not isinstance(value, str) or not value.strip():
        raise FusionError(f"{place}: `{field}` is {value!r:.40}, where a text is needed; mend the line or delete it.")
    return value


def _number(place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FusionError(f"{place}: `rating` is {value!r:.40}, where a number is needed; mend the line or delete it.")
    return float(value)


def _tagged(place: str, row: Mapping[str, Any], text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    for field in ("words", "tags"):
        if not isinstance(row[field], list) or not all(isinstance(item, str) and item for item in row[field]):
            raise FusionError(f"{place}: `{field}` is not a list of texts; write one for each word.")
    words, tags = tuple(row["words"]), tuple(row["tags"])
    if len(words) != len(tags) or not words:
        raise FusionError(f"{place}: {len(tags)} tags for {len(words)} words; give each word one tag.")
    cursor = 0
    for word in words:
        at = text.find(word, cursor)
        if at < 0 or not word.strip():
            raise FusionError(f"{place}: the word {word!r} does not stand in the text after the words before it.")
        cursor = at + len(word)
    return words, tags
