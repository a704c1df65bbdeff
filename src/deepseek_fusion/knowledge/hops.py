"""Two facts in a row: a thing is described by one of its facts, and another one is asked for."""

from __future__ import annotations

from collections import defaultdict

from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.language import fold


def descriptions(graph: Graph) -> defaultdict[str, list[Group]]:
    """For each subject the groups whose only answer it is, from its objects and from those it is an object of."""
    owners: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for triple in graph.triples:
        for name in graph.names_of(triple.object):
            owners[triple.relation, fold(name)].add(triple.subject)
    subjects = set(graph.subjects)
    found: defaultdict[str, list[Group]] = defaultdict(list)
    for group in [*graph.backward(), *graph.forward()]:
        if len(group.answers) == 1 and group.answers[0] in subjects:
            backward = group.direction == "backward"
            if not backward or len(owners[group.relation, fold(group.anchor)]) == 1:
                found[group.answers[0]].append(group)
    return found


def leads_to(graph: Graph, way: Group, group: Group) -> bool:
    """Whether `way` is a first hop to `group` that gives nothing away."""
    if way.direction == "backward" and way.relation == group.relation:
        return False
    said = fold(way.anchor)
    hidden = (group.anchor, *group.answers)
    return not any(fold(name) in said for term in hidden for name in graph.names_of(term))
