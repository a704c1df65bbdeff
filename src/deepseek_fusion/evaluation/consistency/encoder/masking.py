"""What the learned reader sees of an answer: names replaced by what they are, so that it learns idioms and no names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deepseek_fusion.evaluation.consistency.reading.claims import Asked, Passage
from deepseek_fusion.knowledge.graph import Graph

_LETTERS = 400
"""Of the answer, read at once; the encoder's positions hold as many tokens."""
Span = tuple[int, int]


@dataclass(frozen=True)
class Mention:
    """Something that may be said of somebody.

    Attributes:
        kind: `item`, a name that the graph knows, or `words` that it does not.
        place: where it stands in the plain lines of the answer.
        span: where its mask stands in the masked text.
    """

    kind: Literal["item", "words"]
    place: Span
    span: Span


@dataclass
class Masked:
    """A stretch of an answer with masks: `disease A` for a subject, the name of the relation for an object.

    Attributes:
        subjects: (name, span) of each mention of a subject, the question's first.
    """

    text: str = ""
    mentions: list[Mention] = field(default_factory=list)
    subjects: list[tuple[str, Span]] = field(default_factory=list)

    def add(self, words: str) -> Span:
        """Where the words stand once they are written."""
        start = len(self.text)
        self.text += words
        return start, len(self.text)


@dataclass(frozen=True)
class _Found:
    place: Span
    kind: Literal["item", "words", "subject"]
    said: str
    """The mask, or the subject's name."""


def masked(plain: str, passages: Sequence[Passage], asked: Asked | None, graph: Graph) -> Iterator[Masked]:
    """An answer in stretches of whole sentences.

    Args:
        plain: the plain lines of the answer.
    """
    if not passages:
        return
    found = sorted(_found(plain, passages, graph), key=lambda one: one.place)
    starts = [min(start for _, start in passage.sentence.pieces) for passage in passages]
    begin = 0
    for start, end in zip(starts, [*starts[1:], len(plain)], strict=True):
        if end - begin > _LETTERS and start > begin:
            yield _written(plain, (begin, start), found, asked, graph)
            begin = start
    yield _written(plain, (begin, len(plain)), found, asked, graph)


def _found(plain: str, passages: Iterable[Passage], graph: Graph) -> Iterator[_Found]:
    for passage in passages:
        place = passage.sentence.place
        for segment in passage.segments:
            items = {id(item.mark) for item in segment.items}
            for mark in segment.marks:
                where = place(mark.start, mark.end)
                if id(mark) in items:
                    relation = mark.relation or min((key for key, _ in mark.meaning.objects), default=None)
                    said = graph.relations[relation].name if relation else plain[slice(*where)]
                    yield _Found(where, "item", said)
                elif mark.kind == "name" and mark.meaning.subjects:
                    yield _Found(where, "subject", min(mark.meaning.subjects))
            for run in segment.runs():
                where = place(run[0].start, run[-1].end)
                yield _Found(where, "words", plain[slice(*where)])


def _written(plain: str, stretch: Span, found: Iterable[_Found], asked: Asked | None, graph: Graph) -> Masked:
    out = Masked()
    letters: dict[str, str] = {}

    def subject(name: str) -> None:
        letter = letters.setdefault(name, chr(ord("A") + len(letters) % 26))
        out.subjects.append((name, out.add(f"{graph.subject_type} {letter}")))

    if asked and asked.subject:
        subject(asked.subject)
        out.add(f", {graph.relations[asked.relation].plural}: ")
    last = stretch[0]
    for one in found:
        if one.place[0] < last or one.place[1] > stretch[1]:
            continue
        out.add(plain[last : one.place[0]])
        if one.kind == "subject":
            subject(one.said)
        else:
            out.mentions.append(Mention(one.kind, one.place, out.add(one.said)))
        last = one.place[1]
    out.add(plain[last : stretch[1]])
    return out
