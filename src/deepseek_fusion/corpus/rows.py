"""Documents as rows of a table, with all that can be said of each text alone: what a worker process makes of files."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow

from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.filters.base import Batch, Filter, sift
from deepseek_fusion.corpus.filters.basic import Damaged, OtherLanguage, TooShort
from deepseek_fusion.corpus.filters.exam import InExam, exam_items
from deepseek_fusion.corpus.filters.semantic import Incoherent, Judged, Mismatch, probabilities
from deepseek_fusion.corpus.minhash import BINS, Signatures
from deepseek_fusion.corpus.personal import Mask
from deepseek_fusion.corpus.readers.files import read_documents
from deepseek_fusion.corpus.readers.reader import Fields
from deepseek_fusion.corpus.semantic.judge import PACKAGED, Judge
from deepseek_fusion.corpus.words import Places
from deepseek_fusion.knowledge.language import Language

SCHEMA = pyarrow.schema(
    {
        "source": pyarrow.string(),
        "line": pyarrow.int32(),
        "text": pyarrow.string(),  # of a rejected row its beginning
        "id": pyarrow.string(),
        "language": pyarrow.string(),
        "metadata": pyarrow.string(),  # JSON
        "characters": pyarrow.int32(),
        "masked": pyarrow.string(),  # JSON, how much of each kind
        "digest": pyarrow.binary(16),
        "signature": pyarrow.binary(2 * BINS),
        "features": pyarrow.binary(),  # [F, 2] numbers and how often, if there is a domain
        "probability": pyarrow.float32(),  # of the semantic level, null where it did not judge
        "level": pyarrow.string(),
        "filter": pyarrow.string(),
        "reason": pyarrow.string(),
        "score": pyarrow.float32(),
    }
)
_ROWS, _CHARACTERS, _SECONDS = 512, 1 << 20, 5.0
"""A batch is full with so many rows, or so much text; how long it took must not matter, or no two runs are alike. While
it fills, there is a sign of life after so long."""


class File(NamedTuple):
    """A file of the user, and what to call it in the rows."""

    path: Path
    name: str


class Event(NamedTuple):
    """A file was begun or goes on, or rows are there that end all files before `file`."""

    file: int
    rows: pyarrow.RecordBatch | None


class Rows:
    """The rows of files under a section.

    Args:
        section: what to read, mask and filter.
        exams: files of questions to keep clear of.
        judge: the model of the semantic level; the packaged one if absent.

    Raises:
        FusionError: an exam or the judge cannot be read.
    """

    def __init__(self, section: CorpusConfig, exams: Sequence[File], judge: Path | None = None) -> None:
        semantic = section.semantic
        self.fields = Fields(section.text_field, section.keep_fields, semantic.question_field, semantic.answer_field)
        self.mask = Mask(section.personal)
        self.has_domain = bool(section.domain.terms or section.domain.seeds)
        self.filters: list[Filter] = [TooShort(section.min_characters), Damaged(), OtherLanguage(section.languages)]
        self.semantic: list[Judged] = []
        if semantic.judges:
            own = Judge.load(judge or PACKAGED)
            kinds = {"answers": Mismatch, "passages": Incoherent}
            self.semantic = [kinds[kind](own, semantic) for kind in semantic.judges]
            self.filters += self.semantic
        if exams:
            items = (item for exam in exams for item in exam_items(exam.path, exam.name))
            self.filters.append(InExam(items, section.exam_words))

    def of(self, files: Sequence[File]) -> Iterator[Event]:
        """Rows in the order of the files.

        Raises:
            FusionError: a file may not be opened, or a package of the `text` extra is needed and missing.
        """
        items: list[Document | Rejected] = []
        size, since = 0, time.monotonic()
        for number, file in enumerate(files):
            yield Event(number, None)
            for item in self._read(file):
                items.append(item)
                size += len(item.text) if isinstance(item, Document) else 0
                if len(items) >= _ROWS or size >= _CHARACTERS:
                    yield Event(number, self.batch(items))
                    items, size, since = [], 0, time.monotonic()
                elif time.monotonic() - since > _SECONDS:
                    yield Event(number, None)
                    since = time.monotonic()
        if items:
            yield Event(len(files), self.batch(items))

    def batch(self, items: Sequence[Document | Rejected]) -> pyarrow.RecordBatch:
        """One row an item, in order."""
        documents: list[Document] = []
        masked: list[Counter[str]] = []
        for item in items:
            if isinstance(item, Document):
                document, found = self._masked(item)
                documents.append(document)
                masked.append(found)
        batch = Batch(documents)
        rejected = map(self._judged, documents, masked, sift(batch, self.filters))
        packed = _packed(batch) if self.has_domain else None
        sure = probabilities(batch, self.semantic).tolist()
        judged = iter(_rows(batch, rejected, masked, packed, sure))
        rows = [next(judged) if isinstance(item, Document) else self._unread(item) for item in items]
        return pyarrow.RecordBatch.from_pylist(rows, SCHEMA)

    def _masked(self, document: Document) -> tuple[Document, Counter[str]]:
        text, found = self.mask(document.text, document.personal)
        metadata = {name: self.mask(value, document.personal)[0] for name, value in document.metadata.items()}
        return Document(document.source, text, document.line, metadata), found

    def _judged(self, document: Document, found: Counter[str], rejected: Rejected | None) -> Rejected | None:
        reason = self.mask.refuses(found)
        return document.rejected("personal", reason) if reason else rejected

    def _unread(self, rejected: Rejected) -> dict[str, Any]:
        return _rejected_row(replace(rejected, excerpt=self.mask(rejected.excerpt)[0]))

    def _read(self, file: File) -> Iterator[Document | Rejected]:
        try:
            yield from read_documents(file.path, file.name, self.fields)
        except MemoryError:
            yield Rejected(file.name, None, "reader", "takes more memory than a file may", level="reading")


def _packed(batch: Batch) -> list[bytes]:
    features, text, times = batch.features
    table = np.stack((features, times), axis=1).astype(np.uint32)
    ends = np.searchsorted(text, np.arange(1, len(batch.documents)))
    return [part.tobytes() for part in np.split(table, ends)]


def _rows(
    batch: Batch,
    judged: Iterable[Rejected | None],
    masked: Iterable[Counter[str]],
    features: Sequence[bytes] | None,
    sure: Sequence[float],
) -> Iterator[dict[str, Any]]:
    for number, (document, rejected, found) in enumerate(zip(batch.documents, judged, masked, strict=True)):
        if rejected is not None:
            yield {**_rejected_row(rejected), "characters": batch.characters[number]}
            continue
        yield {
            "source": safe(document.source),
            "line": document.line,
            "text": document.text,
            "id": sha256(document.text.encode()).hexdigest()[:16],
            "language": batch.words.languages[number],
            "metadata": json.dumps(document.metadata) if document.metadata else None,
            "characters": batch.characters[number],
            "masked": json.dumps(found) if found else None,
            "digest": batch.digests[number],
            "signature": batch.signatures[number].tobytes(),
            "features": features and features[number],
            "probability": None if math.isnan(sure[number]) else sure[number],
        }


def _rejected_row(rejected: Rejected) -> dict[str, Any]:
    return {
        "source": safe(rejected.source),
        "line": rejected.line,
        "text": safe(rejected.excerpt),
        "level": rejected.level,
        "filter": rejected.filter,
        "reason": safe(rejected.reason),
        "score": rejected.score,
    }


def unread_rows(rejected: Rejected) -> pyarrow.RecordBatch:
    """The row of a file that no process lived to read."""
    return pyarrow.RecordBatch.from_pylist([_rejected_row(rejected)], SCHEMA)


def safe(text: str) -> str:
    """The text with what has no UTF-8, halves of surrogate pairs, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


