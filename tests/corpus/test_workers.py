from __future__ import annotations

import gzip
import json
import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from corpus.formats.samples import docx, paragraph, pdf
from deepseek_fusion.core.artifacts import read_json, read_jsonl, read_parquet
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.corpus.documents import Rejected
from deepseek_fusion.corpus.rows import File
from deepseek_fusion.corpus.workers import needs_processes, read_rows

GOUT = "Gout, number {}, is a painful disease of the joints, caused by crystals of uric acid."


def rows(files: list[File], **limits: float) -> list[tuple[str, str | None]]:
    """Source and reason of each row."""
    found: list[tuple[str, str | None]] = []
    for item in read_rows(files, CorpusConfig(), [], **limits):
        if isinstance(item, Rejected):
            found.append((item.source, item.reason))
        else:
            found += ((row["source"], row["reason"]) for row in item.to_pylist())
    return found


def written(folder: Path, contents: dict[str, bytes]) -> list[File]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [File(folder / name, name) for name in contents]


def test_processes_give_the_rows_in_the_order_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    files = written(tmp_path, {f"{number}.html": GOUT.format(number).encode() for number in range(80)})
    assert rows(files) == [(f"{number}.html", None) for number in range(80)]


@pytest.mark.slow
def test_a_file_that_gives_no_sign_of_life_takes_no_other_with_it(tmp_path: Path) -> None:
    contents = {f"{number}.pdf": pdf(GOUT.format(number)) for number in range(3)}
    files = written(tmp_path, {**contents, "9.txt": b"short"})
    slow = tmp_path / "slow.csv.gz"
    with gzip.open(slow, "wb", compresslevel=1) as file:
        file.write(b"text\n" + b"\n" * (60 << 20))
    found = rows([files[0], files[1], File(slow, "slow.csv.gz"), *files[2:]], patience=20.0)
    assert found == [
        ("0.pdf", None),
        ("1.pdf", None),
        ("slow.csv.gz", "was given up after 20 seconds without a result"),
        ("2.pdf", None),
        ("9.txt", "5 characters, fewer than 40"),
    ]


ROWS = 256  # of a batch


def more_than_is_read_ahead(folder: Path) -> list[File]:
    """A job whose process still has work after the first batch, however fast it is: nobody takes the rest."""
    lines = "".join(json.dumps({"text": GOUT.format(number)}) + "\n" for number in range(ROWS))
    contents = {f"{number}.jsonl": lines.encode() for number in range(20)}
    return written(folder, {**contents, "last.docx": docx(paragraph(GOUT))})


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    files = more_than_is_read_ahead(tmp_path)
    found: Counter[str] = Counter()
    lost, before = [], children()  # of other tests
    for item in read_rows(files, CorpusConfig(), []):
        if not found:
            os.kill(next(child for child in children() if child not in before), signal.SIGKILL)
        if isinstance(item, Rejected):
            lost.append(item.source)
        else:
            found.update(source.partition("#")[0] for source in item["source"].to_pylist())
    assert len(lost) == 1
    assert list(found) == [file.name for file in files if file.name not in lost]
    assert all(count == ROWS for name, count in found.items() if name != "last.docx")


def children() -> list[int]:
    task = Path(f"/proc/{os.getpid()}/task")
    found: list[int] = []
    for each in task.iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += map(int, (each / "children").read_text().split())
    return found


def test_no_process_stays_behind(tmp_path: Path) -> None:
    before = children()  # of other tests
    reading = read_rows(more_than_is_read_ahead(tmp_path), CorpusConfig(), [])
    next(reading)
    assert len(children()) > len(before)
    reading.close()  # type: ignore[attr-defined]
    assert children() == before


def test_a_mistake_of_the_user_is_told(tmp_path: Path) -> None:
    files = written(tmp_path, {"a.pdf": pdf(GOUT), "exam.jsonl": b"{"})
    with pytest.raises(FusionError, match=r"corpus.exams: .*exam.jsonl cannot be read"):
        list(read_rows(files[:1], CorpusConfig(), files[1:]))


def files_of(folder: Path) -> list[File]:
    return [File(path, path.name) for path in sorted(folder.iterdir())]


def test_both_ways_give_the_same_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    texts = [GOUT.format(number % 7) + " Dr. Smith said so." * (number % 3) for number in range(40)]
    (folder / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in [*texts, "x", "{"]))
    (folder / "b.txt").write_text(GOUT, encoding="utf-16")
    (folder / "circle.txt").symlink_to("circle.txt")
    assert not needs_processes(files_of(folder))
    found = []
    for large in (False, True):
        if large:  # so large that it is not read here; blank lines are no rows
            with (folder / "a.jsonl").open("a") as file:
                file.write(f"\n{' ' * (1 << 20)}" * 5)
        assert needs_processes(files_of(folder)) == large
        out = tmp_path / str(large)
        out.mkdir()
        build_corpus(out, CorpusConfig(), Source(("in",), tmp_path))
        tables = [list(read_parquet(out / f"{name}.parquet")) for name in ("documents", "held_out")]
        found.append((tables, read_jsonl(out / "rejected.jsonl"), read_json(out / "summary.json")))
    assert found[0] == found[1]
    assert found[0][2]["masked"]["name"] > 0
