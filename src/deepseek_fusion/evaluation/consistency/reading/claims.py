"""An answer in free text is split into claims: (subject, relation, object), asserted or negated.

The graph's own names carry the reading, not sentence templates: a sentence is cut at separators into segments, each
segment gives the names in it, and the words around say which subject they belong to, by which relation, and whether
it is denied or left open. What a segment leaves out comes from the sentence, the one before, or the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from deepseek_fusion.evaluation.consistency.reading.cutting import cut
from deepseek_fusion.evaluation.consistency.reading.names import lowered, plain
from deepseek_fusion.evaluation.consistency.reading.replies import joined
from deepseek_fusion.evaluation.consistency.reading.scanning import Scanner, Sentence
from deepseek_fusion.evaluation.consistency.reading.scope import deny, leave_open
from deepseek_fusion.evaluation.consistency.reading.segments import Item, Segment
from deepseek_fusion.evaluation.consistency.reading.strangers import stranger_beside, stranger_of
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import HAN

_ADDING = re.compile(
    "apart from|aside from|besides|in addition|in addition to|in spite of|despite|there|as|除|除了|除去"
)
"""Words that open a sentence with a thing that is said of its subject too, unlike `contrary to`."""
_TELLING = {"name", "value", "noun", "light"}
_SPEAKER = re.compile(r"(?:i|we)\b|我|咱", re.IGNORECASE)
_FORMER = re.compile(r"\b(?:former|latter)\b|前者|后者")
_IN_TURN = re.compile(r"\brespectively\b|分别|依次")


@dataclass(frozen=True)
class Asked:
    """What the question was about. A question that goes backwards names the object and asks for the subject."""

    relation: str
    subject: str | None = None
    object: str | None = None


@dataclass(frozen=True)
class Claim:
    """One thing that an answer says.

    Attributes:
        text: the words it was read from.
        subject: the graph's own name, or the words as they stand where the graph has none, or None.
        relation: key of a relation, or None.
        object: as the subject.
        readings: every (subject, relation, object) of the graph's names that it can mean; none if a name is unknown.
        negated: it is said not to be so.
        open: it is mentioned without being asserted or denied.
        place: where the object, or the words, stand in the plain lines of the answer.
    """

    text: str
    subject: str | None
    relation: str | None
    object: str | None
    readings: tuple[tuple[str, str, str], ...] = ()
    negated: bool = False
    open: bool = False
    place: tuple[int, int] = field(default=(0, 0), compare=False)


@dataclass
class Passage:
    """A sentence of an answer, how it is cut, and the claims read from it, repeated ones too."""

    sentence: Sentence
    segments: list[Segment]
    claims: list[Claim]


@dataclass
class _Context:
    """What a sentence takes over from those before it and from the question."""

    asked: Asked | None
    subjects: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    noun: str | None = None
    bare: bool = False
    headed: bool = False
    told: bool = False

    def asked_relation(self) -> str | None:
        """The relation of the question, where the sentence is nothing but a list."""
        return self.asked.relation if self.asked and not self.asked.object and self.bare else None


class ClaimReader:
    """Reads the claims of answers on one graph."""

    def __init__(self, graph: Graph) -> None:
        self.scanner = Scanner(graph)
        self.subjects = set(graph.subjects)

    def read(self, answer: str, asked: Asked | None = None) -> list[Claim]:
        """The claims of an answer in their order, each once."""
        return once(claim for passage in self.passages(answer, asked) for claim in passage.claims)

    def passages(self, answer: str, asked: Asked | None = None) -> Iterator[Passage]:
        """The same sentence by sentence."""
        context = _Context(asked, (asked.subject,) if asked and asked.subject else ())
        for sentence in joined(self.scanner.sentences(answer)):
            backward = context.asked is not None and context.asked.object is not None
            segments = cut(sentence, goes_on=bool(context.subjects), backward=backward)
            yield Passage(sentence, segments, list(self._claims(sentence, segments, context)))

    def _claims(self, sentence: Sentence, segments: list[Segment], context: _Context) -> Iterator[Claim]:
        deny(segments, sentence.text)
        leave_open(segments, sentence.asks)
        context.bare = all(s.is_list_item() or s.leads or s.is_subject_alone() for s in segments)
        context.headed = any(segment.is_plain_heading() for segment in segments)
        context.told |= any(mark.kind in _TELLING for mark in sentence.marks)
        _find_subjects(sentence, segments, context)
        for place, segment in enumerate(segments):
            self._note_noun(segment, context)
            for item in segment.items:
                yield from self._of_item(sentence, segment, item, context)
            frame = not context.asked_relation() and _is_frame(sentence, segments, place)
            if not segment.items and not frame and segment.says_something(sentence.text):
                yield from self._unresolved(sentence, segment, context)
        if not all(segment.is_list_item() for segment in segments if segment.items):
            context.noun = None
        said = [segment.subjects for segment in segments if segment.subjects]
        context.subjects = said[-1] if said else context.subjects
        if _is_heading(segments):
            context.noun = None
        if sentence.asks and not any(segment.items for segment in segments):  # it puts a question of its own
            nouns = [noun for segment in segments for noun in segment.find("noun")]
            context.asked, context.noun = None, nouns[-1].relation if nouns else None
        context.named = (*context.named, *(name for segment in segments for name in segment.all_subjects()))

    def _note_noun(self, segment: Segment, context: _Context) -> None:
        nouns = segment.find("noun")
        if nouns:
            context.noun = nouns[-1].relation
        elif segment.is_plain_heading() or (not segment.is_list_item() and segment.items):
            context.noun = None

    def _of_item(self, sentence: Sentence, segment: Segment, item: Item, context: _Context) -> Iterator[Claim]:
        text, place = segment.text(sentence.text), sentence.place(item.mark.start, item.mark.end)
        if item.as_subject:
            assert context.asked is not None
            for name in sorted(item.mark.meaning.subjects):
                triple = (name, context.asked.relation, context.asked.object or "")
                yield Claim(text, *triple, (triple,), item.negated, item.open, place)
            return
        meanings = self._meanings(sentence, segment, item, context)
        for subject in item.subjects:
            known = subject in self.subjects and item.mark.kind == "name"
            readings = tuple((subject, *meaning) for meaning in meanings) if known else ()
            yield Claim(text, subject, *meanings[0], readings, item.negated, item.open, place)
        if not item.subjects:
            yield Claim(text, None, *meanings[0], (), item.negated, item.open, place)

    def _meanings(self, sentence: Sentence, segment: Segment, item: Item, context: _Context) -> list[tuple[str, str]]:
        """(relation, object) pairs that an item can stand for, the likeliest relation alone where one is known."""
        words = sentence.text[item.mark.start : item.mark.end]
        if item.mark.kind == "value":
            return [(str(item.mark.relation), words)]
        low = lowered(words)
        objects = sorted(item.mark.meaning.objects, key=lambda pair: (lowered(plain(pair[1])) != low, pair))
        relation, binding = self._relation(segment, item, context)
        fitting = [pair for pair in objects if pair[0] == relation]
        if fitting or relation is None or not binding:
            return fitting or objects
        return [(relation, name) for _, name in objects]

    def _relation(self, segment: Segment, item: Item, context: _Context) -> tuple[str | None, bool]:
        """The relation that the words or the question give an item, and whether they allow for no other."""
        nouns = segment.find("noun")
        if nouns:
            nearest = min(nouns, key=lambda noun: abs(noun.start - item.mark.start))
            return nearest.relation, segment.is_definition(nearest, item.mark)
        if context.noun and segment.is_list_item():
            return context.noun, True
        asked = context.asked
        if asked and not asked.object:
            return asked.relation, context.bare and not context.headed and asked.subject in item.subjects
        return None, False

    def _unresolved(self, sentence: Sentence, segment: Segment, context: _Context) -> Iterator[Claim]:
        """What is said without a name of the graph; `Great!` or `I cannot give advice` says nothing."""
        words, text, asked = segment.words(sentence.text), segment.text(sentence.text), context.asked
        runs = list(segment.runs())
        place = sentence.place(runs[0][0].start, runs[-1][-1].end)
        strangers = [name for name in segment.subjects if name not in self.subjects]
        if len(runs) == 1 and any(name in words for name in strangers):  # nothing said of it
            return
        listed = segment.is_list_item()
        if asked and asked.object and listed:
            yield Claim(text, words, asked.relation, asked.object, (), segment.negated, segment.open, place)
            return
        nouns = segment.find("noun")
        relation = nouns[-1].relation if nouns else context.noun if listed else None
        relation = relation or context.asked_relation()
        subject = next(iter(segment.subjects or context.subjects), None)
        if (subject is None and not context.told) or (segment.negated and _SPEAKER.match(text)):
            return
        yield Claim(text, subject, relation, words, (), segment.negated, segment.open, place)


def once(claims: Iterable[Claim]) -> list[Claim]:
    """The claims without repetitions."""
    first: dict[tuple[object, ...], Claim] = {}
    for claim in claims:
        first.setdefault((claim.subject, claim.relation, claim.object, claim.negated, claim.open), claim)
    return list(first.values())


def _is_heading(segments: list[Segment]) -> bool:
    """A line of its own, as `Drugs`, that names no relation of the graph."""
    marks = [mark for segment in segments for mark in segment.marks]
    return len(marks) == 1 and marks[0].kind == "light"


def _is_frame(sentence: Sentence, segments: list[Segment], place: int) -> bool:
    """It opens the sentence and says from where or for whom what follows holds: `as everybody knows, Gout ...`; or it
    draws the conclusion from a condition: `if Fever appears, Gout is suspected`."""
    segment = segments[place]
    if segment.items or segment.find("noun"):
        return False
    text, runs = sentence.text, list(segment.runs())
    if place:
        first = segments[0]
        told = bool(first.items) or first.says_what(list(first.runs()), True)
        return segment.names_subject() and first.is_condition(text) and told and not first.names_subject()
    if len(segments) < 2 or segment.names_subject() or segment.is_condition(text):
        return False
    if any(mark.kind == "copula" for mark in segment.marks[1:]):
        return False
    if segment.says_what(runs, False) or (len(runs) > 1 and (segment.find("light") or HAN.search(text))):
        return False
    gap = text[segment.marks[-1].end : segments[1].marks[0].start].strip()
    adds = any(_ADDING.fullmatch(text[mark.start : mark.end].lower()) for mark in segment.marks)
    return gap == "," and not adds and segments[1].begins_with_subject() and not segments[1].is_subject_alone()


def _find_subjects(sentence: Sentence, segments: list[Segment], context: _Context) -> None:
    """Give every item the subjects that it is said of."""
    if context.asked_relation() and not any(segment.leads and segment.names_subject() for segment in segments):
        for item in (item for segment in segments for item in segment.items):
            item.subjects = context.subjects
        return
    named = any(segment.names_subject() for segment in segments)
    stranger = None if named else stranger_of(sentence, segments, bool(context.subjects))
    for place, segment in enumerate(segments):
        segment.stranger = stranger_beside(sentence, segments, place) if named else None
    for place, segment in enumerate(segments):
        segment.subjects = segment.own_subjects() or ((stranger,) if stranger else ())
        if segment.subjects and not stranger:
            segment.subjects = _grouped(segments, place)
    for place, segment in enumerate(segments):
        for item in segment.items:
            item.subjects = (
                _antecedent(sentence, segments, place)
                or segment.subject_of(item)
                or _subject_before(segments, place)
                or _subject_after(segments, place)
                or _subject_of_opening(segments, place)
                or context.subjects
                or _subject_to_come(segments, place)
            )
        if not segment.subjects:
            segment.subjects = next((s.subjects for s in reversed(segments[:place]) if s.subjects), ())
    _share_out(sentence, segments, context)


def _antecedent(sentence: Sentence, segments: list[Segment], place: int) -> tuple[str, ...]:
    """Whom a relative clause goes on with."""
    if not place or segments[place].own_subjects() or not segments[place].is_relative(sentence.text):
        return ()
    return segments[place - 1].antecedent()


def _share_out(sentence: Sentence, segments: list[Segment], context: _Context) -> None:
    """`the former`, `the latter` and `respectively`: subjects named before, in their order."""
    named = list(context.named)
    for segment in segments:
        place = _FORMER.search(segment.text(sentence.text))
        taken = {item.mark for item in segment.items}
        names = [mark for mark in segment.find("name") if mark not in taken]
        named += [name for mark in names for name in sorted(mark.meaning.subjects)]
        last = list(dict.fromkeys(reversed(named)))[1::-1]
        if place and len(last) > 1 and not segment.own_subjects():
            segment.subjects = (last[0] if place.group() in ("former", "前者") else last[1],)
            for item in segment.items:
                item.subjects = segment.subjects
    marks = [mark for segment in segments for mark in segment.subject_marks()]
    items = [item for segment in segments for item in segment.items]
    if len(marks) == len(items) > 1 and _IN_TURN.search(sentence.text):
        for mark, item in zip(marks, items, strict=True):
            item.subjects = tuple(sorted(mark.meaning.subjects))


def _grouped(segments: list[Segment], place: int) -> tuple[str, ...]:
    """Subjects joined by `and` share what is said of them."""
    found = segments[place].own_subjects()
    before = place - 1
    while before >= 0 and segments[before + 1].joiner == "and" and segments[before].is_subject_alone():
        if not segments[before + 1].begins_with_subject():
            break
        found = segments[before].own_subjects() + found
        before -= 1
    after = place + 1
    while after < len(segments) and segments[after].joiner == "and" and segments[after].is_subject_alone():
        found += segments[after].own_subjects()
        after += 1
    return tuple(dict.fromkeys(found))


def _subject_before(segments: list[Segment], place: int) -> tuple[str, ...]:
    """The last subject named before in the sentence, unless that one closed a list and another is still to come."""
    found = next((segment for segment in reversed(segments[:place]) if segment.own_subjects()), None)
    if found is None:
        return ()
    if found.items and not found.subject_first() and segments[place].is_list_item() and place + 1 < len(segments):
        return _subject_after(segments, place) or found.subjects
    return found.subjects


def _subject_after(segments: list[Segment], place: int) -> tuple[str, ...]:
    for segment in segments[place + 1 :]:
        if segment.own_subjects():
            return segment.subjects if not segment.items or not segment.subject_first() else ()
    return ()


def _subject_of_opening(segments: list[Segment], place: int) -> tuple[str, ...]:
    """`Apart from Fever, Gout causes ...`: what opens the sentence is said of the next subject."""
    if not segments[place].is_list_item():
        return ()
    return next((segment.subjects for segment in segments[place + 1 :] if segment.own_subjects()), ())


def _subject_to_come(segments: list[Segment], place: int) -> tuple[str, ...]:
    """`Far from causing Fever, Gout causes ...`: nobody else is there to say it of."""
    return next((segment.subjects for segment in segments[place + 1 :] if segment.own_subjects()), ())
