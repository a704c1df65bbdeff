"""How far a denial or a doubt reaches in a sentence."""

from __future__ import annotations

import itertools
import re

from deepseek_fusion.evaluation.consistency.reading.scanning import Mark
from deepseek_fusion.evaluation.consistency.reading.segments import LIST_WORDS, Item, Segment
from deepseek_fusion.knowledge.language import HAN

_LACKING = re.compile("without|in the absence of|没有|若无|如无|缺了|离开", re.IGNORECASE)
_HARD = re.compile(r"\b(?:hard|difficult|impossible)\b|难", re.IGNORECASE)
_SELDOM = re.compile(
    r"(?:rarely|seldom|hardly|scarcely|(?:hard|difficult|impossible) to imagine|很少|极少|少有|鲜有|难以?想象) *$",
    re.IGNORECASE,
)
_SURPASSED = re.compile(
    r"(?:nothing|no|none)\b[^,;]* (?:more|better|[a-z]+er)\b[^,;]* than\b|没有(?:什么)?比", re.IGNORECASE
)
"""What is denied is that anything goes beyond it."""
_ENDURING = re.compile(
    " *(?:(?:go|goes|gone) away|stop|respond(?! to)|improve|get better|disappear|subside|heal|resolve)(?![a-z])"
    "|消失|消退|好转|见好",
    re.IGNORECASE,
)
"""What is denied is that it ends."""
_MERELY = re.compile(r" *(?:just|only|merely|simply|solely|always|necessarily|exclusively|仅|只是|只会)", re.IGNORECASE)


def deny(segments: list[Segment], text: str) -> None:
    """Mark the items that are denied."""
    for place in range(len(segments)):
        if not _deny_by_own_words(segments, place, text):
            _deny_as_list_goes_on(segments, place)
    if segments and _LACKING.match(text):
        _conclude(segments, text)


def _conclude(segments: list[Segment], text: str) -> None:
    """`Without Fever, Gout is unlikely`: both denied, so one belongs to the other."""
    for before, after in itertools.pairwise(segments):
        denied = after.find("not") or _HARD.search(after.text(text))
        if denied and after.names_subject() and not after.items and not before.names_subject():
            for item in before.items:
                item.negated = False


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
    start, twice = 0, _denied_before(segments, place, text)
    for item in segment.items:
        item.negated = (twice + sum(start <= mark.start < item.mark.start for mark in denials)) % 2 == 1
        twice = False
        start = item.mark.end
    trailing = [mark for mark in denials if mark.start >= start]
    segment.negated = not segment.items
    if trailing and segment.items:
        for item in [segment.items[-1], *_list_before(segments, place)]:
            item.negated = not item.negated
    elif not segment.items and place and _takes_back(segment, text):
        for item in segments[place - 1].items:
            item.negated = not item.negated
    return True


def _is_lifted(text: str, denial: Mark) -> bool:
    """`rarely without`, `does not just cause`: what is denied is that it is rare, or all."""
    after = _MERELY.match(text, denial.end) or _ENDURING.match(text, denial.end)
    surpassed = _SURPASSED.match(text, denial.start)
    return _SELDOM.search(text[: denial.start]) is not None or after is not None or surpassed is not None


def _denied_before(segments: list[Segment], place: int, text: str) -> bool:
    """`You cannot have Gout without ...`: the clause that it is taken from is denied too."""
    without = text.startswith("without", segments[place].marks[0].start)
    return bool(without and place and not segments[place - 1].items and segments[place - 1].find("not", "no"))


def _takes_back(segment: Segment, text: str) -> bool:
    """`..., but it does not`, 其实不会: nothing but a denial of what was said."""
    if any(mark.kind not in ("not", "no", "copula", "pronoun", "glue") for mark in segment.marks):
        return False
    spoken = [mark for mark in segment.marks if mark.kind != "glue"]
    plainly = len(spoken) == len(segment.marks)
    return plainly or (
        segment.marks[-1].kind == "not" and bool(segment.find("pronoun") or HAN.search(segment.text(text)))
    )


def _list_before(segments: list[Segment], place: int) -> list[Item]:
    """The items of the list that ends with the first item of a segment."""
    if not segments[place].marks or segments[place].joiner == "turn":
        return []
    found: list[Item] = []
    head = segments[place].marks[: segments[place].marks.index(segments[place].items[0].mark)]
    if any(mark.kind not in LIST_WORDS for mark in head):
        return []
    for before in reversed(range(place)):
        if segments[before + 1].clause or not segments[before].is_list_item() or not segments[before].items:
            break
        found += segments[before].items
        if segments[before].joiner == "turn":
            break
    return found


def _deny_as_list_goes_on(segments: list[Segment], place: int) -> None:
    segment = segments[place]
    if not place or segment.joiner == "turn" or segment.clause:
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
    before: list[Segment] = []
    for segment in [*segments, None]:
        if segment is None or segment.joiner == "turn":
            _leave_clause_open([*before, *clause] if _is_mere_doubt(clause) else clause, asks)
            before, clause = clause, []
        if segment is not None:
            clause.append(segment)


def _is_mere_doubt(clause: list[Segment]) -> bool:
    """`..., but this remains to be proven`: of what was said before."""
    kinds = {mark.kind for segment in clause for mark in segment.marks}
    return "open" in kinds and kinds <= {"open", "pronoun", "glue", "copula"}


def _leave_clause_open(clause: list[Segment], asks: bool) -> None:
    doubts = [(segment, mark) for segment in clause for mark in segment.find("open")]
    items = [item for segment in clause for item in segment.items]
    if asks:
        reached = items
    elif doubts:
        segment, doubt = doubts[0]
        after = [item for item in items if item.mark.start > doubt.start]
        if doubt is segment.marks[-1] and any(mark.kind in ("name", "value", "word") for mark in segment.marks):
            reached, clause = [item for item in items if item not in after], [segment]
        else:
            reached = after or items
    else:
        return
    for item in reached:
        item.open = True
    for segment in clause:
        segment.open = True
