"""Decontamination: texts that hold a part of an exam word by word would teach its answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.tables import whole_table
from deepseek_fusion.corpus.documents import Document, Level
from deepseek_fusion.corpus.filters.base import Batch, Filter, Reason
from deepseek_fusion.corpus.readers.files import read_documents
from deepseek_fusion.corpus.readers.opening import Opened, UnreadableError, suffix_of
from deepseek_fusion.corpus.words import Hashes, Words
from deepseek_fusion.knowledge.language import language_of

_SHORTEST = 0.6  # of the length that counts: items so long are looked for as a whole, shorter ones are too common


class InExam(Filter):
    """Texts that share so many words in a row with an item of an exam.

    Args:
        items: (place, text) of each question, answer or passage.
        length: words in a row; twice as many characters in Chinese.
    """

    name: ClassVar[str] = "in_exam"
    level: ClassVar[Level] = "exam"

    def __init__(self, items: Iterable[tuple[str, str]], length: int) -> None:
        self.parts: dict[int, tuple[Hashes, list[str]]] = {}
        by_length: dict[int, list[tuple[str, str]]] = {}
        for place, text in items:
            full = 2 * length if language_of(text) == "zh" else length
            words = len(Words([text]).hashes)
            if words >= _SHORTEST * full:
                by_length.setdefault(min(words, full), []).append((place, text))
        for size, chosen in by_length.items():
            hashes, item = Words([text for _, text in chosen]).grams(size)
            hashes, first = np.unique(hashes, return_index=True)
            self.parts[size] = hashes, [chosen[number][0] for number in item[first]]

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Name the item."""
        found: list[Reason | None] = [None] * len(batch)
        for size, (hashes, places) in self.parts.items():
            grams, text = batch.words.grams(size)
            place = np.minimum(np.searchsorted(hashes, grams), len(hashes) - 1)
            for hit in np.flatnonzero(hashes[place] == grams):
                found[text[hit]] = found[text[hit]] or Reason(f"{size} words in a row as in {places[place[hit]]}")
        return found


def exam_items(path: Path, name: str) -> Iterator[tuple[str, str]]:
    """(place, text) of every text in a file of questions: JSON, JSON Lines, CSV, TSV, or a document of any kind.

    Raises:
        FusionError: the file cannot be read.
    """
    try:
        if (suffix := suffix_of(path)) in (".json", ".jsonl", ".ndjson"):
            yield from _json_items(Opened(path, name), suffix == ".json")
        elif suffix in (".csv", ".tsv"):
            text = Opened(path, name).text()
            for line, row in whole_table(name, text, "\t" if suffix == ".tsv" else ","):
                yield from ((f"{name}:{line}", field) for field in row)
        else:
            for item in read_documents(path, name):
                if not isinstance(item, Document):
                    raise UnreadableError(item.reason)
                yield from ((item.place, block) for block in item.text.split("\n"))
    except (UnreadableError, ValueError, RecursionError) as error:
        raise FusionError(f"corpus.exams: {path} cannot be read ({error}); mend it or leave it out.") from None


def _json_items(file: Opened, is_whole: bool) -> Iterator[tuple[str, str]]:
    for line, text in [(0, file.text())] if is_whole else enumerate(file.text().split("\n"), start=1):
        if text.strip():
            yield from ((f"{file.name}:{line}" if line else file.name, found) for found in _texts(json.loads(text)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
