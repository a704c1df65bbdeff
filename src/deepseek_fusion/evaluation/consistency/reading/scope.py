"""How far a denial or a doubt reaches in a sentence."""

from __future__ import annotations

import re

from deepseek_fusion.evaluation.consistency.reading.scanning import Mark
from deepseek_fusion.evaluation.consistency.reading.segments import LIST_WORDS, Item, Segment

_SELDOM = re.compile(r"(?:rarely|seldom|hardly|scarcely|很少|极少|少有|鲜有) *$", re.IGNORECASE)
_MERELY = re.compile(r" *(?:just|only|merely|simply|solely|always|necessarily|exclusively|仅|只是|只会)", re.IGNORECASE)


def deny(segments: list[Segment], text: str) -> None:
    """Mark the items that are denied."""
    for place in range(len(segments)):
        if not _deny_by_own_words(segments, place, text):
            _deny_as_list_goes_on(segments, place)


def _deny_by_own_words(segments: list[Segment], place: int, text: str) -> bool:
    segment = segments[place]
    denials = [mark for mark in segment.find("not", "no") if not _is_lifted(text, mark)]
    if segment.find("denial"):
        reach = [segment] if segment.items else segments[:place]
        for item in (item for each in reach for item in each.items):
            item.negated = not item.negated
        return True
    if not denials:
        return False
    start = 0
    for item in segment.items:
        item.negated = sum(start <= mark.start < item.mark.start for mark in denials) % 2 == 1
        start = item.mark.end
    trailing = [mark for mark in denials if mark.start >= start]
    segment.negated = not segment.items
    if trailing and segment.items:
        for item in [segment.items[-1], *_list_before(segments, place)]:
            item.negated = not item.negated
    elif not segment.items and place and all(m.kind in ("not", "no", "copula", "pronoun") for m in segment.marks):
        for item in segments[place - 1].items:
            item.negated = not item.negated
    return True


def _is_lifted(text: str, denial: Mark) -> bool:
    """`rarely without`, `does not just cause`: what is denied is that it is rare, or all."""
    return _SELDOM.search(text[: denial.start]) is not None or _MERELY.match(text, denial.end) is not None


def _list_before(segments: list[Segment], place: int) -> list[Item]:
    """The items of the list that ends with the first item of a segment."""
    if not segments[place].marks or segments[place].joiner == "turn":
        return []
    found: list[Item] = []
    head = segments[place].marks[: segments[place].marks.index(segments[place].items[0].mark)]
    if any(mark.kind not in LIST_WORDS for mark in head):
        return []
    for before in reversed(range(place)):
        if not segments[before].is_list_item() or not segments[before].items:
            break
        found += segments[before].items
        if segments[before].joiner == "turn":
            break
    return found


def _deny_as_list_goes_on(segments: list[Segment], place: int) -> None:
    segment = segments[place]
    if not place or segment.joiner == "turn":
        return
    before = segments[place - 1]
    denied = before.items[-1].negated if before.items else before.negated
    forward = before.find("not", "no") or place > 1
    if denied and forward and (segment.joiner == "or" or segment.is_list_item()):
        segment.negated = not segment.items
        for item in segment.items:
            item.negated = True


def leave_open(segments: list[Segment], asks: bool) -> None:
    """Mark the items that a doubt or a question reaches: those after it in its clause, or else those before."""
    clause: list[Segment] = []
    for segment in [*segments, None]:
        if segment is None or segment.joiner == "turn":
            _leave_clause_open(clause, asks)
            clause = []
        if segment is not None:
            clause.append(segment)


def _leave_clause_open(clause: list[Segment], asks: bool) -> None:
    doubts = [mark.start for segment in clause for mark in segment.find("open")]
    items = [item for segment in clause for item in segment.items]
    if asks:
        reached = items
    elif doubts:
        reached = [item for item in items if item.mark.start > doubts[0]] or items
    else:
        return
    for item in reached:
        item.open = True
    for segment in clause:
        segment.open = True
