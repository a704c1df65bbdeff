"""The segments of a sentence, the items in them, and how far a denial or a doubt reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from deepseek_fusion.evaluation.consistency.scanning import Mark, Sentence
from deepseek_fusion.knowledge.language import HAN

_LIST_WORDS = {"glue", "not", "no", "yes"}
_LINKS = {"glue"}


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
        subjects: whom it speaks of, once found.
    """

    marks: list[Mark]
    joiner: str
    items: list[Item] = field(default_factory=list)
    subjects: tuple[str, ...] = ()
    negated: bool = False
    open: bool = False

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
        return bool(self.subject_marks())

    def own_subjects(self) -> tuple[str, ...]:
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
        rest = [mark for mark in self.marks if mark.kind != "glue"]
        return bool(rest) and rest[0] in self.subject_marks()

    def is_subject_alone(self) -> bool:
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
        """It has words that are not understood, and is not just talk between two people."""
        if not any(True for _ in self.runs()):
            return False
        return not self.find("person") or self.names_subject()

    def text(self, sentence: str) -> str:
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

    def linked_back(self, mark: Mark) -> bool:
        """A preposition stands right before."""
        place = self.marks.index(mark)
        return place > 0 and self.marks[place - 1].kind == "glue"

    def is_nominal(self, run: list[Mark]) -> bool:
        """The run begins the segment and a verb follows, or it follows a preposition."""
        place = self.marks.index(run[0])
        after = self.marks[place + len(run) :]
        if place == 0:
            return bool(after) and after[0].kind in ("copula", "light", "glue", "not")
        return self.linked_back(run[0]) and (not after or after[0].kind in ("copula", "light", "glue"))


def cut(sentence: Sentence, backward: bool) -> list[Segment]:
    """Segments with their items. In the answer to a backward question, subjects are items where no object is named."""
    segments = [Segment([], "")]
    for mark in _without_parts_of_names(sentence):
        if mark.kind in ("and", "or", "turn"):
            if segments[-1].marks:
                segments.append(Segment([], mark.kind))
            elif mark.kind != "and":
                segments[-1].joiner = mark.kind
        else:
            segments[-1].marks.append(mark)
    segments = [segment for segment in segments if segment.marks]
    spoken_of = any(_only_subject(mark) for segment in segments for mark in segment.marks)
    for segment in segments:
        for place, mark in enumerate(segment.marks):
            if mark.kind == "value" and _stands_alone(segment.marks, place):
                segment.items.append(Item(mark))
            elif mark.kind == "name" and mark.meaning.objects and (not mark.meaning.subjects or spoken_of):
                segment.items.append(Item(mark))
    if backward and not any(segment.items for segment in segments):
        for segment in segments:
            segment.items = [Item(m, as_subject=True) for m in segment.find("name") if m.meaning.subjects]
    return segments


def _only_subject(mark: Mark) -> bool:
    return mark.kind == "name" and bool(mark.meaning.subjects) and not mark.meaning.objects


def _stands_alone(marks: list[Mark], place: int) -> bool:
    """No unknown word directly before: B12 is no code in `factor B12`."""
    return place == 0 or marks[place - 1].kind != "word" or marks[place].start - marks[place - 1].end > 1


def _without_parts_of_names(sentence: Sentence) -> list[Mark]:
    """A name next to a capitalised unknown word belongs to a longer, unknown name: Yellow Fever is no Fever."""
    marks = list(sentence.marks)
    for place, mark in enumerate(marks):
        if mark.kind != "name" or not sentence.text[mark.start].isupper():
            continue
        near = [other for other in marks[max(0, place - 1) : place + 2] if other.kind == "word"]
        for other in near:
            gap = other.start - mark.end if other.start > mark.start else mark.start - other.end
            if gap == 1 and sentence.text[other.start].isupper() and not HAN.match(sentence.text[other.start]):
                marks[place] = Mark("word", mark.start, mark.end)
    return marks


def deny(segments: list[Segment]) -> None:
    """Mark the items that are denied."""
    for place, segment in enumerate(segments):
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