class StoredBatch(Batch):
    """Documents of rows that were made before; their signatures and digests are not computed again."""

    def __init__(self, rows: pyarrow.RecordBatch, first: int) -> None:
        columns = (rows.column(name).to_pylist() for name in ("source", "text", "line"))
        super().__init__([Document(*fields) for fields in zip(*columns, strict=True)], first)
        self.rows = rows

    @cached_property
    def digests(self) -> list[bytes]:
        """As they were stored."""
        stored: list[bytes] = self.rows.column("digest").to_pylist()
        return stored

    @cached_property
    def languages(self) -> list[Language]:
        """As they were stored."""
        stored: list[Language] = self.rows.column("language").to_pylist()
        return stored

    @cached_property
    def features(self) -> tuple[Places, Places, Places]:
        """As they were stored, if the section named a domain."""
        if self.rows.column("features").null_count:
            return super().features
        stored = self.rows.column("features").to_pylist()
        table = np.frombuffer(b"".join(stored), np.uint32).reshape(-1, 2).astype(np.int64)
        counts = [len(each) // 8 for each in stored]
        return table[:, 0], np.repeat(np.arange(len(stored)), counts), table[:, 1]

    @cached_property
    def signatures(self) -> Signatures:
        """As they were stored."""
        stored = self.rows.column("signature").to_pylist()
        return np.frombuffer(b"".join(stored), np.uint16).reshape(-1, BINS)
