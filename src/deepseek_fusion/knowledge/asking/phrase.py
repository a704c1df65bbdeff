"""Filling a sentence with a group's names; the sentences themselves live in the rooms that say them."""

from __future__ import annotations

from collections import defaultdict

from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.language import fold

SEPARATOR = {"en": ", ", "zh": "、"}

LONGEST_LIST = 8
"""Backward groups with more subjects than this are no question with an answer ("which diseases cause fatigue?")."""


def phrase(graph: Graph, group: Group, template: str) -> str:
    """Fill `{anchor}`, `{relation}` (its noun), `{noun}` and `{type}` (the relation, and what a subject is, each in
    the number of the answers if it is what is asked for), and words that agree with them: `{is}`, `{has}`, `{which}`;
    the first letter becomes a capital."""
    nouns = graph.relations[group.relation]
    many = len(group.answers) > 1
    forward = group.direction == "forward"
    text = template.format_map(
        {
            "anchor": group.anchor,
            "relation": nouns.name,
            "noun": nouns.plural if many and forward else nouns.name,
            "type": graph.subject_type if forward or not many else graph.subject_plural,
            "is": "are" if many else "is",
            "has": "have" if many else "has",
            "which": "哪些" if many else "哪种",
        }
    )
    return text[:1].upper() + text[1:]


def fill(template: str, **names: str) -> str:
    """A template with some of its fields filled, whatever characters the names are made of; others stay."""
    for field, name in names.items():
        template = template.replace(f"{{{field}}}", name.replace("{", "{{").replace("}", "}}"))
    return template


def join(graph: Graph, group: Group) -> str:
    """All right answers as one list, in the manner of the graph's language."""
    return SEPARATOR[graph.language].join(group.answers)


def askable_backward(graph: Graph) -> list[Group]:
    """Backward groups with few enough subjects to be a question."""
    return [group for group in graph.backward() if len(group.answers) <= LONGEST_LIST]


def fact_ids(graph: Graph, group: Group) -> tuple[str, ...]:
    """Ids of the facts that the answers state, one an answer."""
    return tuple(graph.fact_id(triple) for triple in group.triples())


def descriptions(graph: Graph) -> defaultdict[str, list[Group]]:
    """For each subject the groups whose only answer it is, from its objects and from those it is an object of."""
    subjects = set(graph.subjects)
    found: defaultdict[str, list[Group]] = defaultdict(list)
    for group in [*graph.backward(), *graph.forward()]:
        if len(group.answers) == 1 and group.answers[0] in subjects:
            backward = group.direction == "backward"
            if not backward or len(graph.owners[group.relation, fold(group.anchor)]) == 1:
                found[group.answers[0]].append(group)
    return found


def leads_to(graph: Graph, way: Group, group: Group) -> bool:
    """Whether `way` is a first hop to `group` that gives nothing away."""
    if way.direction == "backward" and way.relation == group.relation:
        return False
    said = fold(way.anchor)
    hidden = (group.anchor, *group.answers)
    return not any(fold(name) in said for term in hidden for name in graph.names_of(term))
