"""When an answer counts as right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

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
    return any(_without(text, name) is not None for name in names)


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


@dataclass(frozen=True)
class Accepted:
    """What a graph accepts as the answer to one question.

    Attributes:
        answers: the names of each right answer, the one in the graph first.
        parents: what stands right above a right answer in the hierarchy.
        wanted: how many answers the question asks for; 0 where nothing is known, and declining is right.
    """

    answers: tuple[tuple[str, ...], ...]
    parents: tuple[str, ...]
    wanted: int


@dataclass(frozen=True)
class Verdict:
    """The items that an answer lists, by what they are, and whether it says that nothing is known."""

    exact: int
    alias: int
    parent: int
    wrong: int
    declined: bool

    @property
    def listed(self) -> int:
        """Items in all."""
        return self.exact + self.alias + self.parent + self.wrong


def verify(answer: str, accepted: Accepted) -> Verdict:
    """Compare every item of an answer with what is right; an item said twice is wrong the second time."""
    text = _normal(answer)
    counts = {"exact": 0, "alias": 0, "parent": 0}
    unnamed = list(accepted.answers)
    for kind, names in (("exact", [own[:1] for own in unnamed]), ("alias", [own[1:] for own in unnamed])):
        owners = {name: own for name_of, own in zip(names, accepted.answers, strict=True) for name in name_of}
        for name in sorted(owners, key=len, reverse=True):  # `Nausea, severe` before `Nausea`
            if owners[name] in unnamed and (rest := _without(text, name)) is not None:
                text = rest
                unnamed.remove(owners[name])
                counts[kind] += 1
    for name in sorted(accepted.parents, key=len, reverse=True):
        if (rest := _without(text, name)) is not None:
            text = rest
            counts["parent"] += 1
    wrong = sum(1 for item in re.split(_BOUNDARY, text) if item.strip())
    return Verdict(**counts, wrong=wrong, declined=is_declined(answer))


def _without(text: str, name: str) -> str | None:
    """Normal text without one item of this name; None if there is none."""
    pattern = rf"(?:^|{_BOUNDARY})\s*{re.escape(_normal(name))}\s*(?:$|{_BOUNDARY})"
    rest, found = re.subn(pattern, " ; ", text, count=1)
    return rest if found else None
