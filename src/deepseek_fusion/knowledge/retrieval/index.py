"""A question to an index: its parts search side by side, and ranks decide together."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.retrieval import links, postings
from deepseek_fusion.knowledge.retrieval.codes import Codes
from deepseek_fusion.knowledge.retrieval.store import FILE, Encodes, broken, connect, fact
from deepseek_fusion.knowledge.retrieval.words import words_of

Part = Literal["words", "meaning", "graph"]
PARTS: tuple[Part, ...] = ("words", "meaning", "graph")
"""Lexical, dense, and the neighbourhood of the question's terms."""

Where = Mapping[str, str | Sequence[str]]
"""A value, or several to choose from, for `source`, `language` or any field of the metadata."""

_DAMPING = 60  # of reciprocal-rank fusion
_DEPTH = 50  # passages of each part that are fused, at least


@dataclass(frozen=True)
class Hit:
    """A passage that was found.

    Attributes:
        first: place of its first character in the document; `last` is the one after its last.
        score: of the fusion; comparable for one question only.
        ranks: for each part that found it, at which rank, from 1.
    """

    document: str
    first: int
    last: int
    text: str
    source: str
    language: str
    metadata: Mapping[str, str]
    score: float
    ranks: Mapping[Part, int]

    @property
    def citation(self) -> str:
        """Where a person finds it."""
        return f"{self.source or self.document}, characters {self.first + 1} to {self.last}"


@dataclass(frozen=True)
class Found:
    """What a question brought up.

    Attributes:
        hits: best first.
        terms: those of the graph that the question names.
        warning: which part is missing and why; empty if none is.
    """

    hits: list[Hit]
    terms: list[str]
    warning: str = ""


