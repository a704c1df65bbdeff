"""From an answer to marks: the names, relation nouns and steering words of each sentence, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deepseek_fusion.evaluation.consistency.reading.cues import CUES, Kind, phrase_at
from deepseek_fusion.evaluation.consistency.reading.layout import plain_lines
from deepseek_fusion.evaluation.consistency.reading.names import (
    NOTHING,
    Meaning,
    Names,
    is_latin,
    lowered,
    other_number,
    plain,
    shape,
    whole_word,
)
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import HAN

_STOP = re.compile(r"[。!?;\n]+|\.(?=\s|$)")
_TAG = re.compile(
    r",? ?(?:(?:is|are|was|were|does|do|did|has|have|can|could|will|would|should)(?:n't| not)? "
    r"(?:it|they|he|she|there|that|this|you|we)|right|correct|是吧|对吧|对吗|是吗|不是吗|是不是|对不对)$",
    re.IGNORECASE,
)
"""What makes a question of a sentence that says something."""
_WORD = re.compile(r"[^\W_]+(?:[.'/][^\W_]+)*'?", re.UNICODE)
SUBJECT = "\0subject"


@dataclass(frozen=True)
class Mark:
    """A stretch of a sentence and what it does in it.

    Attributes:
        kind: `name` (of the graph), `value` (looks like a code of a relation), `noun` (of a relation), `word`
            (anything unknown), or what a cue does.
        relation: of a noun or a value; `SUBJECT` of the word for what subjects are.
    """

    kind: Kind | Literal["name", "value", "noun", "word"]
    start: int
    end: int
    meaning: Meaning = NOTHING
    relation: str | None = None


@dataclass
class Sentence:
    """One sentence: its text (plain, case kept), what is in it, and whether it asks.

    Attributes:
        pieces: (where a piece of it starts, where that stands in the plain lines of the answer).
    """

    text: str
    marks: list[Mark] = field(default_factory=list)
    asks: bool = False
    pieces: tuple[tuple[int, int], ...] = ((0, 0),)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of it stands in the plain lines of the answer."""
        return self._at(start), self._at(end - 1) + 1

    def _at(self, where: int) -> int:
        begun, stands = next(piece for piece in reversed(self.pieces) if piece[0] <= where)
        return stands + where - begun


