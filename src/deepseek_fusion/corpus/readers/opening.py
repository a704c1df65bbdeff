"""A file as bytes: unpacked if it is compressed, and never more of it than allowed."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, cast

from deepseek_fusion.core.errors import FusionError, missing
from deepseek_fusion.corpus.readers.decoding import decode

BLOCK = 1 << 20
"""Bytes read at a time."""
MOST_WHOLE = 64 << 20
"""Bytes of a file that can only be read as a whole."""
MOST_LINE = 16 << 20
"""Bytes of a line, of an element, of a field: of what becomes one document."""
MOST_RATIO = 200
"""How many times its size a file may unpack to, once it is larger than `MOST_WHOLE`."""

_PACKED = (".gz", ".zst", ".zstd")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_WIDE = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class UnreadableError(Exception):
    """Why a file, or the rest of it, cannot be read; the message goes to the rejected rows."""


@dataclass(frozen=True)
class Opened:
    """A file of the user, and what to call it.

    Raises:
        FusionError: by each method, if the file is there and may not be read.
        UnreadableError: by each method, if it is no file, is broken as an archive, or holds more than allowed.
    """

    path: Path
    name: str

    def blocks(self) -> Iterator[bytes]:
        """The content in pieces."""
        with self._raw() as raw:
            yield from _checked(_unpacked(raw), os.fstat(raw.fileno()).st_size)

    def is_packed(self) -> bool:
        """Whether it is compressed, so that it cannot be read from any place."""
        with self._raw() as raw:
            head = raw.read(4)
        return head.startswith(_GZIP) or head == _ZSTD

    def whole(self) -> bytes:
        """All of the content."""
        content = bytearray()
        for block in self.blocks():
            content += block
            if len(content) > MOST_WHOLE:
                raise UnreadableError(f"holds more than {MOST_WHOLE >> 20} MB, too much for one text; split it")
        return bytes(content)

    def text(self) -> str:
        """All of the content as text, with `\\n` for every end of a line."""
        text = decode(self.whole())
        if text is None:
            raise UnreadableError("not text in any known encoding")
        return text

    def is_longer(self) -> bool:
        """Whether the content is more than can be read as a whole."""
        size = 0
        return any((size := size + len(block)) > MOST_WHOLE for block in self.blocks())

    def narrow(self) -> Iterator[bytes]:
        """The content in pieces, as UTF-8 if a byte order mark says that it is UTF-16 or UTF-32."""
        blocks = self.blocks()
        first = next(blocks, b"")
        encoding = next((name for mark, name in _WIDE.items() if first.startswith(mark)), None)
        if encoding is None:
            yield first.removeprefix(codecs.BOM_UTF8)
            yield from blocks
            return
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        yield decoder.decode(first).encode("utf-8", "replace")
        for block in blocks:
            yield decoder.decode(block).encode("utf-8", "replace")

    def lines(self) -> Iterator[tuple[int, bytes | None]]:
        """Each line with its number, without its end; None for one that is too long."""
        for first, block in self.line_blocks():
            if block is None:
                yield first, None
            else:
                for number, line in enumerate(block.split(b"\n"), first):
                    yield number, line.removesuffix(b"\r")

    def line_blocks(self) -> Iterator[tuple[int, bytes | None]]:
        """Lines that follow each other, many at a time, with the number of the first; None for one that is too long."""
        number, rest, is_long = 1, b"", False
        for block in self.narrow():
            lines, end, last = block.rpartition(b"\n")
            if not end:
                rest += last
            elif is_long:
                yield number, None
                _, end, lines = lines.partition(b"\n")
                if end:
                    yield number + 1, lines
                number, rest, is_long = number + 1 + len(end) + lines.count(b"\n"), last, False
            else:
                yield number, (lines := rest + lines)
                number, rest = number + 1 + lines.count(b"\n"), last
            if len(rest) > MOST_LINE:
                rest, is_long = b"", True
        if rest or is_long:
            yield number, None if is_long else rest

    def _raw(self) -> BinaryIO:
        if not self.path.is_file():  # a pipe would be waited on for ever
            raise UnreadableError("not a file: a link that leads nowhere or in a circle, or a device")
        try:
            return self.path.open("rb")
        except OSError as error:
            raise FusionError(
                f"{self.path}: cannot be read ({error.strerror}); check its rights or leave it out."
            ) from None


def suffix_of(path: PurePath) -> str:
    """What kind of file it is, packed or not: `.jsonl` for `a.jsonl.gz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _unpacked(raw: BinaryIO) -> BinaryIO:
    head = raw.read(4)
    raw.seek(0)
    if head.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if head == _ZSTD:
        try:
            from zstandard import ZstdDecompressor
        except ModuleNotFoundError:
            raise missing("zstandard", "a file packed by zstd", "text") from None
        return cast(BinaryIO, ZstdDecompressor(max_window_size=1 << 27).stream_reader(raw, read_across_frames=True))
    return raw


def _checked(stream: BinaryIO, size: int) -> Iterator[bytes]:
    total = 0
    broken: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, *_zstd_errors())
    while True:
        try:
            block = stream.read(BLOCK)
        except broken as error:
            raise UnreadableError(f"broken archive ({error})") from None
        if not block:
            return
        total += len(block)
        if total > MOST_WHOLE and total > MOST_RATIO * size:
            raise UnreadableError(f"unpacks to more than {MOST_RATIO} times its size, as a zip bomb does")
        yield block


def _zstd_errors() -> tuple[type[Exception], ...]:
    try:
        from zstandard import ZstdError
    except ModuleNotFoundError:
        return ()
    return (ZstdError,)
