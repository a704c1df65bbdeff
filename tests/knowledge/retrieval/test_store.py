"""An index on disk: changed while it is read, killed while it is written, broken."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.retrieval.index import Index
from deepseek_fusion.knowledge.retrieval.passages import Document
from deepseek_fusion.knowledge.retrieval.store import FILE, copy_index, create, writing
from knowledge.retrieval.samples import DOCUMENTS, GRAPH, Hashing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create(tmp_path, encoder=Hashing(), name="hashing")
    with writing(tmp_path, Hashing()) as writer:
        writer.name(GRAPH)
        assert writer.put(DOCUMENTS) == 4
    return tmp_path


def found(index: Index, question: str, *parts: str) -> list[str]:
    return [hit.document for hit in index.search(question, parts=parts or ("words", "meaning", "graph")).hits]


@pytest.mark.parametrize("part", ["words", "meaning", "graph"])
def test_each_part_follows_what_is_added_changed_and_deleted(folder: Path, part: str) -> None:
    index = Index(folder, Hashing())
    text = "Podagra is another name."
    assert "new" not in found(index, text, part)
    with writing(folder, Hashing()) as writer:
        assert writer.put([Document("new", text)]) == 1
        assert writer.put([Document("new", text)]) == 0
    assert found(index, text, part)[0] == "new"
    with writing(folder, Hashing()) as writer:
        writer.put([Document("new", "Something else entirely.")])
    assert text not in [hit.text for hit in index.search(text).hits]
    with writing(folder, Hashing()) as writer:
        writer.put([Document("new", text)])
        writer.delete(["new", "gout", "never there"])
    assert not {"new", "gout"} & {*found(index, text, part)}
    assert len(index) == 3


def test_a_change_that_fails_changes_nothing(folder: Path) -> None:
    index = Index(folder, Hashing())

    def documents() -> Iterator[Document]:
        yield Document("new", "uric acid")
        raise ZeroDivisionError

    def change() -> None:
        with writing(folder, Hashing()) as writer:
            writer.delete(["gout"])
            writer.put([Document("another", "uric acid")])
            writer.put(documents())

    with pytest.raises(ZeroDivisionError):
        change()
    assert found(index, "uric acid", "words") == ["gout"]


def test_much_deleted_is_forgotten_and_open_readers_keep_up(folder: Path) -> None:
    index = Index(folder, Hashing())
    for number in range(12):
        with writing(folder, Hashing()) as writer:
            writer.put([Document("changing", f"state number{number} of things")])
        assert [hit.text for hit in index.search("state", parts=["words"]).hits] == [f"state number{number} of things"]
    with sqlite3.connect(folder / FILE) as database:
        assert database.execute("SELECT COUNT(*) FROM deleted").fetchone()[0] <= 6
        words = {row[0] for row in database.execute("SELECT word FROM postings")}
    assert "number0" not in words
    assert found(index, "uric acid") == found(Index(folder, Hashing()), "uric acid")


WRITER = """
import sys, time
from pathlib import Path
from deepseek_fusion.knowledge.retrieval.passages import Document
from deepseek_fusion.knowledge.retrieval.store import writing
from knowledge.retrieval.samples import Hashing
for turn in range(1000):
    with writing(Path(sys.argv[1]), Hashing()) as writer:
        writer.put([Document(f"part{part}", f"release 第{turn}版 of part. 版本") for part in range(5)])
        print(turn, flush=True)
        time.sleep(0.002)
"""


def test_another_process_writes_and_is_killed_while_this_one_reads_whole_states(folder: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    command = [sys.executable, "-c", WRITER, str(folder)]
    index = Index(folder, Hashing())
    states = set[str]()
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            while len(states) < 5:
                hits = index.search("release 版本", 20, parts=["words"]).hits
                own = [hit for hit in hits if hit.document.startswith("part")]
                assert len(own) in (0, 5)
                assert len({hit.text for hit in own}) <= 1
                states.update(hit.text for hit in own)
        finally:
            process.send_signal(signal.SIGKILL)
    after = Index(folder, Hashing())
    assert found(after, "release 版本") == found(index, "release 版本")
    with writing(folder, Hashing()) as writer:
        writer.delete([f"part{part}" for part in range(5)])
    assert len(after) == len(index) == 4


def test_threads_share_an_index_that_changes(folder: Path) -> None:
    index = Index(folder, Hashing())
    errors: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            texts = {hit.text for hit in index.search("both", parts=["words"]).hits}
            if len(texts) > 1:
                errors.append(f"{texts}")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(20):
        with writing(folder, Hashing()) as writer:
            writer.put([Document(name, f"both {turn}") for name in "ab"])
    done.set()
    for reader in readers:
        reader.join()
    assert errors == []


def test_a_copy_is_whole_and_goes_its_own_way(folder: Path, tmp_path: Path) -> None:
    with writing(folder, Hashing()) as writer:
        writer.put([Document("late", "added late")])
        copy_index(folder, tmp_path / "copy")  # what is not finished is not in it
        writer.delete(["gout"])
    copy = Index(tmp_path / "copy", Hashing())
    assert len(copy) == 4
    assert found(copy, "uric acid", "words") == ["gout"]
    with writing(tmp_path / "copy", Hashing()) as writer:
        writer.delete(["flu"])
    assert len(Index(folder)) == 4
    assert len(copy) == 3


def test_what_is_no_index_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="no such index"):
        Index(tmp_path / "nowhere")
    with pytest.raises(FusionError, match="another encoder"):
        Index(folder, Hashing(64))
    with pytest.raises(FusionError, match="another encoder"), writing(folder, Hashing(64)):
        pass
    other = tmp_path / "broken"
    shutil.copytree(folder, other)
    (other / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(FusionError, match="cannot be used"):
        Index(other)
    with sqlite3.connect(folder / FILE) as database:
        database.execute("UPDATE facts SET value = 9 WHERE name = 'layout'")
    with pytest.raises(FusionError, match="layout 9"):
        Index(folder)