class Scanner:
    """Splits texts into sentences and marks."""

    def __init__(self, graph: Graph) -> None:
        self.names = Names(graph)
        self.nouns = _nouns(graph)
        self.shapes = _shapes(graph)
        kind = lowered(plain(graph.subject_type))
        self.types = {kind, *other_number(kind)}
        self.cues: dict[str, Kind] = {**CUES, **dict.fromkeys(self.types, "light")}
        self._phrases: dict[str, list[str]] = {}
        for phrase in sorted({*self.cues, *self.nouns}, key=len, reverse=True):
            self._phrases.setdefault(phrase[0], []).append(phrase)

    def sentences(self, answer: str) -> Iterator[Sentence]:
        """The sentences of an answer; items of a list are sentences too."""
        text = plain_lines(answer)
        start = 0
        for stop in [*_STOP.finditer(text), None]:
            end = stop.start() if stop else len(text)
            if text[start:end].strip():
                whole = text[start:end].strip()
                asks = "?" in (stop.group() if stop else "") or whole.endswith("吗")
                asks = asks and not whole.endswith(("吧", "呗"))  # supposes, rather than asks
                part = _TAG.sub("", whole) if asks else whole
                if part:
                    begin = start + text[start:end].index(whole)
                    yield Sentence(part, list(self._marks(part)), asks and part == whole, ((0, begin),))
            start = stop.end() if stop else end

    def _marks(self, text: str) -> Iterator[Mark]:
        low, at = lowered(text), 0
        while at < len(text):
            mark = self._mark(low, at)
            if mark is None:
                at += 1
                continue
            yield mark
            at = mark.end

    def _mark(self, low: str, at: int) -> Mark | None:
        """The longest of name, relation noun and cue that begins here; else a word, or nothing."""
        name = self.names.at(low, at)
        made = phrase_at(low, at)
        if made and (name is None or made[0] >= name[0]):
            return Mark(made[1], at, made[0])
        phrase = next((p for p in self._phrases.get(low[at], ()) if self._stands(low, at, p)), None)
        if name and (phrase is None or name[0] - at >= len(phrase)):
            return Mark("name", at, name[0], meaning=name[1])
        if phrase is not None:
            relation = self.nouns.get(phrase)
            if phrase in self.types:
                return Mark("light", at, at + len(phrase), relation=SUBJECT)
            return Mark("noun" if relation else self.cues[phrase], at, at + len(phrase), relation=relation)
        if HAN.match(low[at]):
            return Mark("word", at, at + 1)
        found = _WORD.match(low, at) if is_latin(low[at]) else None
        return self._word(low, at, _latin_end(low, at, found.end())) if found else None

    def _stands(self, low: str, at: int, phrase: str) -> bool:
        """A cue stands here: whole words, without the beginning of a name (有 关节痛, not 有关 节痛)."""
        end = at + len(phrase)
        if not low.startswith(phrase, at):
            return False
        if is_latin(phrase[0]) and (not whole_word(low, at, end) or " " not in phrase):
            return whole_word(low, at, end)
        starts = range(at + 1, end) if not is_latin(phrase[0]) else [at + phrase.rindex(" ") + 1]
        names = (self.names.at(low, start) for start in starts)
        return not any(name and name[0] > end for name in names)

    def _word(self, low: str, start: int, end: int) -> Mark:
        word = low[start:end]
        if word.endswith("n't"):
            return Mark("not", start, end)
        if word.endswith("ly"):
            return Mark("glue", start, end)
        if relation := self.shapes.get(shape(word)):
            return Mark("value", start, end, relation=relation)
        if self.cues.get(word.removesuffix("s")) == "light":
            return Mark("light", start, end)
        return Mark("word", start, end)


def _latin_end(low: str, start: int, end: int) -> int:
    """Where a word of a spaced script ends, if Han characters follow it directly."""
    return next((i for i in range(start, end) if HAN.match(low[i])), end)


def _nouns(graph: Graph) -> dict[str, str]:
    """How a text may name each relation: its nouns, their last word, an acronym before it, and verbs made of it."""
    nouns: dict[str, str] = {}
    for key, relation in graph.relations.items():
        for noun in (relation.name, relation.plural):
            full = " ".join(lowered(plain(noun)).split())
            nouns[full] = key
            before, _, head = full.rpartition(" ")
            nouns.setdefault(head, key)
            if before and re.search(r"[A-Z]{2}", noun):
                nouns.setdefault(before, key)
            if (latin := re.match(r"[\x00-\x7f]+(?=[^\x00-\x7f])", full)) and re.search(r"[A-Z]{2}", noun):
                nouns.setdefault(latin.group().strip(), key)
            if (han := re.search(r"[^\x00-\x7f]{2,}$", full)) and before != full:
                nouns.setdefault(han.group(), key)
            if head.isascii() and head.endswith("e"):
                nouns |= {form: key for form in (f"{head}d", f"{head[:-1]}ing") if form not in nouns}
    return nouns


def _shapes(graph: Graph) -> dict[str, str]:
    """The relation that values of a shape belong to, for relations all of whose objects are single words with digits
    and letters; a shape that two relations share is left out."""
    found: dict[str, set[str]] = {}
    by_relation: dict[str, set[str]] = {}
    for triple in graph.triples:
        by_relation.setdefault(triple.relation, set()).add(lowered(plain(triple.object)))
    for relation, values in by_relation.items():
        if all(re.fullmatch(r"(?=\S*\d)(?=\S*[a-z])\S+", value) for value in values):
            for value in values:
                found.setdefault(shape(value), set()).add(relation)
    return {form: next(iter(relations)) for form, relations in found.items() if len(relations) == 1}


def longer_names(sentence: Sentence) -> list[Mark]:
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
