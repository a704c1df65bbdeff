"""A question of the exam and the words in it that no change may touch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.language import HAN, tokens

NEGATIONS = {
    "en": ("not", "no", "never", "neither", "nor", "none", "nothing", "without", "except", "non", "un"),
    "zh": tuple("不没无非勿未别莫否除"),
}
"""Words that turn a question round."""


@dataclass(frozen=True)
class Question:
    """An exam item of the family `question`, with the facts that it asks for."""

    item: Item
    group: Group
    nouns: tuple[str, ...]

    @property
    def prompt(self) -> str:
        """The question as the exam asks it."""
        return self.item.prompt

    @cached_property
    def kept(self) -> list[tuple[int, int]]:
        """Where the subject and the noun of the relation stand, as (start, end) in characters."""
        return [
            match.span()
            for name in (self.group.anchor, *self.nouns)
            for match in re.finditer(re.escape(name), self.prompt, re.IGNORECASE)
        ]

    @cached_property
    def free(self) -> list[int]:
        """Places of all other characters."""
        kept = {place for start, end in self.kept for place in range(start, end)}
        return [place for place in range(len(self.prompt)) if place not in kept]


def questions_of(graph: Graph, items: Iterable[Item]) -> list[Question]:
    """The items that ask a subject for the objects of a relation in a chat, each with its facts."""
    groups = {graph.fact_id(triple): group for group in graph.forward() for triple in group.triples()}
    return [
        Question(item, group, (graph.relations[group.relation].plural, graph.relations[group.relation].name))
        for item in items
        if item.family == "question" and (group := groups.get(item.facts[0]))
    ]


def telling(graph: Graph) -> re.Pattern[str]:
    """Matches what would make another question of a question: any name or relation of the graph, any negation."""
    names = {name for triple in graph.triples for name in (triple.subject, triple.object)}
    names |= {name for others in graph.synonyms.values() for name in others}
    nouns = {noun for relation in graph.relations.values() for noun in (relation.name, relation.plural)}
    words = {word for noun in nouns for word in tokens(noun) if not HAN.match(word)}
    told = sorted(names | nouns | words | set(NEGATIONS[graph.language]), key=len, reverse=True)
    return re.compile("|".join(map(_whole, told)), re.IGNORECASE)


def _whole(name: str) -> str:
    """As whole words; Chinese has no boundaries to look for."""
    return re.escape(name) if HAN.search(name) else rf"(?<![^\W_]){re.escape(name)}(?![^\W_])"