class Index:
    """An open index, for one process and any number of its threads; it follows what others write.

    Args:
        folder: of the index.
        encoder: the one that made its vectors; without it nothing is found by meaning.
        warning: why there is none.

    Raises:
        FusionError: there is no index, or the encoder is another one.
    """

    def __init__(self, folder: Path, encoder: Encodes | None = None, warning: str = "") -> None:
        self._file = folder / FILE
        self._database = connect(folder)
        self.encoder = encoder
        self._warning = warning
        self._lock = threading.Lock()
        self._epoch = ""
        if encoder and encoder.key != fact(self._database, "encoder_key"):
            raise FusionError(f"{self._file}: its vectors are of another encoder; make the index again.")
        with self._snapshot():
            pass

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __len__(self) -> int:
        """Passages."""
        with self._snapshot():
            return int((self._lengths > 0).sum())

    def arrange(self) -> None:
        """Make searching by meaning faster for whoever has many questions; see `Codes.arrange`."""
        with self._snapshot():
            self._codes.arrange()

    def search(
        self, question: str, count: int = 10, where: Where | None = None, parts: Sequence[Part] = PARTS
    ) -> Found:
        """The passages that answer a question best.

        Args:
            count: how many at most.
            where: what must hold for a passage's document.
            parts: which of them take part.
        """
        vector = self._vector(question) if "meaning" in parts else None
        depth = max(_DEPTH, 2 * count)
        with self._snapshot():
            wanted = self._wanted(where or {})
            (linked,) = links.terms_in(self._database, [question])
            ranked: dict[Part, list[int]] = {}
            if "words" in parts:
                words = words_of(question)
                ranked["words"] = postings.rank_words(self._database, words, self._lengths, wanted, depth)
            if vector is not None:
                ranked["meaning"] = self._codes.rank(vector, depth, wanted if where else None)
            if "graph" in parts:
                ranked["graph"] = links.rank_linked(self._database, linked, wanted, depth)
            terms = [self._one("SELECT term FROM terms WHERE id = ?", term)[0] for term in linked]
            hits = [self._hit(*fused) for fused in fuse(ranked)[:count]]
        return Found(hits, terms, self._warning)

    def _vector(self, question: str) -> np.ndarray | None:
        """None for a question that the encoder cannot read."""
        if self.encoder is None or not self.encoder.reads(question):
            return None
        vector: np.ndarray = self.encoder.encode([question], query=True)[0]
        return vector

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """The index as it is at one moment, and what is kept of it in memory as well."""
        with self._lock, broken(self._file):
            self._database.execute("BEGIN")
            try:
                self._follow()
                yield
            finally:
                self._database.execute("ROLLBACK")

    def _follow(self) -> None:
        """Take over what was written since the last question."""
        epoch = fact(self._database, "epoch") or ""
        if epoch != self._epoch:
            self._epoch = epoch
            self._lengths = np.zeros(1, np.float32)
            self._codes = Codes(int(fact(self._database, "dimensions") or 0))
            self._last = self._gone = 0
        last = self._one("SELECT COALESCE(MAX(id), 0) FROM passages")[0]
        gone = self._one("SELECT COALESCE(MAX(id), 0) FROM deleted")[0]
        if last > self._last:
            self._add(last)
        if gone > self._gone:
            rows = self._database.execute("SELECT passage FROM deleted WHERE id > ?", (self._gone,))
            numbers = np.array([row[0] for row in rows], np.int64)
            self._lengths[numbers[numbers < len(self._lengths)]] = 0
            self._codes.drop(numbers)
            self._gone = gone

    def _add(self, last: int) -> None:
        lengths = np.zeros(last + 1, np.float32)
        lengths[: len(self._lengths)] = self._lengths
        rows = self._database.execute("SELECT id, words FROM passages WHERE id > ?", (self._last,)).fetchall()
        lengths[[row[0] for row in rows]] = [row[1] for row in rows]
        self._lengths = lengths
        if self.encoder:
            query = "SELECT passage, vector FROM vectors WHERE passage > ? ORDER BY passage"
            found = self._database.execute(query, (self._last,)).fetchall()
            halves = np.frombuffer(b"".join(row[1] for row in found), "<u2").reshape(-1, self._codes.dimensions)
            self._codes.put(np.array([row[0] for row in found], np.int64), halves)
        self._last = last

    def _wanted(self, where: Where) -> np.ndarray:
        """[P + 1] whether a passage is there and may be found, by number."""
        wanted = self._lengths > 0
        for name, values in where.items():
            listed = [values] if isinstance(values, str) else list(values)
            rows = self._database.execute(
                "SELECT id FROM passages WHERE document IN (SELECT document FROM fields WHERE name = ? AND value IN "
                f"({', '.join('?' * len(listed))}))",
                (name, *listed),
            )
            own = np.zeros(len(wanted), bool)
            own[[row[0] for row in rows]] = True
            wanted &= own
        return wanted

    def _hit(self, passage: int, score: float, ranks: Mapping[Part, int]) -> Hit:
        document, first, last, text = self._one(
            "SELECT document, first, last, text FROM passages WHERE id = ?", passage
        )
        known = json.loads(self._one("SELECT metadata FROM documents WHERE id = ?", document)[0])
        return Hit(document, first, last, text, known["source"], known["language"], known["metadata"], score, ranks)

    def _one(self, query: str, *values: object) -> Any:
        return self._database.execute(query, values).fetchone()


def fuse(ranked: Mapping[Part, Sequence[int]]) -> list[tuple[int, float, dict[Part, int]]]:
    """Passages with score and ranks, best first, by reciprocal-rank fusion (Cormack et al., 2009)."""
    scores: defaultdict[int, float] = defaultdict(float)
    ranks: defaultdict[int, dict[Part, int]] = defaultdict(dict)
    for part, passages in ranked.items():
        for rank, passage in enumerate(passages, start=1):
            scores[passage] += 1 / (_DAMPING + rank)
            ranks[passage][part] = rank
    order = sorted(scores, key=lambda passage: (-scores[passage], passage))
    return [(passage, scores[passage], ranks[passage]) for passage in order]
