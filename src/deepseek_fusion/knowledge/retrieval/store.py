"""The index on disk: one SQLite file that is read while it is written.

Every change is one transaction, so whoever reads sees the index before it or after it, and a killed writer leaves
nothing. Numbers of passages are never used twice: a reader who knows the last one and the deletions since keeps up.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from deepseek_fusion.core.artifacts import room_on_disk
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.retrieval import links, postings
from deepseek_fusion.knowledge.retrieval.codes import halved
from deepseek_fusion.knowledge.retrieval.passages import Document, passages
from deepseek_fusion.knowledge.retrieval.words import words_of

FILE = "index.sqlite"
LAYOUT = 1
LETTERS = 600

_WAIT = 60.0  # seconds for another writer
_SCHEMA = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE documents (id TEXT PRIMARY KEY, source TEXT, language TEXT, metadata TEXT) WITHOUT ROWID;
CREATE TABLE fields (name TEXT, value TEXT, document TEXT, PRIMARY KEY (name, value, document)) WITHOUT ROWID;
CREATE INDEX described ON fields (document);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT, first INTEGER, last INTEGER, text TEXT, words INTEGER
);
CREATE INDEX contained ON passages (document);
CREATE TABLE vectors (passage INTEGER PRIMARY KEY, vector BLOB);
CREATE TABLE deleted (id INTEGER PRIMARY KEY, passage INTEGER);
{postings.SCHEMA}{links.SCHEMA}
"""


class Encodes(Protocol):
    """What the store asks of an encoder."""

    @property
    def key(self) -> str:
        """Stands for every vector that it makes."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def reads(self, text: str) -> bool:
        """Whether the encoder knows the words of a text."""

    def encode(self, texts: Sequence[str], query: bool = False) -> np.ndarray:
        """[N, D] float32, each row of length one."""


def connect(folder: Path) -> sqlite3.Connection:
    """Open an index; the caller begins and ends transactions.

    Raises:
        FusionError: there is none, or a newer program wrote it.
    """
    file = folder / FILE
    if not file.is_file():
        raise FusionError(f"{file}: no such index; name a folder that has one.")
    with broken(file):
        fixed = "" if os.access(folder, os.W_OK) else "?immutable=1"
        database = sqlite3.connect(
            f"{file.resolve().as_uri()}{fixed}", _WAIT, isolation_level=None, check_same_thread=False, uri=True
        )
        layout = int(fact(database, "layout") or 0)
    if layout != LAYOUT:
        database.close()
        raise FusionError(f"{file}: has layout {layout} and this program knows {LAYOUT}; make the index again.")
    return database


def create(folder: Path, letters: int = LETTERS, encoder: Encodes | None = None, name: str = "") -> None:
    """Make an empty index, unless there is one.

    Args:
        letters: longest passage, in Latin letters.
        encoder: what will make its vectors; it never has any if absent.
        name: where the encoder is found again.
    """
    if (folder / FILE).exists():
        return
    partial = folder / f".{FILE}.{os.getpid()}"
    with broken(folder / FILE), closing(sqlite3.connect(partial, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        known = {"layout": LAYOUT, "epoch": 0, "letters": letters}
        if encoder:
            known |= {"encoder": name, "encoder_key": encoder.key, "dimensions": encoder.dimensions}  # type: ignore[dict-item]
        database.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        database.executemany("INSERT INTO facts VALUES (?, ?)", [(key, str(value)) for key, value in known.items()])
    os.replace(partial, folder / FILE)


def copy_index(source: Path, target: Path) -> None:
    """A copy of an index as it is at one moment, even while it is written to."""
    target.mkdir(parents=True, exist_ok=True)
    with (
        room_on_disk(target),
        closing(connect(source)) as database,
        closing(sqlite3.connect(target / FILE)) as copy,
    ):
        database.backup(copy)


def fact(database: sqlite3.Connection, name: str) -> str | None:
    """What is known of the index itself."""
    row = database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return row and str(row[0])


@contextmanager
def broken(file: Path) -> Iterator[None]:
    """Turn what SQLite says of a file into a sentence.

    Raises:
        FusionError: it is no database, it is locked for too long, or the disk is full.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise FusionError(
            f"{file}: cannot be used ({error}); free the disk or wait for who else is writing, or else make it again."
        ) from None


