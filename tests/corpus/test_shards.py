from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus import rows
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.corpus.rows import File
from deepseek_fusion.corpus.shards import Shards

GOUT = "Gout, number {}, is a painful disease of the joints, caused by crystals of uric acid in {} of all cases."
RUN = """
import sys
from pathlib import Path
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
with Run(Path(sys.argv[2])) as run:
    run.step(build_corpus, CorpusConfig(), Source(("in",), Path(sys.argv[1])))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files for four jobs."""
    (tmp_path / "in").mkdir()
    for number in range(200):
        text = GOUT.format(number % 190, number % 7)
        (tmp_path / "in" / f"{number:03}.html").write_text(f"<p>{text}</p>", encoding="utf-8")
    return tmp_path


def result(work: Path) -> dict[str, bytes]:
    (artifact,) = (work / "corpus").iterdir()
    return {file.name: file.read_bytes() for file in artifact.iterdir() if file.name != "manifest.json"}


def test_after_a_kill_finished_files_are_not_read_again(folder: Path) -> None:
    with Run(folder / "whole") as run:
        run.step(build_corpus, CorpusConfig(), Source(("in",), folder))
    killed = subprocess.Popen([sys.executable, "-c", RUN, str(folder), str(folder / "work")])
    try:
        while not (done := list(folder.glob("work/corpus/*.partial/shards/000000.arrow"))):
            assert killed.poll() is None
            time.sleep(0.002)
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    (first,) = done
    assert len(list(first.parent.glob("*.arrow"))) < 4, "the run ended before it was killed"
    source = Source(("in",), folder)
    assert source.key  # is kept, so that the next lines go unnoticed
    for file in source.files[:64]:
        file.write_text("was read again")
    with Run(folder / "work") as run:
        artifact = run.step(build_corpus, CorpusConfig(), source)
    assert artifact.manifest()["resumed"]
    assert result(folder / "work") == result(folder / "whole")


def test_only_missing_jobs_are_done(folder: Path) -> None:
    files = [File(path, path.name) for path in sorted((folder / "in").iterdir())]
    found = Shards(folder / "shards", files, CorpusConfig(), [])
    assert found.missing() == [0, 1, 2, 3]
    assert sum(found.fill([0, 2])) == 128
    times = {path: path.stat().st_mtime_ns for path in found.folder.iterdir()}
    for path in (folder / "in").glob("0*.html"):
        path.unlink()  # of a job that is done nothing is read
    again = Shards(folder / "shards", files, CorpusConfig(), [])
    assert again.missing() == [1, 3]
    (folder / "in" / "064.html").write_text("")
    list(again.fill(again.missing()))
    assert {path: path.stat().st_mtime_ns for path in times} == times
    sources = [row for batch in again.batches() for row in batch.column("source").to_pylist()]
    assert sources == [file.name for file in files]


def test_batches_do_not_depend_on_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [File(path, path.name) for path in sorted((folder / "in").iterdir())]
    monkeypatch.setattr(rows, "_SECONDS", -1.0)
    sizes = [len(event.rows) for event in rows.Rows(CorpusConfig(), []).of(files) if event.rows is not None]
    assert sizes == [200]
