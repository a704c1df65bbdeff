"""Things that are easily confused, and what tells them apart."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from deepseek_fusion.knowledge.graph import Graph, Triple
from deepseek_fusion.knowledge.language import fold

NEAREST = 4
"""How many others a subject is told apart from: those that share most facts with it."""

COMMON = 64
"""An object of more subjects than this makes no two of them alike; to compare them all costs their number squared."""


@dataclass(frozen=True)
class Contrast:
    """Another subject that a fact is not true of, and an object of the other's that is not true of the fact's own."""

    rival: str
    wrong: str


class Contrasts:
    """The contrasts of the facts of a graph."""

    def __init__(self, graph: Graph, rng: random.Random) -> None:
        self.graph, self.rng = graph, rng
        self.objects = {(group.anchor, group.relation): group.answers for group in graph.forward()}

    def of(self, fact: Triple) -> list[Contrast]:
        """One for each rival of its subject that has something else in its place, nearest first."""
        found = []
        for rival in self.rivals[fact.subject]:
            theirs = self.objects.get((rival, fact.relation), ())
            wrong = [name for name in theirs if not self._has(fact.subject, fact.relation, name)]
            if wrong and not self._has(rival, fact.relation, fact.object):
                found.append(Contrast(rival, self.rng.choice(wrong)))
        return found

    @cached_property
    def rivals(self) -> Mapping[str, Sequence[str]]:
        """Of each subject the others that share most objects with it; drawn by lot where too few share any."""
        shared: dict[str, Counter[str]] = {subject: Counter() for subject in self.graph.subjects}
        for alike in self.graph.owners.values():
            for subject in alike if len(alike) <= COMMON else ():
                shared[subject].update(alike.keys())
        subjects, found = self.graph.subjects, {}
        for subject, counts in shared.items():
            near = [other for other, _ in counts.most_common(NEAREST + 1)]
            lot = self.rng.sample(subjects, min(2 * NEAREST, len(subjects)))
            found[subject] = [other for other in dict.fromkeys((*near, *lot)) if other != subject][:NEAREST]
        return found

    def _has(self, subject: str, relation: str, term: str) -> bool:
        """Under any name."""
        owners = self.graph.owners
        return any(subject in owners.get((relation, fold(name)), ()) for name in self.graph.names_of(term))
