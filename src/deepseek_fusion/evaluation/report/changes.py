"""Which words an attack changed."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

Segments = list[tuple[str, bool]]

_UNIT = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|\s+|[^\w\s]")


def changed_words(before: str, after: str) -> tuple[Segments, Segments]:
    """Both texts as stretches that are changed or not; the unit is a word, and in Chinese a character."""
    old, new = _UNIT.findall(before), _UNIT.findall(after)
    sides: tuple[Segments, Segments] = ([], [])
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for side, units in zip(sides, (old[a:b], new[c:d]), strict=True):
            if units:
                side.append(("".join(units), kind != "equal"))
    return sides
