"""Documents as rows of a table, with all that can be said of each text alone: what a worker process makes of files."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow

from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.corpus.documents import Document, Rejected, place_of
from deepseek_fusion.corpus.features import Features
from deepseek_fusion.corpus.filters.base import Batch, Filter, sift
from deepseek_fusion.corpus.filters.basic import Damaged, OtherLanguage, Repetitive, TooShort
from deepseek_fusion.corpus.filters.exam import InExam, exam_items
from deepseek_fusion.corpus.filters.semantic import Incoherent, Judged, Mismatch, probabilities
from deepseek_fusion.corpus.minhash import BINS, Signatures, signatures
from deepseek_fusion.corpus.personal import Mask
from deepseek_fusion.corpus.readers.files import read_documents
from deepseek_fusion.corpus.readers.formats.fhir import Patients
from deepseek_fusion.corpus.readers.opening import Opened
from deepseek_fusion.corpus.readers.reader import Fields
from deepseek_fusion.corpus.semantic.judge import PACKAGED, Judge
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
        "features": pyarrow.binary(),  # [F] numbers and, in the last bits, how often; if there is a domain
        "repetition": pyarrow.float32(),
        "probability": pyarrow.float32(),  # of the semantic level, null where it did not judge
        "level": pyarrow.string(),
        "filter": pyarrow.string(),
        "reason": pyarrow.string(),
        "score": pyarrow.float32(),
    }
)
_ROWS, _CHARACTERS, _SECONDS = 256, 1 << 20, 5.0
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


def _is_full(items: Sequence[Document | Rejected], characters: int) -> bool:
    return len(items) >= _ROWS or characters >= _CHARACTERS


class Rows:
    """The rows of files under a section.

    Args:
        section: what to read, mask and filter.
        exams: files of questions to keep clear of.
        judge: the model of the semantic level; the packaged one if absent.
        patients: files with the patients that other files refer to.

    Raises:
        FusionError: an exam, the judge or a file of patients cannot be read.
    """

    def __init__(
        self,
        section: CorpusConfig,
        exams: Sequence[File],
        judge: Path | None = None,
        patients: Sequence[File] = (),
    ) -> None:
        semantic = section.semantic
        self.fields = Fields(section.text_field, section.keep_fields, semantic.question_field, semantic.answer_field)
        self.mask = Mask(section.personal)
        self.patients = Patients()
        for file in patients:
            self.patients.learn_file(Opened(file.path, file.name))
        self.has_domain = bool(section.domain.terms or section.domain.seeds)
        self.filters: list[Filter] = [
            *(TooShort(section.min_characters), Damaged(), Repetitive(section.repetition)),
            OtherLanguage(section.languages),
        ]
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
            is_cut = False
            for item in self._read(file):
                if _is_full(items, size):
                    yield Event(number, self.batch(items))
                    items, size, since, is_cut = [], 0, time.monotonic(), True
                items.append(item)
                size += len(item.text) if isinstance(item, Document) else 0
                if time.monotonic() - since > _SECONDS:
                    yield Event(number, None)
                    since = time.monotonic()
            # Of a file begun, none of the rows or all are with who takes them: none is read, and counted, twice.
            if is_cut or _is_full(items, size):
                yield Event(number + 1, self.batch(items))
                items, size, since = [], 0, time.monotonic()
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
        judged = zip(rejected, batch.characters, strict=True)
        verdicts = [next(judged) if isinstance(item, Document) else (self._unread(item), None) for item in items]
        stays = np.array([each is None for each, _ in verdicts], np.bool_)
        is_kept = stays[[isinstance(item, Document) for item in items]]
        kept = _kept(batch, is_kept, masked, self.has_domain, probabilities(batch, self.semantic))
        if stays.all():
            return kept
        others = [{**_rejected_row(each), "characters": count} for each, count in verdicts if each is not None]
        places = np.argsort(np.argsort(~stays, kind="stable"))  # of each item, once those that stay come first
        return pyarrow.concat_batches((kept, pyarrow.RecordBatch.from_pylist(others, SCHEMA))).take(places)

    def _masked(self, document: Document) -> tuple[Document, Counter[str]]:
        if not self.mask.wanted:
            return document, Counter()
        personal = self.patients.resolved(document.personal)
        text, found = self.mask(document.text, personal)
        if not found and not document.metadata:
            return document, found
        metadata = {name: self.mask(value, personal)[0] for name, value in document.metadata.items()}
        return Document(document.source, text, document.line, metadata), found

    def _judged(self, document: Document, found: Counter[str], rejected: Rejected | None) -> Rejected | None:
        reason = self.mask.refuses(found) if found else None
        return document.rejected("personal", reason) if reason else rejected

    def _unread(self, rejected: Rejected) -> Rejected:
        return replace(rejected, excerpt=self.mask(rejected.excerpt)[0])

    def _read(self, file: File) -> Iterator[Document | Rejected]:
        try:
            yield from read_documents(file.path, file.name, self.fields)
        except MemoryError:
            yield Rejected(file.name, None, "reader", "takes more memory than a file may", level="reading")


def _kept(
    batch: Batch,
    kept: npt.NDArray[np.bool_],
    masked: Sequence[Counter[str]],
    has_domain: bool,
    sure: npt.NDArray[np.float64],
) -> pyarrow.RecordBatch:
    """The rows of the documents that stay."""
    numbers = np.flatnonzero(kept).tolist()
    documents = [batch.documents[number] for number in numbers]
    texts = pyarrow.array([document.text for document in documents], pyarrow.string())
    columns = {
        "source": [safe(document.source) for document in documents],
        "line": [document.line for document in documents],
        "text": texts,
        "id": [sha256(text).hexdigest()[:16] for text in _encoded(texts)],
        "language": [batch.languages[number] for number in numbers],
        "metadata": [json.dumps(document.metadata) if document.metadata else None for document in documents],
        "characters": batch.words.visible[kept],
        "masked": [json.dumps(masked[number]) if masked[number] else None for number in numbers],
        "digest": [batch.digests[number] for number in numbers],
        "signature": _binary(signatures(batch.words, kept)[kept]),
        "features": _features(batch, kept) if has_domain else None,
        "repetition": batch.repetition[kept],
        "probability": sure[kept],
    }
    arrays = [_array(columns.get(field.name), field.type, len(documents)) for field in SCHEMA]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _encoded(texts: pyarrow.Array) -> Iterator[memoryview]:
    """The UTF-8 of each text, where it stands."""
    _, ends, content = texts.buffers()
    places = np.frombuffer(ends, np.int32, len(texts) + 1).tolist()
    return (memoryview(content)[first:last] for first, last in pairwise(places))


def _array(values: Any, kind: pyarrow.DataType, count: int) -> pyarrow.Array:
    if values is None:
        return pyarrow.nulls(count, kind)
    return values if isinstance(values, pyarrow.Array) else pyarrow.array(values, kind, from_pandas=True)


def _binary(table: Signatures) -> pyarrow.Array:
    """Each row of a table as bytes."""
    width = table.shape[1] * table.itemsize
    return pyarrow.Array.from_buffers(pyarrow.binary(width), len(table), [None, pyarrow.py_buffer(table.tobytes())])


def _features(batch: Batch, kept: npt.NDArray[np.bool_]) -> pyarrow.Array:
    features = batch.features
    table = features.table if kept.all() else features.table[np.repeat(kept, features.counts)]
    ends = np.append(0, np.cumsum(features.counts[kept] * table.itemsize)).astype(np.int32)
    content = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(table)]
    return pyarrow.Array.from_buffers(pyarrow.binary(), len(ends) - 1, content)


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
    """Documents of rows that were made before: nothing is computed again, and what is not asked for is not read."""

    def __init__(self, rows: pyarrow.RecordBatch, first: int) -> None:
        super().__init__((), first)
        self.rows = rows

    def __len__(self) -> int:
        """How many documents."""
        return len(self.rows)

    @cached_property
    def documents(self) -> Sequence[Document]:
        """As far as filters may ask."""
        return self.some(range(len(self)))

    def some(self, numbers: Sequence[int]) -> list[Document]:
        """A few of them, without reading the others."""
        rows = self.rows.select(("source", "text", "line")).take(pyarrow.array(numbers, pyarrow.int64()))
        return [Document(*fields) for fields in zip(*(column.to_pylist() for column in rows.columns), strict=True)]

    @cached_property
    def places(self) -> list[str]:
        """Where each comes from."""
        columns = (self.rows.column(name).to_pylist() for name in ("source", "line"))
        return [place_of(*fields) for fields in zip(*columns, strict=True)]

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
    def features(self) -> Features:
        """As they were stored, if the section named a domain."""
        column = self.rows.column("features")
        if column.null_count:
            return super().features
        _, ends, content = column.buffers()
        ends = np.frombuffer(ends, np.int32)[column.offset : column.offset + len(column) + 1] // 4
        return Features(np.frombuffer(content, np.uint32)[ends[0] : ends[-1]], np.diff(ends))

    @cached_property
    def signatures(self) -> Signatures:
        """As they were stored."""
        column = self.rows.column("signature")
        table = np.frombuffer(column.buffers()[1], np.uint16).reshape(-1, BINS)
        return table[column.offset : column.offset + len(column)]
