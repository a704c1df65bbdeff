"""How much of the ontology a model can recall, branch by branch.

A fact is recalled if every answer to a `question` item that asks for it lists it. Its weight is one more than how often
the corpus mentions its subject.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.statistics.bootstrap import resampled
from deepseek_fusion.evaluation.statistics.rates import Rate, rate, wilson
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.ontology import Ontology, find_ontology

WEAKEST, LEAST = 20, 3
"""How many weak branches are named, and how many facts each has at least."""


@stage("coverage", version=1)
def map_coverage(out: Path, section: EvaluationConfig, graph: Artifact, exam: Artifact, sitting: Artifact) -> None:
    """Write `coverage.json`: the tree, the overall and long-tail rates, and the weakest branches."""
    loaded = Graph.load(graph.path)
    facts, unasked = _facts(loaded, recalled(exam, sitting))
    ontology = find_ontology(loaded)
    root = _tree(loaded, ontology, facts)
    survey = _Survey(section, facts)
    write_json(
        out / "coverage.json",
        {
            "tree": root.as_json(),
            "overall": {"unweighted": survey.rate(facts), "weighted": survey.weighted_rate()},
            "long_tail": survey.long_tail(loaded.mentions, ontology),
            "weak": survey.weak(root),
            "ontology": ontology.summary(),
            "unasked": {"count": len(unasked), "facts": unasked},
        },
    )


@dataclass(frozen=True)
class _Fact:
    subject: str
    relation: str
    recalled: bool
    weight: int


@dataclass(frozen=True)
class _Branch:
    """A part of the tree and all facts in it; a relation of one subject has no children."""

    name: str
    facts: Sequence[_Fact]
    children: Sequence[_Branch] = ()

    @property
    def share(self) -> float:
        return sum(fact.recalled for fact in self.facts) / len(self.facts)

    @property
    def missing(self) -> int:
        return sum(fact.weight for fact in self.facts if not fact.recalled)

    def as_json(self) -> dict[str, Any]:
        weight = sum(fact.weight for fact in self.facts)
        return {
            "name": self.name,
            "facts": len(self.facts),
            "recalled": sum(fact.recalled for fact in self.facts),
            "weight": weight,
            "recalled_weight": weight - self.missing,
            "children": [child.as_json() for child in self.children],
        }

    def below(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], _Branch]]:
        """Every branch under this one, with the names that lead to it."""
        for child in self.children:
            place = (*path, child.name)
            yield place, child
            yield from child.below(place)


def recalled(exam: Artifact, sitting: Artifact) -> dict[str, bool]:
    """Each fact that a `question` item with an answer asks for, by its id."""
    rows = {row["id"]: row["right"] for row in read_jsonl(sitting.path / "answers.jsonl")}
    found: dict[str, bool] = {}
    for item in read_exam(exam.path):
        if item.family == "question" and item.id in rows:
            for fact, right in zip(item.facts, rows[item.id], strict=True):
                found[fact] = found.get(fact, True) and right
    return found


def _facts(graph: Graph, recalled: Mapping[str, bool]) -> tuple[list[_Fact], list[list[str]]]:
    """The facts that were asked for, and the statements of the others."""
    facts, unasked = [], []
    for triple in graph.triples:
        known = recalled.get(graph.fact_id(triple))
        if known is None:
            unasked.append(list(triple.statement))
        else:
            weight = graph.mentions.get(triple.subject, 0) + 1
            facts.append(_Fact(triple.subject, triple.relation, known, weight))
    return facts, unasked


def _tree(graph: Graph, ontology: Ontology, facts: Iterable[_Fact]) -> _Branch:
    """Every fact once: root, terms from general to special, relations of a term. A branch without facts is left out."""
    own: defaultdict[str, defaultdict[str, list[_Fact]]] = defaultdict(lambda: defaultdict(list))
    for fact in facts:
        own[fact.subject][graph.relations[fact.relation].name].append(fact)

    def branch(term: str) -> _Branch:
        relations = [_Branch(name, stated) for name, stated in own[term].items()]
        return joined(term, [*relations, *map(branch, ontology.children[term])])

    def joined(name: str, children: Iterable[_Branch]) -> _Branch:
        kept = [child for child in children if child.facts]
        return _Branch(name, [fact for child in kept for fact in child.facts], kept)

    return joined(graph.subject_type, map(branch, ontology.roots))


@dataclass(frozen=True)
class _Survey:
    section: EvaluationConfig
    facts: Sequence[_Fact]

    def rate(self, facts: Sequence[_Fact]) -> Rate:
        right, subjects = [fact.recalled for fact in facts], [fact.subject for fact in facts]
        return rate(right, subjects, self.section.bootstrap, self.section.seed)

    def weighted_rate(self) -> Rate:
        """The same with weights: Wilson's interval has as many facts as are worth the weighted ones (Kish 1965)."""
        if not self.facts:
            return self.rate(self.facts)
        weights = np.array([fact.weight for fact in self.facts], dtype=float)
        recalled = weights * [fact.recalled for fact in self.facts]
        places = np.unique([fact.subject for fact in self.facts], return_inverse=True)[1]
        columns = np.stack([np.bincount(places, recalled), np.bincount(places, weights)], axis=1)
        drawn = resampled(columns, self.section.bootstrap, self.section.seed)
        low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
        share, n = float(recalled.sum() / weights.sum()), len(self.facts)
        wilson_low, wilson_high = wilson(share, weights.sum() ** 2 / (weights**2).sum())
        return {"value": share, "low": min(float(low), wilson_low), "high": max(float(high), wilson_high), "n": n}

    def long_tail(self, mentions: Mapping[str, int], ontology: Ontology) -> dict[str, Rate | None]:
        """Rare subjects are the least mentioned third and whatever is mentioned as little; deep ones lie below the
        median depth. Null where all subjects are alike, or where there is no hierarchy."""
        subjects = list(dict.fromkeys(fact.subject for fact in self.facts))
        counts = {subject: mentions.get(subject, 0) for subject in subjects}
        depths = {subject: ontology.depths[subject] for subject in subjects} if ontology.hierarchy else {}
        third = sorted(counts.values())[math.ceil(len(counts) / 3) - 1] if counts else 0
        middle = statistics.median(depths.values()) if depths else 0
        return {
            **self._split("rare", "common", {subject for subject in subjects if counts[subject] <= third}),
            **self._split("shallow", "deep", {subject for subject in depths if depths[subject] <= middle}),
        }

    def _split(self, inside: str, outside: str, subjects: set[str]) -> dict[str, Rate | None]:
        parts = {
            inside: [fact for fact in self.facts if fact.subject in subjects],
            outside: [fact for fact in self.facts if fact.subject not in subjects],
        }
        if not all(parts.values()):
            return dict.fromkeys(parts)
        return {name: self.rate(part) for name, part in parts.items()}

    def weak(self, root: _Branch) -> list[dict[str, Any]]:
        """Branches that are no better than the whole, the lowest recall first; none within another, so that no fact
        counts twice. Then by the weight of what is missing."""
        found = [
            (path, branch)
            for path, branch in root.below()
            if len(branch.facts) >= LEAST and branch.missing and branch.share <= root.share
        ]
        taken: list[tuple[tuple[str, ...], _Branch]] = []
        for path, branch in sorted(found, key=lambda pair: (pair[1].share, -pair[1].missing)):
            apart = all(path[: len(other)] != other[: len(path)] for other, _ in taken)
            if apart and len(taken) < WEAKEST:
                taken.append((path, branch))
        return [
            {"path": list(path), "facts": len(branch.facts), "rate": self.rate(branch.facts)}
            for path, branch in sorted(taken, key=lambda pair: -pair[1].missing)
        ]
