from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_fusion.core.artifacts import (
    LAYOUT,
    check_layout,
    read_json,
    read_jsonl,
    read_parquet,
    room_on_disk,
    write_json,
    write_jsonl,
    writing,
)
from deepseek_fusion.core.errors import FusionError

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)


@contextmanager
def small_files() -> Iterator[None]:
    """No file of this process can grow beyond 4 KiB, as on a full disk; nor can a log that pytest itself writes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_chinese_stays_readable(tmp_path: Path) -> None:
    rows = [{"疾病": "感冒", "n": 1}, {"text": "line\u2028separator\nand newline"}]
    write_jsonl(tmp_path / "数据.jsonl", rows)
    assert read_jsonl(tmp_path / "数据.jsonl") == rows
    assert "感冒" in (tmp_path / "数据.jsonl").read_text(encoding="utf-8")


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.floats(allow_nan=False, allow_infinity=False) | st.none()))
def test_every_json_value_survives(tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]) -> None:
    folder = tmp_path_factory.mktemp("any")
    write_json(folder / "a.json", value)
    write_jsonl(folder / "a.jsonl", [value])
    assert read_json(folder / "a.json") == value
    assert read_jsonl(folder / "a.jsonl") == [value]


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    write_jsonl(file, [{"row": 1}])
    with pytest.raises(TypeError):
        write_jsonl(file, [{"row": 2}, {"row": object()}])
    assert read_jsonl(file) == [{"row": 1}]
    assert list(tmp_path.iterdir()) == [file]


def test_no_room_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    write_jsonl(file, [{"row": 1}])
    with small_files(), pytest.raises(FusionError, match=r"rows\.jsonl: cannot be written .*free some space"):
        write_jsonl(file, ({"row": "x" * 1000} for _ in range(10)))
    assert read_jsonl(file) == [{"row": 1}]
    assert list(tmp_path.iterdir()) == [file]


def test_a_really_full_device_is_one_sentence() -> None:
    full = Path("/dev/full")
    with pytest.raises(FusionError, match=r"/dev/full: cannot be written \(no space left on device\)"):  # noqa: SIM117
        with room_on_disk(full), full.open("wb", buffering=0) as file:
            file.write(b"x")


def test_other_system_errors_are_not_disguised(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught, writing(tmp_path / "absent" / "file"):
        pass
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n\n{"b": }\n', r"rows\.jsonl, line 3: not valid JSON .*character 7"),
        (b'{"a": 1}\n[1]\n', r"rows\.jsonl, line 2: a JSON object .*\[1\]"),
        ('{"a": 1}\n{"名": "感冒"}'.encode("gbk"), r"rows\.jsonl, line 2: not UTF-8"),
    ],
)
def test_broken_rows_name_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(FusionError, match=message):
        read_jsonl(tmp_path / "rows.jsonl")


def test_windows_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes('\ufeff{"名": 1}\r\n{"名": 2}\r\n'.encode())
    assert read_jsonl(tmp_path / "rows.jsonl") == [{"名": 1}, {"名": 2}]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match=r"absent\.json: no such file"):
        read_json(tmp_path / "absent.json")


def test_a_newer_work_folder_is_refused(tmp_path: Path) -> None:
    check_layout(tmp_path)
    write_json(tmp_path / "layout.json", {"layout": LAYOUT})
    check_layout(tmp_path)
    write_json(tmp_path / "layout.json", {"layout": LAYOUT + 1})
    with pytest.raises(FusionError, match="belongs to a newer deepseek-fusion"):
        check_layout(tmp_path)
    write_json(tmp_path / "layout.json", {"layout": "one"})
    with pytest.raises(FusionError, match="no whole number"):
        check_layout(tmp_path)


def test_a_file_is_no_work_folder(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("x")
    with pytest.raises(FusionError, match="the work folder is a file"):
        check_layout(tmp_path / "work")


def test_two_processes_never_share_a_temporary_file(tmp_path: Path) -> None:
    with writing(tmp_path / "file") as file:
        file.write(b"x")
        (temporary,) = tmp_path.iterdir()
        assert str(os.getpid()) in temporary.name


def test_rows_and_columns_of_a_table(tmp_path: Path) -> None:
    table = pyarrow.table({"text": ["痛风", "b"], "n": [1, 2]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert list(read_parquet(tmp_path / "a.parquet")) == [{"text": "痛风", "n": 1}, {"text": "b", "n": 2}]
    assert list(read_parquet(tmp_path / "a.parquet", "text")) == [{"text": "痛风"}, {"text": "b"}]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and no more"])
def test_a_table_that_is_missing_or_broken_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(FusionError, match=r"a.parquet: is no Parquet .*; delete its folder"):
        list(read_parquet(tmp_path / "a.parquet"))
