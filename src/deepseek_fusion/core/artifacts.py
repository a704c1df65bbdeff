"""What stages leave on disk: finished folders with a manifest, and JSON written atomically."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from deepseek_fusion.core.errors import FusionError, missing

LAYOUT = 1
"""Version of the work folder's layout; raised when an older program could misread a newer folder."""

MANIFEST = "manifest.json"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Artifact:
    """A finished folder of one stage; its key names everything that went into it."""

    path: Path
    key: str
    stage: str

    def manifest(self) -> dict[str, Any]:
        """How this artifact was made: stage, section, inputs, times and library versions."""
        return read_json(self.path / MANIFEST)


@contextmanager
def room_on_disk(place: Path) -> Iterator[None]:
    """Turn "no room left" from the system into a sentence; every other OSError passes through.

    Raises:
        FusionError: the disk, the quota or the file size limit is exhausted.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        reason = os.strerror(error.errno).lower()
        raise FusionError(
            f"{error.filename or place}: cannot be written ({reason}); free some space and run the same command "
            "again, what is finished is kept."
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open `path` for writing such that readers see the old content or the whole new one, never a part.

    Raises:
        FusionError: the disk is full; the old content is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with room_on_disk(path):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically."""
    with writing(path) as file:
        file.write(_encode(value, indent=2) + b"\n")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, atomically; `rows` may be a generator."""
    with writing(path) as file:
        for row in rows:
            file.write(_encode(row) + b"\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FusionError: the file is missing, is not UTF-8, is not JSON, or is not an object.
    """
    return _object(_text(path), str(path))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read one JSON object a line; blank lines are skipped.

    Raises:
        FusionError: the file is missing, is not UTF-8, or a line (named by its number) is not a JSON object.
    """
    return [row for _, row in numbered_rows(path)]


def numbered_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The same, each with the number of its line, for messages about what it holds."""
    lines = enumerate(_text(path).split("\n"), start=1)
    return [(number, _object(line, f"{path}, line {number}")) for number, line in lines if line.strip()]


def read_parquet(path: Path, *columns: str) -> Iterator[dict[str, Any]]:
    """The rows of a table that a stage wrote, or some of their columns; no more than a batch is in memory.

    Raises:
        FusionError: the file is missing or broken, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError:
        raise missing("pyarrow", "a corpus", "text") from None
    try:
        with ParquetFile(path) as table:
            for batch in table.iter_batches(columns=list(columns) or None):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise FusionError(f"{path}: is no Parquet ({error}); delete its folder to have it remade.") from None


def check_layout(work: Path) -> None:
    """Refuse a work folder that a newer program laid out, or that is not a folder.

    Raises:
        FusionError: its `layout.json` names a layout that this program does not know, or `work` is a file.
    """
    if work.is_file():
        raise FusionError(f"{work}: the work folder is a file; give another name under `work` in the project file.")
    file = work / "layout.json"
    if not file.exists():
        return
    layout = read_json(file).get("layout")
    if not isinstance(layout, int):
        raise FusionError(
            f'{file}: has no whole number under "layout"; restore the file or choose another work folder.'
        )
    if layout > LAYOUT:
        raise FusionError(
            f"{file}: this work folder has layout {layout} and belongs to a newer deepseek-fusion (this one knows "
            f"layout {LAYOUT}); upgrade deepseek-fusion or choose another work folder."
        )


def _encode(value: Any, indent: int | None = None) -> bytes:
    # A lone surrogate, which a \ud800 in user's JSON makes, has no UTF-8; written back as that escape it is JSON again.
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return text.encode("utf-8", errors="backslashreplace")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise FusionError(f"{path}: no such file; check the path.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise FusionError(f"{path}, line {line}: not UTF-8; save the file as UTF-8.") from None


def _object(text: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise FusionError(f"{place}: not valid JSON ({error.msg} at character {error.pos + 1}); mend it.") from None
    if not isinstance(value, dict):
        raise FusionError(
            f'{place}: a JSON object such as {{"key": "value"}} is needed here, not {text.strip()[:40]!r}.'
        )
    return value
