"""Questions that a graph can verify, and the facts that answer them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepseek_fusion.knowledge.asking.matching import Accepted, is_declined, is_mentioned
from deepseek_fusion.knowledge.asking.phrase import join, phrase
from deepseek_fusion.knowledge.graph import Graph, Triple
from deepseek_fusion.knowledge.ontology import find_ontology

NOTES = {
    "en": ("The {noun} of {anchor} {is} {answer}.", " ", "{notes}\nAnswer with names only, as briefly as you can. "),
    "zh": ("{anchor}的{noun}是{answer}。", "", "{notes}\n请只回答名称，尽量简短。"),
}
"""How a fact is told, what stands between two of them, and what stands before the question."""

ASKED = ("question", "reversed", "refusal")
"""Kinds of lesson whose questions say what they ask about."""


@dataclass(frozen=True)
class Question:
    """A question as lessons ask it.

    Attributes:
        accepted: what is right.
        answer: what the lesson answers.
        subjects: what the facts asked for are about; none if there are no such facts.
    """

    text: str
    accepted: Accepted
    answer: str
    subjects: tuple[str, ...]

    def answered(self, text: str) -> bool:
        """As many right answers are mentioned as were asked for; where nothing is known, it is declined."""
        if is_declined(text) or not self.accepted.wanted:
            return is_declined(text) and not self.accepted.wanted
        return sum(is_mentioned(text, names) for names in self.accepted.answers) >= self.accepted.wanted


def verifiable(lessons: Iterable[Mapping[str, Any]], graph: Graph, kinds: Container[str] = ASKED) -> list[Question]:
    """Each distinct question among rows of lessons whose facts the graph has, and those it must decline.

    Args:
        kinds: of lesson; `multihop` can be verified, too.
    """
    book = _Book(graph)
    rows = {row["prompt"]: row for row in lessons if row["kind"] in kinds}
    return [question for row in rows.values() if (question := book.question(row))]


class _Book:
    """A graph, to look answers up in."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.triples = {graph.fact_id(triple): triple for triple in graph.triples}
        ontology = find_ontology(graph)
        self.parents = ontology.parents if ontology.hierarchy else {}
        groups = {"question": graph.forward(), "multihop": graph.forward(), "reversed": graph.backward()}
        self.answers = {
            kind: {(group.anchor, group.relation): group.answers for group in own} for kind, own in groups.items()
        }

    def question(self, row: Mapping[str, Any]) -> Question | None:
        """What a row of lessons asks; None if the graph does not have it."""
        kind, text, facts, parts = row["kind"], row["prompt"], row["facts"], row["parts"]
        answer = "".join(part for part, _ in parts)
        if kind == "refusal":
            return Question(text, Accepted((), (), 0), answer, ())
        triples = [self.triples[fact] for fact in facts if fact in self.triples]
        if not triples:
            return None
        anchor = triples[0].object if kind == "reversed" else triples[0].subject
        right = self.answers[kind][anchor, triples[0].relation]
        accepted = Accepted(
            answers=tuple((name, *self.graph.synonyms.get(name, ())) for name in right),
            parents=tuple(sorted({self.parents[name] for name in right if name in self.parents} - set(right))),
            wanted=len(triples),
        )
        return Question(text, accepted, answer, _subjects(triples))


def _subjects(triples: Sequence[Triple]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(triple.subject for triple in triples))


def informed(questions: Sequence[Question], graph: Graph) -> list[str]:
    """Each question after all that the graph says about its subjects."""
    template, space, head = NOTES[graph.language]
    before, _, after = template.partition("{answer}")
    notes: defaultdict[str, list[str]] = defaultdict(list)
    for group in graph.forward():
        notes[group.anchor].append(f"{phrase(graph, group, before)}{join(graph, group)}{after}")
    told = [space.join(note for subject in question.subjects for note in notes[subject]) for question in questions]
    return [head.format(notes=own) + question.text for own, question in zip(told, questions, strict=True)]
