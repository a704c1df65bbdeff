"""JSON: one value a line, or a file that is one value or a list of them."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, ClassVar

from deepseek_fusion.corpus.documents import unread
from deepseek_fusion.corpus.readers.decoding import Decoder
from deepseek_fusion.corpus.readers.formats.records import Records
from deepseek_fusion.corpus.readers.opening import MOST_LINE, MOST_WHOLE, Opened, UnreadableError
from deepseek_fusion.corpus.readers.reader import Reader, Reading

_SPACE = " \t\n\r"


class LinesReader(Reader):
    """One value a line."""

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")

    def read(self, file: Opened) -> Reading:
        """Line by line; one that is no JSON is rejected."""
        records, decoder = Records(file.name, self.fields), Decoder()
        for first, block in file.line_blocks():
            if block is None:
                yield unread(file.name, first, f"a line of more than {MOST_LINE >> 20} MB")
                continue
            texts = decoder.lines(block)
            lines = block.split(b"\n") if None in texts else []
            for number, text in enumerate(texts, first):
                if text is None:
                    data = lines[number - first]
                    yield unread(file.name, number, "not text in any known encoding", ascii(data[:40])[2:-1])
                    continue
                try:
                    value = json.loads(text)
                except (ValueError, RecursionError) as error:
                    if text.strip():
                        yield unread(file.name, number, f"not JSON ({error})", text)
                else:
                    yield from records.documents(value, number)
        yield from records.without_text()


class JsonReader(Reader):
    """One value a file, or a list, which may be longer than the memory."""

    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def read(self, file: Opened) -> Reading:
        """Value by value."""
        records = Records(file.name, self.fields)
        if file.is_longer():
            for number, value in enumerate(_elements(file), start=1):
                yield from records.documents(value, number)
        else:
            try:
                value = json.loads(file.text())
            except (ValueError, RecursionError) as error:
                raise UnreadableError(f"not JSON ({error})") from None
            if isinstance(value, list):
                for number, element in enumerate(value, start=1):
                    yield from records.documents(element, number)
            else:
                yield from records.documents(value, None)
        yield from records.without_text()


def _elements(file: Opened) -> Iterator[Any]:
    """The elements of a list, read as they come."""
    decoder, scanner = codecs.getincrementaldecoder("utf-8")("replace"), json.JSONDecoder()
    blocks = file.narrow()
    text, place = decoder.decode(next(blocks, b"")).lstrip(_SPACE), 1
    if not text.startswith("["):
        raise UnreadableError(f"one JSON value of more than {MOST_WHOLE >> 20} MB; write one object a line")
    while True:
        while text[place : place + 1] in (*_SPACE, ",") and place < len(text):
            place += 1
        try:
            value, end = scanner.raw_decode(text, place)
        except RecursionError as error:
            raise UnreadableError(f"not JSON ({error})") from None
        except ValueError as error:
            if text[place : place + 1] == "]":
                return
            if len(text) - place > MOST_LINE:
                raise UnreadableError(f"not JSON, or an element of more than {MOST_LINE >> 20} MB ({error})") from None
            block = next(blocks, None)
            if block is None:
                raise UnreadableError(f"not JSON ({error})") from None
            text, place = text[place:] + decoder.decode(block), 0
        else:
            yield value
            place = end
