"""The stage that turns the user's documents into clean rows.

It goes through the documents twice. First every file becomes rows, text by text, with what can be said of each text
alone (`rows.py`, in several processes or on several machines), and the rows go to disk, so that a killed run reads no
file again that it had finished (`shards.py`); then the texts that passed are compared with each other and with the
domain. Neither pass holds more than a batch in memory, beside 256 bytes a row.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.parquet

from deepseek_fusion.core.artifacts import room_on_disk, write_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import Stage, stage
from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.filters.base import Filter, sift
from deepseek_fusion.corpus.filters.domain import Frequencies, OffDomain
from deepseek_fusion.corpus.filters.duplicates import ExactDuplicate, NearDuplicate
from deepseek_fusion.corpus.funnel.page import SCORES, Scores, write_funnel
from deepseek_fusion.corpus.ledger import SCORED, Ledger, ledger
from deepseek_fusion.corpus.minhash import BINS, Signatures, shingles
from deepseek_fusion.corpus.readers.files import read_documents
from deepseek_fusion.corpus.readers.reader import Fields
from deepseek_fusion.corpus.rows import File, StoredBatch
from deepseek_fusion.corpus.semantic.judge import PACKAGED, Judge
from deepseek_fusion.corpus.shards import Shards
from deepseek_fusion.corpus.words import Hashes, Places, Words
from deepseek_fusion.knowledge.sources.readers import read_knowledge

HELD_OUT_EVERY = 20
DOCUMENT = pyarrow.schema(
    {
        "id": pyarrow.string(),
        "source": pyarrow.string(),
        "text": pyarrow.string(),
        "language": pyarrow.string(),
        "metadata": pyarrow.string(),
        "characters": pyarrow.int32(),
        "similarity": pyarrow.float32(),
        "relevance": pyarrow.float32(),
        "repetition": pyarrow.float32(),
        "probability": pyarrow.float32(),
    }
)
"""A row of `documents.parquet` and `held_out.parquet`: metadata is JSON, and the scores are those of the filters."""

_GROUP = 8 << 20  # bytes
_SAMPLE = 20_000  # documents that the frequencies of words are counted in
_LONGEST_TERM = 8  # words; a longer object of a fact is a sentence


Reading = Callable[[Shards], None]
"""Does all jobs that are not done."""


@stage("corpus", version=8, resumable=True)  # raise it with the packaged judge, too
def build_corpus(
    out: Path,
    section: CorpusConfig,
    source: Source,
    terms: Source | None = None,
    seeds: Source | None = None,
    exams: Source | None = None,
    judge: Source | None = None,
) -> None:
    """Read and filter the documents.

    Writes `documents.parquet`, `held_out.parquet` (one document in 20, chosen by its content, that no lesson may use),
    `rejected.jsonl` (each with level, filter, reason and score), `summary.json` and `funnel.html`.

    Args:
        out: the folder.
        section: what to read, mask and filter.
        source: the documents.
        terms: facts or ontologies whose names are the domain's words.
        seeds: documents of the domain.
        exams: files of questions to keep clear of.
        judge: the model of the semantic level; the packaged one if absent.

    Raises:
        FusionError: there are documents and every one was rejected, or one needs a package that is not installed.
    """
    _build(_read, out, section, source, terms, seeds, exams, judge)


def build_corpus_by(read: Reading) -> Stage[...]:
    """The same stage with the same result, but files are read by `read`, such as other machines do (`scale/`)."""
    return replace(build_corpus, make=partial(_build, read))


def _build(
    read: Reading,
    out: Path,
    section: CorpusConfig,
    source: Source,
    terms: Source | None = None,
    seeds: Source | None = None,
    exams: Source | None = None,
    judge: Source | None = None,
) -> None:
    model = judge.files[0] if judge else None
    shards = Shards(out / "shards", _files(source), section, _files(exams), model)
    store = _Store(shards)
    with room_on_disk(out), ledger(shards.folder / "rejected") as book:
        read(shards)
        _sort_out(store, book)
        filters = _Comparing(section, store, terms, seeds)
        kept = _write(out, store, filters, book)
    rejected = sum(book.counts.values())
    if book.first and not kept:
        raise FusionError(
            f"documents: none of {rejected} can be used; the first is {book.first.source}: {book.first.reason}."
            " Mend them or leave them out."
        )
    summary = {
        "read": rejected + sum(kept.values()),
        "kept": sum(kept.values()),
        "languages": kept,
        "masked": store.masked,
        "rejected": book.by_filter(),
    }
    write_json(out / "summary.json", summary)
    facts = Judge.load(model or PACKAGED).facts if section.semantic.judges else {}
    write_funnel(out / "funnel.html", section, summary, book, np.concatenate((_early(book), *store.scores)), facts)
    (shards.folder / "rejected").replace(out / "rejected.jsonl")
    shutil.rmtree(shards.folder)


class _Store:
    """Which rows passed every filter that looks at one text alone, and a little of each in memory."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards
        self.passed: list[npt.NDArray[np.bool_]] = []
        self.places: list[str] = []
        self.signatures: list[Signatures] = []
        self.masked: Counter[str] = Counter()
        self.starts: list[int] = []
        self.scores: list[Scores] = []

    def add(self, batch: StoredBatch, passed: npt.NDArray[np.bool_]) -> None:
        """Note which rows of the next batch of all rows passed, and keep something of them."""
        self.passed.append(passed)
        self.starts.append(len(self.places))
        self.places += batch.places
        self.signatures.append(batch.signatures)
        for found in batch.rows.column("masked").drop_null().to_pylist():
            self.masked.update(json.loads(found))

    def batches(self, every: int = 1) -> Iterator[StoredBatch]:
        """The batches, or one of so many of them."""
        for number, rows in enumerate(self.shards.batches(every)):
            passed = pyarrow.array(self.passed[number * every])
            yield StoredBatch(rows.filter(passed), self.starts[number * every])

    def shingles(self, numbers: Places) -> Iterator[Hashes]:
        """The 5-grams of some documents, which are read again."""
        batches = np.searchsorted(self.starts, numbers, "right") - 1
        for batch in np.unique(batches).tolist():
            rows = np.flatnonzero(self.passed[batch])[numbers[batches == batch] - self.starts[batch]]
            yield from shingles(Words(self.shards.texts(batch).take(rows).to_pylist()))

    def take_signatures(self) -> Signatures:
        """[N, 128], once: they are the most of what is in memory."""
        table = np.empty((len(self.places), BINS), np.uint16)
        place = len(table)
        while self.signatures:
            part = self.signatures.pop()
            place -= len(part)
            table[place : place + len(part)] = part
        return table


