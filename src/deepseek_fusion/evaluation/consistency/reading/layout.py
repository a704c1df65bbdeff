"""The layout of an answer as plain lines: tables, lists, headings, and the labels of questions and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deepseek_fusion.evaluation.consistency.reading.names import plain

_NUMBERING = re.compile(r"(?:(?<=\s)|^|(?<=[：:]))\(?\d{1,2}[.)、]\s*(?=\D)|^[*•-]\s+", re.MULTILINE)
_CIRCLED = re.compile(r"[①-⒛]|[(（]\d{1,2}[)）](?=\s*[^\x00-\x7f])|(?:^|(?<=[;:,] ))[a-h]\) ", re.MULTILINE)
_MARKUP = re.compile(r"[*_`#]+")
_SPEAKER = re.compile(
    r"^\s*(?:q|a|question|answer|问|答|问题|答案|回答)\s*\d{0,2}\s*:\s*", re.IGNORECASE | re.MULTILINE
)
_UNDER_HEADER = re.compile(r"\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?)?\s*")


def plain_lines(answer: str) -> str:
    """The text with every item of a list and every cell of a table on a line of its own, a cell after its header."""
    text = "\n".join(_without_tables(answer.split("\n")))
    text = _NUMBERING.sub("\n", plain(_CIRCLED.sub("\n", text.replace("\t", ", "))))
    return _SPEAKER.sub("", _MARKUP.sub("", text))


def _without_tables(lines: Sequence[str]) -> Iterator[str]:
    header: list[str] = []
    for place, line in enumerate(lines):
        if "|" not in line:
            header = []
            yield line
        elif _UNDER_HEADER.fullmatch(line.strip()):
            header = _cells(lines[place - 1]) if place else []
        elif header:
            yield from (f"{name}: {cell}" if name else cell for name, cell in zip(header, _cells(line), strict=False))
        elif not (place + 1 < len(lines) and _UNDER_HEADER.fullmatch(lines[place + 1].strip())):
            yield line


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
