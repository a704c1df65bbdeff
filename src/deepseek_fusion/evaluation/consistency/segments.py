"""The segments of a sentence, the items in them, and how far a denial or a doubt reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from deepseek_fusion.evaluation.consistency.scanning import Mark, Sentence
from deepseek_fusion.knowledge.language import HAN

_LIST_WORDS = {"glue", "not", "no", "yes"}
_CUTTING = {"without", "rather than", "instead of", "而不是", "而非", "而不用", "而不"}
"""Denials that begin a segment of their own."""
_ADVERBIAL = re.compile(
    r"(?:[a-z]+ly )?(?:in|on|at|for|since|during|from|to|until|after|before|when|if|because)\b"
    r"|在|从|自|当|对于|就|为了|\d+ ?年",
    re.IGNORECASE,
)
"""What begins like this says when, where or why, not what."""
_BEFORE_SUBJECT = re.compile(
    r"(?:\b(?:of|for|in|against|regarding|having|has|have|like)"
    r"|\b(?:patients?|people|persons?|someone|those|cases?|individuals?|sufferers?) with)(?: the| an?)? $",
    re.IGNORECASE,
)


@dataclass
class Item:
    """Something that is said of a subject."""

    mark: Mark
    as_subject: bool = False
    subjects: tuple[str, ...] = ()
    negated: bool = False
    open: bool = False


@dataclass
class Segment:
    """What stands between two separators of a sentence.

    Attributes:
        joiner: the kind of separator before it: and, or, turn; empty at the beginning.
        leads: a colon follows, and what it leads to.
        subjects: whom it speaks of, once found.
    """

    marks: list[Mark]
    joiner: str
    items: list[Item] = field(default_factory=list)
    subjects: tuple[str, ...] = ()
    negated: bool = False
    open: bool = False
    leads: bool = False

    def find(self, *kinds: str) -> list[Mark]:
        """The marks of these kinds."""
        return [mark for mark in self.marks if mark.kind in kinds]

    def subject_marks(self) -> list[Mark]:
        """Names of subjects that it speaks of; one that it sets apart is none."""
        if self.find("apart"):
            return []
        taken = {item.mark for item in self.items}
        return [mark for mark in self.find("name") if mark.meaning.subjects and mark not in taken]

    def names_subject(self) -> bool:
        """It names a subject to speak of."""
        return bool(self.subject_marks())

    def own_subjects(self) -> tuple[str, ...]:
        """The subjects that it names itself."""
        return tuple(name for mark in self.subject_marks() for name in sorted(mark.meaning.subjects))

    def subject_of(self, item: Item) -> tuple[str, ...]:
        """The nearest subject before the item, else the first after it."""
        marks = self.subject_marks()
        if len(marks) <= 1:
            return self.subjects
        before = [mark for mark in marks if mark.start < item.mark.start]
        return tuple(sorted((before[-1] if before else marks[0]).meaning.subjects))

    def subject_first(self) -> bool:
        """Its subject stands before its first item."""
        marks = self.subject_marks()
        return bool(marks) and (not self.items or marks[0].start < self.items[0].mark.start)

    def begins_with_subject(self) -> bool:
        """Nothing but grammar stands before its subject."""
        rest = [mark for mark in self.marks if mark.kind != "glue"]
        return bool(rest) and rest[0] in self.subject_marks()

    def is_subject_alone(self) -> bool:
        """A subject of which nothing is said here."""
        return self.names_subject() and all(m.kind == "glue" or m in self.subject_marks() for m in self.marks)

    def is_list_item(self) -> bool:
        """Nothing but one item, known or not, and words that can stand in a list."""
        rest = [mark for mark in self.marks if mark.kind not in _LIST_WORDS]
        if self.items:
            return len(rest) == 1 and rest[0] is self.items[0].mark
        return bool(rest) and all(mark.kind == "word" for mark in rest) and len(list(self.runs())) == 1

    def runs(self) -> Iterator[list[Mark]]:
        """Unknown words that stand next to each other; single Han characters say nothing."""
        run: list[Mark] = []
        for mark in [*self.marks, None]:
            if mark and mark.kind == "word" and (not run or mark.start - run[-1].end <= 1):
                run.append(mark)
                continue
            if run and (len(run) > 1 or run[0].end - run[0].start > 1):
                yield run
            run = [mark] if mark and mark.kind == "word" else []

    def says_something(self, text: str) -> bool:
        """It has words that are not understood, and is not just talk, a heading or `in 2019`."""
        runs = list(self.runs())
        if not runs or self.leads:
            return False
        if self.names_subject():
            return self.marks[0].kind != "pronoun"  # `that is how Gout begins` comments on what was said
        if not self.find("noun") and _ADVERBIAL.match(text[self.marks[0].start :]):
            return False
        if any(mark.start > runs[-1][0].start for mark in self.find("open")):
            return False
        people = self.find("person")
        said = [
            mark.start for mark in self.find("light", "copula", "open") if not people or mark.start > people[-1].start
        ]
        return not people or (bool(said) and runs[-1][0].start > said[0])

    def text(self, sentence: str) -> str:
        """Its words in the sentence."""
        return sentence[self.marks[0].start : self.marks[-1].end]

    def words(self, sentence: str) -> str:
        """From the first unknown word to the last."""
        runs = list(self.runs())
        return sentence[runs[0][0].start : runs[-1][-1].end]

    def is_definition(self, noun: Mark, item: Mark) -> bool:
        """Only grammar and subjects stand between the noun and the item: `the symptoms of Gout are ...`."""
        if noun.start > item.start:
            return False
        between = [mark for mark in self.marks if noun.start < mark.start < item.start]
        return all(mark.kind in ("copula", "glue", "not") or mark in self.subject_marks() for mark in between)

    def can_be_subject(self, run: list[Mark], text: str) -> bool:
        """The run begins the segment and a verb follows, or it stands after a preposition that subjects follow."""
        place = self.marks.index(run[0])
        if place == 0:
            after = self.marks[len(run) :]
            return not after or after[0].kind in ("copula", "light", "glue", "not")
        return _BEFORE_SUBJECT.search(text[: run[0].start]) is not None


def cut(sentence: Sentence, goes_on: bool, backward: bool) -> list[Segment]:
    """Segments with their items.

    A name that can be a subject or an object is an object if there is another subject to say it of.

    Args:
        goes_on: a subject was spoken of before.
        backward: it answers a question for the subject: where no object is named, subjects are items.
    """
    segments = [Segment([], "")]
    for mark in _longer_names(sentence):
        words = sentence.text[mark.start : mark.end].lower()
        if mark.kind == "not" and words in _CUTTING and segments[-1].marks:
            segments.append(Segment([mark], "and"))
        elif mark.kind in ("and", "or", "turn"):
            segments[-1].leads |= words == ":"
            if segments[-1].marks:
                segments.append(Segment([], mark.kind))
            elif mark.kind != "and":
                segments[-1].joiner = mark.kind
        else:
            segments[-1].marks.append(mark)
    segments = [segment for segment in segments if segment.marks]
    names = [mark.meaning for segment in segments for mark in segment.find("name")]
    named = any(meaning.subjects and not meaning.objects for meaning in names)
    told = any(meaning.objects and not meaning.subjects for meaning in names) or any(s.find("value") for s in segments)
    spoken_of = named or (goes_on and (not told or _is_list(segments)))
    for segment in segments:
        for place, mark in enumerate(segment.marks):
            value = mark.kind == "value" and _stands_alone(segment.marks, place)
            if value or (mark.meaning.objects and (not mark.meaning.subjects or spoken_of)):
                segment.items.append(Item(mark))
    if backward and not any(segment.items for segment in segments):
        for segment in segments:
            segment.items = [Item(m, as_subject=True) for m in segment.find("name") if m.meaning.subjects]
    return segments


def _is_list(segments: Sequence[Segment]) -> bool:
    """No verb, or only before a colon that follows the noun of a relation."""
    rest = [segment for segment in segments if not (segment.leads and segment.find("noun"))]
    return not any(segment.leads or segment.find("light", "copula", "pronoun") for segment in rest)


def _stands_alone(marks: list[Mark], place: int) -> bool:
    """No unknown word directly before: B12 is no code in `factor B12`."""
    before = marks[place - 1] if place else None
    return before is None or before.kind != "word" or marks[place].start - before.end != 1


def _longer_names(sentence: Sentence) -> list[Mark]:
    """Marks in which a name that is a part of a longer, unknown one is just a word: Yellow Fever is no Fever."""
    marks = list(sentence.marks)
    for place, mark in enumerate(marks):
        if mark.kind not in ("name", "light", "glue"):
            continue
        if _capitalised_with_neighbour(marks, place, sentence.text) or _goes_on_in_han(marks, place, sentence.text):
            marks[place] = Mark("word", mark.start, mark.end)
    return marks


def _capitalised_with_neighbour(marks: Sequence[Mark], place: int, text: str) -> bool:
    mark = marks[place]
    if not text[mark.start].isupper() or (mark.kind != "name" and place == 0):
        return False
    near = [marks[i] for i in (place - 1, place + 1) if 0 <= i < len(marks) and marks[i].kind == "word"]
    gaps = [max(other.start - mark.end, mark.start - other.end) for other in near]
    return any(gap == 1 and text[other.start].isupper() for gap, other in zip(gaps, near, strict=True))


def _goes_on_in_han(marks: Sequence[Mark], place: int, text: str) -> bool:
    """Unknown Han characters stand next to it without a gap: after the name of an object, to the end of its segment;
    on both sides of a cue; on either side of a verb of one character."""
    mark = marks[place]
    if not HAN.match(text[mark.end - 1]):
        return False
    end, last = mark.end, place + 1
    while last < len(marks) and marks[last].kind == "word" and marks[last].start == end and HAN.match(text[end]):
        end, last = marks[last].end, last + 1
    if mark.kind == "name":
        ends = last == len(marks) or marks[last].kind in ("and", "or", "turn")
        return not mark.meaning.subjects and end - mark.end >= 2 and ends
    before = place > 0 and marks[place - 1].kind == "word" and marks[place - 1].end == mark.start
    short = mark.kind == "light" and mark.end - mark.start == 1
    return (before or end > mark.end) if short else (before and end > mark.end)


def deny(segments: list[Segment]) -> None:
    """Mark the items that are denied."""
    for place in range(len(segments)):
        if not _deny_by_own_words(segments, place):
            _deny_as_list_goes_on(segments, place)


def _deny_by_own_words(segments: list[Segment], place: int) -> bool:
    segment = segments[place]
    denials = segment.find("not", "no")
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


def _list_before(segments: list[Segment], place: int) -> list[Item]:
    """The items of the list that ends with the first item of a segment."""
    if not segments[place].marks or segments[place].joiner == "turn":
        return []
    found: list[Item] = []
    head = segments[place].marks[: segments[place].marks.index(segments[place].items[0].mark)]
    if any(mark.kind not in _LIST_WORDS for mark in head):
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