class _Comparing:
    """The filters that compare a text with others, and their scores."""

    def __init__(self, section: CorpusConfig, store: _Store, terms: Source | None, seeds: Source | None) -> None:
        self.near = NearDuplicate(store.take_signatures(), store.places, section.near_duplicate, store.shingles)
        self.domain: OffDomain | None = None
        if terms or seeds:
            frequencies = Frequencies()
            for batch in store.batches(every=1 + len(store.places) // _SAMPLE):
                frequencies.add(batch)
            names, texts = _names(terms), _texts(seeds)
            self.domain = OffDomain(names, texts, frequencies, section.domain.relevance)

    @property
    def filters(self) -> list[Filter]:
        """In their order."""
        return [self.near, *([self.domain] if self.domain else [])]

    def columns(self, batch: StoredBatch) -> dict[str, np.ndarray]:
        """The scores of a batch by name; relevance is absent without a domain."""
        scores = {"similarity": self.near.scores(batch)}
        return {**scores, "relevance": self.domain.scores(batch)} if self.domain else scores


def _read(shards: Shards) -> None:
    with track("Reading documents") as progress:
        for count in shards.fill(shards.missing()):
            progress.advance(count)


def _sort_out(store: _Store, book: Ledger) -> None:
    """Part what nothing rejected so far, and no earlier text equals, from the rest."""
    exact = ExactDuplicate()
    for rows in store.shards.batches():
        passed = rows.column("filter").is_null().to_numpy(zero_copy_only=False)
        columns = ("source", "line", "filter", "reason", "text", "level", "score")
        for row in rows.filter(pyarrow.array(~passed)).select(columns).to_pylist():
            book.add(Rejected(*row.values()))
        batch = StoredBatch(rows.filter(pyarrow.array(passed)), len(store.places))
        kept = np.array(_without_rejected(batch, [exact], book), bool)
        passed[passed] = kept
        few = batch.rows.select(("source", "line", "signature", "masked")).filter(pyarrow.array(kept))
        store.add(StoredBatch(few, batch.first), passed)


def _without_rejected(batch: StoredBatch, filters: Sequence[Filter], book: Ledger) -> list[bool]:
    found = sift(batch, filters)
    for rejected in found:
        if rejected is not None:
            book.add(rejected)
    return [rejected is None for rejected in found]


def _write(out: Path, store: _Store, comparing: _Comparing, book: Ledger) -> Counter[str]:
    """Write what stays; returns how many of each language."""
    languages: Counter[str] = Counter()
    with (
        track("Comparing documents", len(store.places)) as progress,
        _Table(out / "documents.parquet") as documents,
        _Table(out / "held_out.parquet") as held_out,
    ):
        for batch in store.batches():
            kept = np.array(_without_rejected(batch, comparing.filters, book), bool)
            rows = _rows(batch, store.places[batch.first : batch.first + len(batch)], comparing.columns(batch))
            columns = (rows.column(name) for name in SCORES)
            store.scores.append(np.stack([column.to_numpy(zero_copy_only=False) for column in columns], axis=1))
            languages.update(compress(batch.languages, kept))
            aside = np.array([int(id_, 16) % HELD_OUT_EVERY == 0 for id_ in rows.column("id").to_pylist()], bool)
            held_out.add(rows.filter(pyarrow.array(kept & aside)))
            documents.add(rows.filter(pyarrow.array(kept & ~aside)))
            progress.advance(len(batch))
    return languages


class _Table:
    """A file of documents, to which batches are added; groups of some megabytes pack better than batches."""

    def __init__(self, path: Path) -> None:
        self.writer = pyarrow.parquet.ParquetWriter(path, DOCUMENT, compression="zstd")
        self.waiting: list[pyarrow.RecordBatch] = []
        self.size = 0

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Write them, or keep them until there are more."""
        self.waiting.append(rows)
        self.size += rows.nbytes
        if self.size >= _GROUP:
            self._write()

    def _write(self) -> None:
        self.writer.write_table(pyarrow.Table.from_batches(self.waiting, DOCUMENT))
        self.waiting, self.size = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:
            self._write()
        self.writer.close()


def _early(book: Ledger) -> Scores:
    """The scores of what was rejected before it could be compared."""
    parts = []
    for name, found in book.scores.items():
        part = np.full((len(found), len(SCORES)), np.nan, np.float32)
        part[:, SCORES.index(SCORED[name])] = found
        parts.append(part)
    return np.concatenate(parts)


def _rows(batch: StoredBatch, places: Sequence[str], scores: dict[str, np.ndarray]) -> pyarrow.RecordBatch:
    nothing = np.full(len(batch), np.nan)
    columns = [
        pyarrow.array(places, pyarrow.string())
        if name == "source"
        else pyarrow.array(scores.get(name, nothing), kind, from_pandas=True)
        if name in ("similarity", "relevance")
        else batch.rows.column(name)
        for name, kind in zip(DOCUMENT.names, DOCUMENT.types, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(columns, schema=DOCUMENT)


def _files(source: Source | None) -> list[File]:
    return [File(file, os.path.relpath(file, source.folder)) for file in source.files] if source else []


def _names(terms: Source | None) -> list[str]:
    """Every name of every term in files of facts."""
    names: dict[str, None] = {}
    for file in terms.files if terms else ():
        knowledge = read_knowledge(file)
        for term in knowledge.terms:
            if not term.obsolete:
                names.update(dict.fromkeys(name.text for name in (*term.labels, *term.synonyms)))
        for record in knowledge.records:
            objects = [record.object] if len(record.object.split()) <= _LONGEST_TERM else []
            names.update(dict.fromkeys((record.subject, *record.synonyms, *objects)))
    return list(names)


def _texts(seeds: Source | None) -> list[str]:
    items = (item for file in _files(seeds) for item in read_documents(file.path, file.name, Fields()))
    return [item.text for item in items if isinstance(item, Document) and item.text]
