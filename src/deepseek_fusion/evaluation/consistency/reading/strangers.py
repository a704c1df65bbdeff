"""Subjects that the graph does not know."""

from __future__ import annotations

import re

from deepseek_fusion.evaluation.consistency.reading.scanning import Mark, Sentence
from deepseek_fusion.evaluation.consistency.reading.segments import Segment
from deepseek_fusion.knowledge.language import HAN

_POSSESSIVE = re.compile(r",? and (?:its|their|his|her)\b|[及和与]其")
_STRANGER = re.compile("的|患者|病人|会|可|常|由|属|归|多|要|引起|导致")
_FALLEN = re.compile("(?:患上?|得了?|患有)([^的了者,、]{2,}?)(?:时|后|以后|之后|的人|的患者|者),?")
"""`患疟疾时`: somebody who falls ill, with what the graph does not know, as no subject is named."""
_CAPITALISED = re.compile(r"[A-Z][^ ]*(?: [A-Z][^ ]*)*(?= [a-z]|$)")


def stranger_of(sentence: Sentence, segments: list[Segment], answers: bool) -> str | None:
    """A subject that the graph does not know, in a sentence that says something about it."""
    told = any(segment.items for segment in segments)
    if fallen := _FALLEN.match(sentence.text):
        return fallen.group(1)
    for place, segment in enumerate(segments):
        goes_on = place > 0 and segment.joiner in ("and", "or") and segments[place - 1].is_list_item()
        listed = segment.is_list_item() or (goes_on and segments[place - 1].items)
        for run in segment.runs() if not segment.leads else ():
            words = sentence.text[run[0].start : run[-1].end]
            if segment.is_condition(sentence.text) and (name := _CAPITALISED.match(words)):
                return name.group()
            if any(mark.start < run[0].start for mark in segment.find("pronoun")):
                return None
            if segment is segments[0] and _POSSESSIVE.match(sentence.text, segment.marks[-1].end):
                return words  # `Malaria and its treatment ...`
            if not segment.items and any(before.items for before in segments[:place]):
                continue
            if not told or (segment.items and run[0].start > segment.items[0].mark.start and not HAN.search(words)):
                continue
            if HAN.search(words):
                said = segment.items or segment.find("noun")
                clear = not answers or _STRANGER.match(sentence.text, run[-1].end)
                if len(words) > 1 and said and clear and not segment.is_list_item() and segment.comes_first(run):
                    return words
            elif words[0].isupper() and not listed and segment.can_be_subject(run, sentence.text):
                return words
        if segment.find("pronoun"):  # what follows is said of somebody known
            return None
    return None


def stranger_beside(sentence: Sentence, segments: list[Segment], place: int) -> str | None:
    """`Malaria needs Quinine, while Gout needs ...`: a subject of a clause of its own that the graph does not know."""
    segment = segments[place]
    if segment.names_subject() or not segment.items:
        return None
    run = next(segment.runs(), None)
    if run is None or any(
        mark.kind != "glue" and not _cures(mark, sentence.text) for mark in segment.marks[: segment.marks.index(run[0])]
    ):
        return None
    words = sentence.text[run[0].start : run[-1].end]
    verbs = [mark for mark in segment.find("light", "copula", "glue", "noun") if mark.start > run[0].start]
    if not verbs or verbs[0].start > segment.items[0].mark.start or not (words[0].isupper() or HAN.match(words)):
        return None
    contrast = segment.joiner == "turn" and not HAN.match(words)
    before = any(other.names_subject() for other in segments[:place])
    after = any(other.begins_with_subject() and not other.is_subject_alone() for other in segments[place + 1 :])
    return words if contrast or (after and not before) else None


def _cures(mark: Mark, text: str) -> bool:
    """治疟疾用奎宁: a verb that subjects follow."""
    return text[mark.start : mark.end] in ("治", "治疗", "对付", "患", "得")
