"""Bytes as text: UTF-8 where it is, else the likeliest Chinese or Western encoding, and mojibake undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import AnyStr

from deepseek_fusion.core.errors import missing

_ENCODINGS = ["gb18030", "big5", "cp1252"]
_SAMPLE = 1 << 14  # bytes that tell an encoding as well as all of them, and a hundred times faster
_CONTINUED = "[\x80-\xbfŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™]"  # second and later bytes of UTF-8, read as Windows-1252
# UTF-8 read as Windows-1252 (Ã©, â€™), and GBK's reading of lost characters (锟斤拷, 烫烫烫)
_MOJIBAKE = re.compile(rf"[ÂÃÄÅÎÏÐÑ]{_CONTINUED}|[à-ï]{_CONTINUED}{{2}}|[ð-ô]{_CONTINUED}{{3}}|锟斤拷|烫烫烫|\ufffd+")
SUSPECT = re.compile("[ÂÃÄÅÎÏÐÑà-ô锟烫\ufffd]")
"""How each trace of a wrong encoding begins."""
_LATIN, _LOST = b"\xc3", "锟烫\ufffd"
_TRACES = (_LATIN, *(character.encode() for character in _LOST), b"\0")  # with which each of them, and NUL, begins
_MOST = 0.01  # of all characters


class Decoder:
    """The text of the lines of one file, most of which share an encoding."""

    def __init__(self) -> None:
        self.encoding: str | None = None

    def lines(self, block: bytes) -> list[str | None]:
        """The text of each line of a block, None for binary data.

        Raises:
            FusionError: as for one line.
        """
        text = None if b"\0" in block else _strict(block, "utf-8")
        if text is None:
            return [*map(self, block.split(b"\n"))]
        lines = text.split("\n")
        traced = chain(_holding(_LATIN, block, b"\n"), *(_holding(trace, text, "\n") for trace in _LOST))
        for number in set(traced):
            lines[number] = repaired(lines[number])
        return [*lines]

    def __call__(self, line: bytes) -> str | None:
        """None for binary data.

        Raises:
            FusionError: the bytes are not UTF-8 and charset-normalizer is not installed.
        """
        if line.isascii() and b"\0" not in line:
            return line.decode("ascii")
        text = _strict(line, "utf-8")
        if text is not None and not any(trace in line for trace in _TRACES):
            return text
        if text is None:
            if self.encoding is not None:
                text = _strict(line, self.encoding)
            if text is None:
                self.encoding = _guess(line)
                text = self.encoding and _strict(line, self.encoding)
        return None if text is None or "\0" in text else repaired(text)


def _holding(trace: AnyStr, block: AnyStr, end: AnyStr) -> Iterator[int]:
    """The numbers of the lines of a block that have a trace in them."""
    number, rest = 0, 0
    while rest >= 0 and (place := block.find(trace, rest)) >= 0:
        number += block.count(end, rest, place)
        yield number
        rest = block.find(end, place)


def decode(data: bytes) -> str | None:
    """Text of a whole file, with `\\n` for every end of a line; None for binary data.

    A file put together from pieces in several encodings is decoded line by line.

    Raises:
        FusionError: the bytes are not Unicode and charset-normalizer is not installed.
    """
    marked = data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
    wide = "utf-32" if marked else "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else None
    text = _strict(data, wide or "utf-8-sig")
    if text is None:
        text = _of_other_encodings(data)
    return None if text is None or "\0" in text else repaired(text.replace("\r\n", "\n").replace("\r", "\n"))


def garbled(text: str) -> str | None:
    """A place that was decoded with the wrong encoding, if more than 1 % of the text was."""
    if text.isascii() or not SUSPECT.search(text):
        return None
    found: list[str] = _MOJIBAKE.findall(text)
    return found[0] if sum(map(len, found)) > _MOST * len(text) else None


def repaired(text: str) -> str:
    """The text with mojibake undone as far as it can be.

    Raises:
        FusionError: it has mojibake and ftfy is not installed.
    """
    if garbled(text) is None:
        return text
    try:
        from ftfy import fix_encoding
    except ModuleNotFoundError:
        raise missing("ftfy", "text decoded with the wrong encoding", "text") from None
    return fix_encoding(text)


def _of_other_encodings(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    lines = data.split(b"\n")
    texts = [_strict(line, "utf-8") for line in lines]
    foreign = [line for line, text in zip(lines, texts, strict=True) if text is None]
    unicode_lines = sum(text is not None and not text.isascii() for text in texts)
    if unicode_lines < len(foreign):  # what happens to be UTF-8 as well is not: 联通 in GBK
        encoding = _guess(data)
        return None if encoding is None else _strict(data, encoding)
    decoder = Decoder()
    mended = [decoder(line) if text is None else text for line, text in zip(lines, texts, strict=True)]
    return None if None in mended else "\n".join(line for line in mended if line is not None)


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _guess(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        from charset_normalizer import from_bytes
    except ModuleNotFoundError:
        raise missing("charset-normalizer", "text that is not UTF-8", "text") from None
    sample = data[:_SAMPLE].rpartition(b"\n")[0] if len(data) > _SAMPLE else data
    for part in (sample, data):
        best = from_bytes(part, cp_isolation=_ENCODINGS).best() if part else None
        if best is not None and _strict(data, best.encoding) is not None:
            return best.encoding
    return None
