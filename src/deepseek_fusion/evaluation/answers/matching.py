"""When an answer counts as right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_BOUNDARY = r"[,;:、，；：。!?！？()\[\]|]|\.(?=\s|$)|\band\b|\bor\b|和|或|以及"
_DECLINED = re.compile(
    r"\b(do(es)? not|don'?t|cannot|can'?t|could not|not) (know|have|find|answer|sure|aware)\b"
    r"|\b(unknown|unfamiliar|no information|unable)\b"
    r"|不知道|不清楚|不了解|无法回答|没有相关|未知"
)
_HAN = re.compile(r"[\u3400-\u9fff]")


def is_listed(answer: str, names: Sequence[str]) -> bool:
    """Strict: one of the names stands in the answer as a whole item of a list."""
    text = _normal(answer)
    return any(
        re.search(rf"(?:^|{_BOUNDARY})\s*{re.escape(_normal(name))}\s*(?:$|{_BOUNDARY})", text) for name in names
    )


def is_mentioned(answer: str, names: Sequence[str]) -> bool:
    """Lenient: one of the names occurs anywhere in the answer, as whole words (for Chinese: as it stands)."""
    text = _normal(answer)
    for name in map(_normal, names):
        pattern = re.escape(name) if _HAN.search(name) else rf"(?<!\w){re.escape(name)}(?!\w|\.\w)"
        if re.search(pattern, text):
            return True
    return False


def is_declined(answer: str) -> bool:
    """The answer says that it is not known, in English or Chinese."""
    return _DECLINED.search(_normal(answer)) is not None


def folded(text: str) -> str:
    """Text without case, width, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def _normal(text: str) -> str:
    """One form for width, case, spaces and the lines of a list. Full-width punctuation becomes ASCII under NFKC."""
    text = re.sub(r"\s*\n[\s*•-]*", " ; ", text.strip())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
