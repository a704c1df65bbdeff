"""The book of what was turned away: every row with its reason on disk, counts and examples at hand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deepseek_fusion.core.artifacts import writing
from deepseek_fusion.corpus.documents import Level, Rejected

_EXAMPLES = 5
_AS_LINE = json.JSONEncoder(ensure_ascii=False).encode
SCORED = {
    "too_short": "characters",
    "repetitive": "repetition",
    "mismatch": "probability",
    "incoherent": "probability",
}
"""Filters that look at one text alone, and the score that they go by: what they reject is not compared with others."""


class Ledger:
    """Rejected rows in the order in which they were rejected."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.counts: Counter[tuple[Level, str]] = Counter()
        self.examples: dict[str, list[Rejected]] = {}
        self.first: Rejected | None = None
        self.scores: dict[str, list[float]] = {name: [] for name in SCORED}

    def add(self, rejected: Rejected) -> None:
        """Write down one more."""
        self.first = self.first or rejected
        self.counts[rejected.level, rejected.filter] += 1
        if rejected.filter in self.scores and rejected.score is not None:
            self.scores[rejected.filter].append(rejected.score)
        examples = self.examples.setdefault(rejected.filter, [])
        if len(examples) < _EXAMPLES:
            examples.append(rejected)
        self.file.write(_AS_LINE(rejected.row()).encode("utf-8", "backslashreplace") + b"\n")

    def by_filter(self) -> dict[str, int]:
        """How many each filter rejected, in the order in which they stand."""
        return {name: count for (_, name), count in self.counts.items()}


@contextmanager
def ledger(path: Path) -> Iterator[Ledger]:
    """A new book; the file appears when it is closed."""
    with writing(path) as file:
        yield Ledger(file)
