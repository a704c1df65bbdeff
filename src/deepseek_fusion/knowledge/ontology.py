"""The terms of a graph as a tree from general to special."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import fold

PARENT = {"parent", "is_a", "is a", "subclass_of", "subclass of", "broader", "上位词", "上位概念", "父类", "属于"}
"""Relations, by key or name, that make a hierarchy. An OBO file's `is_a` becomes `parent`."""

DEEPEST = 100


@dataclass(frozen=True)
class Ontology:
    """Terms under their first parents.

    Attributes:
        terms: subjects in file order, then what only occurs as a parent.
        parents: the parent of each term that has one; following them always ends at a root.
        relation: the relation that they come from, if any.
        hierarchy: whether it is one of `PARENT`, and not only a way to group subjects.
        further: how many links to a second, third and so on parent are not in the tree.
        cut: terms that would be their own ancestors through their first parent, which was dropped.
    """

    terms: Sequence[str]
    parents: Mapping[str, str]
    relation: str | None
    hierarchy: bool
    further: int
    cut: Sequence[str]

    @cached_property
    def children(self) -> Mapping[str, list[str]]:
        """What lies right under a term, in file order; empty for a leaf."""
        found: dict[str, list[str]] = {term: [] for term in self.terms}
        for term in self.terms:
            if term in self.parents:
                found[self.parents[term]].append(term)
        return found

    @property
    def roots(self) -> list[str]:
        """Terms without a parent."""
        return [term for term in self.terms if term not in self.parents]

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """Number of terms above each term.

        Raises:
            FusionError: there are more than 100.
        """
        found: dict[str, int] = {}
        level, depth = self.roots, 0
        while level:
            if depth > DEEPEST:
                raise FusionError(
                    f"knowledge: `{level[0]}` has more than {DEEPEST} terms above it through `{self.relation}`; mend "
                    "these facts, or leave the relation out of `knowledge.relations`."
                )
            found |= dict.fromkeys(level, depth)
            level, depth = [child for term in level for child in self.children[term]], depth + 1
        return found

    def summary(self) -> dict[str, Any]:
        """What was left out of the tree, counted and named."""
        return {
            "relation": self.relation,
            "hierarchy": self.hierarchy,
            "further_parents": self.further,
            "cut_cycles": list(self.cut),
        }


def find_ontology(graph: Graph) -> Ontology:
    """The hierarchy that the graph states, else its subjects grouped by a relation, else the bare subjects.

    Grouping takes the relation that sorts subjects best: at least half of all subjects have exactly one object, there
    are at least two groups and at most half as many as subjects; among such relations the one whose number of groups is
    closest to the square root of the number of subjects, so that neither the groups nor what is in them are many.

    Raises:
        FusionError: a chain of parents is more than 100 terms long.
    """
    stated = _hierarchy_of(graph)
    relation = stated or _grouping_of(graph)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for triple in graph.triples:
        if triple.relation == relation:
            found[triple.subject].append(triple.object)
    parents = {term: above[0] for term, above in found.items()}
    further = sum(len(above) - 1 for above in found.values())
    terms = list(dict.fromkeys([*graph.subjects, *parents.values()]))
    cut = _cut_cycles(parents)
    ontology = Ontology(terms, parents, relation, stated is not None, further, cut)
    assert len(ontology.depths) == len(terms)
    return ontology


def stages_of(graph: Graph, stages: int) -> dict[str, int]:
    """The stage of each subject, from 0: subjects of one depth stay together, and stages hold about as many facts each.

    Raises:
        FusionError: the subjects lie at fewer depths than there are to be stages.
    """
    depths = find_ontology(graph).depths
    sizes = Counter(depths[triple.subject] for triple in graph.triples)
    if len(sizes) < stages:
        raise FusionError(
            f"curriculum.stages: the subjects lie at {len(sizes)} depths of the ontology; set it to {len(sizes)} or "
            "less, or add a relation such as `parent` to `knowledge.relations`."
        )
    level_of = _shared(dict(sorted(sizes.items())), stages)
    return {subject: level_of[depths[subject]] for subject in graph.subjects}


def _shared(sizes: dict[int, int], stages: int) -> dict[int, int]:
    """Levels in order over stages, none of them empty; a stage is closed when half of the next level is too much."""
    found: dict[int, int] = {}
    stage, filled, left = 0, 0, sum(sizes.values())
    for place, (level, size) in enumerate(sizes.items()):
        to_come = stages - 1 - stage
        full = filled + size / 2 > left / (to_come + 1)
        if filled and to_come and (full or len(sizes) - place == to_come):
            stage, left, filled = stage + 1, left - filled, 0
        found[level] = stage
        filled += size
    return found


def _hierarchy_of(graph: Graph) -> str | None:
    names = {key: {fold(key), fold(nouns.name)} for key, nouns in graph.relations.items()}
    return next((key for key in names if names[key] & PARENT), None)


def _grouping_of(graph: Graph) -> str | None:
    objects: dict[str, defaultdict[str, list[str]]] = {key: defaultdict(list) for key in graph.relations}
    for triple in graph.triples:
        objects[triple.relation][triple.subject].append(triple.object)
    subjects = len(graph.subjects)
    groups = {}
    for key, found in objects.items():
        single = sum(len(own) == 1 for own in found.values())
        number = len({own[0] for own in found.values()})
        if 2 * single >= subjects and 2 <= number <= subjects / 2:
            groups[key] = number
    return min(groups, key=lambda key: abs(groups[key] - math.sqrt(subjects)), default=None)


def _cut_cycles(parents: dict[str, str]) -> list[str]:
    """Take its parent from the first term (in file order) of every cycle, in place."""
    order = {term: place for place, term in enumerate(parents)}
    settled: set[str] = set()
    cut = []
    for start in order:
        path: dict[str, int] = {}
        term = start
        while term in parents and term not in settled and term not in path:
            path[term] = len(path)
            term = parents[term]
        if term in path:
            first = min(list(path)[path[term] :], key=order.__getitem__)
            del parents[first]
            cut.append(first)
        settled.update(path)
    return cut
