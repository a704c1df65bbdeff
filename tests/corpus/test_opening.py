from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
import zstandard

from deepseek_fusion.corpus.readers.opening import BLOCK, Opened, UnreadableError


def opened(folder: Path, content: bytes) -> Opened:
    path = folder / "a"
    path.write_bytes(content)
    return Opened(path, "a")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_of_packed_files_in_wide_encodings(tmp_path: Path, pack: type[bytes], encoding: str) -> None:
    text = "痛风\r\n\nb\nc"
    found = list(opened(tmp_path, pack(text.encode(encoding))).lines())
    assert found == [(1, "痛风".encode()), (2, b""), (3, b"b"), (4, b"c")]


def test_lines_across_blocks_and_lines_too_long(tmp_path: Path) -> None:
    long = b"x" * (2 * BLOCK + 5)
    found = list(opened(tmp_path, b"\n".join([b"a", long, b"y" * (17 << 20), b"b"])).lines())
    assert found == [(1, b"a"), (2, long), (3, None), (4, b"b")]
    assert list(opened(tmp_path, b"y" * (17 << 20)).lines()) == [(1, None)]


def test_blocks_are_whole_lines_that_follow_each_other(tmp_path: Path) -> None:
    lines = [b"%d" % number * 40_000 for number in range(99)] + [b"z" * (17 << 20), b"", b"b" * BLOCK, b"c"]
    for end in (b"", b"\n"):
        number = 1
        for first, block in opened(tmp_path, b"\n".join(lines) + end).line_blocks():
            assert first == number
            assert (block is None) == (lines[number - 1][:1] == b"z")
            found = [None] if block is None else block.split(b"\n")
            assert all(line in (None, lines[first + place - 1]) for place, line in enumerate(found))
            number += len(found)
        assert number == len(lines) + 1


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_an_archive_that_unpacks_without_end(tmp_path: Path, pack: type[bytes]) -> None:
    with pytest.raises(UnreadableError, match="unpacks to more than 200 times its size, as a zip bomb does"):
        list(opened(tmp_path, pack(bytes(70 << 20))).lines())


def test_too_much_for_one_text(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="holds more than 64 MB"):
        opened(tmp_path, b"a b\n" * (17 << 20)).text()


@pytest.mark.parametrize("content", [gzip.compress(b"abc" * 99)[:20], zstandard.compress(b"abc" * 99)[:12] + b"x" * 9])
def test_a_broken_archive(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableError, match="broken archive"):
        opened(tmp_path, content).text()


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nowhere").symlink_to("gone")
    for name in ("pipe", "circle", "nowhere"):
        with pytest.raises(UnreadableError, match="not a file"):
            Opened(tmp_path / name, name).text()
