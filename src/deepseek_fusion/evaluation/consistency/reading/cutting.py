"""A sentence is cut into segments, and its names are told apart: of whom it speaks, and what it says of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from deepseek_fusion.evaluation.consistency.reading.scanning import SUBJECT, Mark, Sentence, longer_names
from deepseek_fusion.evaluation.consistency.reading.segments import CONDITION, Item, Segment
from deepseek_fusion.knowledge.language import HAN

_CUTTING = {"without", "rather than", "instead of", "而不是", "而非", "而不用", "而不", "而没有", "而无"}
"""Denials that begin a segment of their own."""
_RELATED = re.compile("有关|无关|相关|关系|联系|关联|有关系|没有关系|没关系|不相干")
_HAVING = re.compile(r"\b(?:have|has|had|got|having|diagnosed with) $|(?:得了?|患有?|患上|有)$", re.IGNORECASE)
_COMITATIVE = {"与", "和", "跟", "同", "及"}
_CAUSES = re.compile("所?(?:引起|导致|造成|引发|带来|致)的?|的(?!感觉|表现|情况|现象|人|患者)|患者|病人|'s ")
_FOR_SUBJECT = re.compile(
    r"(?:\b(?:in|for|against)|\b(?:symptom|symptoms|sign|signs|code|treat|treats|treatment|management|patients?|people|"
    r"persons?|someone|those|individuals?|sufferers?) (?:of|with)|\btreat(?:s|ing)?)(?: the| an?)? $"
    r"|(?:用于|治疗|患有?|患上|得了?|对于?|关于|适用于|见于)$",
    re.IGNORECASE,
)
"""What stands directly before a subject that something else is said of."""


def cut(sentence: Sentence, goes_on: bool, backward: bool) -> list[Segment]:
    """Segments with their items.

    A name that can be a subject or an object is an object if there is another subject to say it of.

    Args:
        goes_on: a subject was spoken of before.
        backward: it answers a question for the subject: where no object is named, subjects are items.
    """
    segments = [Segment([], "")]
    marks = longer_names(sentence)
    for place, mark in enumerate(marks):
        words = sentence.text[mark.start : mark.end].lower()
        if words == "不管" and (place + 1 == len(marks) or marks[place + 1].kind in ("and", "turn")):
            mark = Mark("not", mark.start, mark.end)  # `... 不管`: does not deal with it; at the beginning: no matter
        if mark.kind == "not" and words in _CUTTING and segments[-1].marks:
            segments.append(Segment([mark], "and"))
        elif words in _COMITATIVE and _joins_unlike(marks, place, sentence.text):
            segments[-1].marks.append(Mark("glue", mark.start, mark.end))
        elif mark.kind in ("and", "or", "turn"):
            segments[-1].leads |= words == ":" and not _comments(marks, place)
            if segments[-1].marks:
                segments.append(Segment([], mark.kind, clause=_is_clause(sentence.text, mark)))
            elif mark.kind != "and":
                segments[-1].joiner = mark.kind
        else:
            segments[-1].marks.append(mark)
    segments = [segment for segment in segments if segment.marks]
    chosen = _placed_subjects(sentence, segments)
    spoken = [mark.meaning for s in segments if not s.find("apart") for mark in s.find("name")]
    named = bool(chosen) or any(meaning.subjects and not meaning.objects for meaning in spoken)
    for place, segment in enumerate(segments):
        for at, mark in enumerate(segment.marks):
            value = mark.kind == "value" and _stands_alone(segment.marks, at)
            if value or (
                mark.meaning.objects
                and mark not in chosen
                and (not mark.meaning.subjects or _is_object(sentence, segments, place, at, named or goes_on))
            ):
                segment.items.append(Item(mark))
    if backward and not any(segment.items for segment in segments):
        for segment in segments:
            segment.items = [Item(m, as_subject=True) for m in segment.find("name") if m.meaning.subjects]
    return segments


def _is_clause(text: str, mark: Mark) -> bool:
    """A comma between Han characters; NFKC has made it one of English, but for the enumeration comma."""
    around = text[max(0, mark.start - 1) : mark.start] + text[mark.end : mark.end + 1]
    return text[mark.start : mark.end] == "," and HAN.search(around) is not None


def _joins_unlike(marks: Sequence[Mark], place: int, text: str) -> bool:
    """What it joins is no list: an object and a subject, or two things that are then said to be related."""
    if not 0 < place < len(marks) - 1:
        return False
    before, after = marks[place - 1].meaning, marks[place + 1].meaning
    rest = itertools.takewhile(lambda mark: mark.kind not in ("and", "or", "turn"), marks[place + 1 :])
    if any(_RELATED.fullmatch(text[mark.start : mark.end]) for mark in rest):
        return True
    return bool(before.objects) and not before.subjects and bool(after.subjects) and not after.objects


def _comments(marks: Sequence[Mark], place: int) -> bool:
    """What follows is no list but a word on what was said: yes, no, `that is how ...`, `also common`."""
    after = marks[place + 1 :]
    return bool(after) and (
        after[0].kind in ("yes", "pronoun") or all(mark.kind in ("no", "not", "glue", "light") for mark in after)
    )


def _placed_subjects(sentence: Sentence, segments: Sequence[Segment]) -> list[Mark]:
    """Names of subjects and objects that stand where a subject does, in segments that name no other."""
    chosen: list[Mark] = []
    for place, segment in enumerate(segments):
        names = segment.find("name")
        if segment.find("apart") or any(mark.meaning.subjects and not mark.meaning.objects for mark in names):
            continue
        both = [mark for mark in names if mark.meaning.subjects]
        others = [mark for mark in segment.find("name", "value") if mark.kind == "value" or mark.meaning.objects]
        code = (
            len(both) == 1
            and len(others) == 2
            and re.search(r"\d", sentence.text[others[0].start : others[0].end]) is not None
        )
        said = len(others) > 1 or segment.leads or any(segment.runs())
        text, last = sentence.text, both[-1:]
        if any(code or _CAUSES.match(text, m.end) or (said and _FOR_SUBJECT.search(text[: m.start])) for m in last):
            chosen += last
        elif both and both[0] is others[0] and _acts(segment, both[0], others, text):
            chosen.append(both[0])
        elif last and _is_spoken_of(sentence, segments, place, last[0]):
            chosen += last
    meanings = [mark.meaning for segment in segments for mark in segment.find("name")]
    if not chosen and not any(meaning.subjects and not meaning.objects for meaning in meanings):
        both = [m for segment in segments[:2] for m in segment.find("name") if m.meaning.subjects]
        if len(meanings) > 1 and both and CONDITION.match(sentence.text):
            chosen.append(both[0])
    return chosen


def _is_spoken_of(sentence: Sentence, segments: Sequence[Segment], place: int, mark: Mark) -> bool:
    """A heading (`Depression: Ampicillin`), what stands below the word for subjects (`Disease: Depression`), and what
    somebody has (`Got Depression?`)."""
    segment = segments[place]
    alone = all(other is mark or other.kind == "glue" for other in segment.marks)
    head = [other.relation for other in segments[place - 1].marks] if place and segments[place - 1].leads else []
    other = any(m.meaning.subjects and not m.meaning.objects for each in segments for m in each.find("name"))
    if alone and SUBJECT in head:
        return True
    if alone and segment.leads and place == 0:
        return not other
    return sentence.asks and _HAVING.search(sentence.text[: mark.start]) is not None


def _acts(segment: Segment, mark: Mark, others: Sequence[Mark], text: str) -> bool:
    """It opens its segment, and a verb, a noun or nothing stands between it and the next name."""
    head = segment.marks[: segment.marks.index(mark)]
    if any(m.kind != "glue" for m in head):
        return False
    if len(others) > 1:
        between = [other for other in segment.marks if mark.start < other.start < others[1].start]
        return any(m.kind in ("light", "copula", "noun") for m in between) or text[mark.end : others[1].start] == " "
    runs = list(segment.runs())
    return len(runs) == 1 and runs[0][-1] is segment.marks[-1] and bool(segment.find("light"))


def _is_object(sentence: Sentence, segments: Sequence[Segment], place: int, at: int, spoken_of: bool) -> bool:
    """A name of a subject and an object is meant as an object."""
    segment, mark = segments[place], segments[place].marks[at]
    apart = segment.find("apart")
    if apart and (apart[0].start < mark.start or not segment.find("noun", "light", "copula")):
        return False
    if spoken_of:
        return True
    head = [m for m in segment.marks[:at] if m.kind != "glue"]
    if not head and place and segments[place].joiner != "turn":
        last = segments[place - 1].marks[-1]
        return bool(last.meaning.objects) and not last.meaning.subjects and "(" not in sentence.text[: mark.start]
    return len(head) > 1 and head[-1].kind in ("light", "copula") and head[0].kind == "word"


def _stands_alone(marks: list[Mark], place: int) -> bool:
    """No unknown word directly before: B12 is no code in `factor B12`."""
    before = marks[place - 1] if place else None
    return before is None or before.kind != "word" or marks[place].start - before.end != 1