class Writer:
    """Changes of an index, which take effect together.

    Args:
        database: in a transaction.
        encoder: the one of the index; what is added has no vectors without.
    """

    def __init__(self, database: sqlite3.Connection, encoder: Encodes | None) -> None:
        self._database = database
        self._encoder = encoder
        self._letters = int(fact(database, "letters") or LETTERS)

    def put(self, documents: Iterable[Document]) -> int:
        """Add documents, or change those whose id is there; returns how many were not there just so."""
        new = {document.id: document for document in documents}
        for id_ in [id_ for id_, document in new.items() if self._has(document)]:
            del new[id_]
        self.delete(new)
        texts: dict[int, str] = {}
        for document in new.values():
            texts |= self._insert(document)
        words = {number: words_of(text) for number, text in texts.items()}
        counts = [(max(len(own), 1), number) for number, own in words.items()]
        self._database.executemany("UPDATE passages SET words = ? WHERE id = ?", counts)
        postings.write_segment(self._database, words.items())
        links.write_mentions(self._database, texts)
        self._encode(texts)
        return len(new)

    def delete(self, ids: Iterable[str]) -> None:
        """Forget documents; an id that is not there is nothing to forget."""
        for id_ in ids:
            gone = self._database.execute("SELECT id FROM passages WHERE document = ?", (id_,)).fetchall()
            self._database.executemany("INSERT INTO deleted (passage) VALUES (?)", gone)
            for table, column in (("vectors", "passage"), ("mentions", "passage"), ("passages", "id")):
                self._database.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)
            self._database.execute("DELETE FROM fields WHERE document = ?", (id_,))
            self._database.execute("DELETE FROM documents WHERE id = ?", (id_,))

    def name(self, graph: Graph) -> None:
        """Make the terms of a graph those that passages and questions are linked to."""
        links.write_names(self._database, graph)
        self._database.execute("DELETE FROM mentions")
        texts = dict(self._database.execute("SELECT id, text FROM passages"))
        links.write_mentions(self._database, texts)

    def purge(self) -> None:
        """Take what was deleted out of the postings, where it is more than what is left."""
        (gone,), (left,) = (
            self._database.execute(f"SELECT COUNT(*) FROM {t}").fetchone() for t in ("deleted", "passages")
        )
        if gone <= left:
            return
        (last,) = self._database.execute("SELECT COALESCE(MAX(passage), 0) FROM deleted").fetchone()
        numbers = np.array([row[0] for row in self._database.execute("SELECT id FROM passages")], np.int64)
        alive = np.zeros(max(last, int(numbers.max(initial=0))) + 1, bool)
        alive[numbers] = True
        postings.purge_segments(self._database, alive)
        self._database.execute("DELETE FROM deleted")
        self._database.execute("UPDATE facts SET value = value + 1 WHERE name = 'epoch'")

    def _has(self, document: Document) -> bool:
        row = self._database.execute("SELECT metadata FROM documents WHERE id = ?", (document.id,)).fetchone()
        return row is not None and row[0] == _described(document)

    def _insert(self, document: Document) -> dict[int, str]:
        known = (document.id, document.source, document.language, _described(document))
        self._database.execute("INSERT INTO documents VALUES (?, ?, ?, ?)", known)
        fields = {**document.metadata, "source": document.source, "language": document.language}
        rows = [(name, value, document.id) for name, value in fields.items() if value]
        self._database.executemany("INSERT OR IGNORE INTO fields VALUES (?, ?, ?)", rows)
        texts: dict[int, str] = {}
        for first, last in passages(document.text, self._letters):
            row = (document.id, first, last, document.text[first:last])
            added = self._database.execute(
                "INSERT INTO passages (document, first, last, text, words) VALUES (?, ?, ?, ?, 0)", row
            )
            assert added.lastrowid
            texts[added.lastrowid] = document.text[first:last]
        return texts

    def _encode(self, texts: dict[int, str]) -> None:
        if self._encoder is None:
            return
        read = [number for number, text in texts.items() if self._encoder.reads(text)]
        vectors = halved(self._encoder.encode([texts[number] for number in read]))
        rows = ((number, vector.tobytes()) for number, vector in zip(read, vectors, strict=True))
        self._database.executemany("INSERT INTO vectors VALUES (?, ?)", rows)


@contextmanager
def writing(folder: Path, encoder: Encodes | None = None) -> Iterator[Writer]:
    """Change an index; all of it or, if anything is raised, nothing.

    Raises:
        FusionError: there is no index, its vectors are of another encoder, the disk is full, or another writer does
            not end.
    """
    with broken(folder / FILE), closing(connect(folder)) as database:
        database.execute("PRAGMA synchronous = FULL")
        own = fact(database, "encoder_key")
        if encoder and encoder.key != own:
            raise FusionError(f"{folder / FILE}: its vectors are of another encoder; make the index again.")
        database.execute("BEGIN IMMEDIATE")
        with database:  # commits, or rolls back whatever is raised
            writer = Writer(database, encoder)
            yield writer
            writer.purge()


def _described(document: Document) -> str:
    """All that is known of a document, its text as a hash."""
    digest = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
    known = {"metadata": dict(document.metadata), "source": document.source, "language": document.language}
    return json.dumps({**known, "text": digest}, ensure_ascii=False, sort_keys=True)
