"""Text as it comes out of a file of knowledge: decoded, and fields that fit on one line."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from deepseek_fusion.core.errors import FusionError

LARGEST = 1 << 30
"""Bytes of a file; it is held in memory as a whole."""


def text_of(path: Path) -> str:
    """The file as text, without a byte order mark.

    Raises:
        FusionError: it cannot be read, is larger than 1 GiB, is not UTF-8, or holds a NUL byte.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():  # a pipe would be waited for
            raise FusionError(f"{path}: is not a file; leave it out.")
        data = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise FusionError(f"{path}: cannot be read ({error.strerror}); check the path and its rights.") from None
    if size > LARGEST:
        raise FusionError(f"{path}: {size:,} bytes are more than {LARGEST:,} that are read at once; split the file.")
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x} (at {error.start})"
        raise FusionError(f"{path}, line {line}: {byte} is not UTF-8; save the file as UTF-8.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FusionError(f"{path}, line {line}: holds a NUL byte, so it is not a text file; export it again.")
    return text


def clean(place: str, field: str, value: Any) -> str:
    """The value as trimmed NFC text; empty for None.

    Raises:
        FusionError: it is no text, or holds a line break or a control character.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FusionError(f"{place}: `{field}` is {value!r:.40}, not text; put it in quotes.")
    text, wrong = _cleaned(value)
    if wrong:
        raise FusionError(f"{place}: `{field}` holds {wrong}.")
    return text


class Cleaned(dict[str, str]):
    """Cleaned text by the text itself; empty for what `clean` refuses. Names recur, and each is looked at once."""

    def __missing__(self, value: str) -> str:
        self[value] = cleaned_or_none(value) or ""
        return self[value]


def cleaned_or_none(value: Any) -> str | None:
    """The same without a place to name: None for what `clean` refuses."""
    if not isinstance(value, str):
        return None
    text, wrong = _cleaned(value)
    return None if wrong else text


@lru_cache(1 << 16)  # names recur: a million facts are about some ten thousand
def _cleaned(value: str) -> tuple[str, str]:
    """The text, and what is wrong with it."""
    text = unicodedata.normalize("NFC", value.strip())
    if text.isprintable():
        return text, ""
    for character in text:
        category = unicodedata.category(character)
        if category in ("Zl", "Zp") or character in "\r\n":
            return text, "a line break; write it on one line"
        if category in ("Cc", "Cs"):
            return text, f"the control character {character!a}; remove it"
    return text, ""


def one_line(value: str) -> str:
    """Text of somebody's prose on one line, control characters taken for spaces."""
    text = unicodedata.normalize("NFC", value)
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in text)
    return " ".join(text.split())
