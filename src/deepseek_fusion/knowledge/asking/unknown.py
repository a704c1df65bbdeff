"""Questions that nothing answers, told from those that have an answer by the name alone."""

from __future__ import annotations

import itertools
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.asking.invent import Half, invent_names
from deepseek_fusion.knowledge.asking.phrase import askable_backward
from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.language import fold

BACKWARD = 3
"""One question in so many asks back from an object that does not exist."""

INVENTED = 1024
"""Invented names at most; inventing one takes a few milliseconds."""

ROOM = 4
"""Invented objects of a relation at most, for each real one: a few words make few others."""


def unanswerable(graph: Graph, count: int, seed: int, half: int) -> Iterator[Group]:
    """So many groups without an answer, each on an invented name of its own, as far as these go.

    A name that comes again can be learned by heart. Relation and number are those of real groups, else these would
    tell: where everything real has one code, a model that is asked for the *codes* of something declines for the plural
    alone. Objects with a digit are not invented: a code that the graph lacks may well be the code of something else.

    Args:
        half: of all names there could be, 0 or 1: lessons and exam draw from different ones.

    Raises:
        FusionError: no names like those of the subjects can be invented.
    """
    if not count:
        return
    rng = random.Random(seed)
    real: dict[str, defaultdict[str, list[Group]]] = {"forward": defaultdict(list), "backward": defaultdict(list)}
    for group in (*graph.forward(), *askable_backward(graph)):
        real[group.direction][group.relation].append(group)
    known = {name for _, name in graph.owners}  # under any name, which the generator has not seen
    known |= {fold(name) for subject in graph.subjects for name in graph.names_of(subject)}
    objects = _objects(graph, sorted(real["backward"]), count // BACKWARD, seed, half)
    objects = [(relation, name) for relation, name in objects if fold(name) not in known]
    back = count // BACKWARD if objects else 0
    for relation, name in itertools.islice(itertools.cycle(objects), back):
        yield Group(name, relation, _as_many(rng.choice(real["backward"][relation])), "backward")
    relations = sorted(real["forward"])
    subjects = [name for name in _invented(graph.subjects, count - back, seed, half) if fold(name) not in known]
    for name in itertools.islice(itertools.cycle(subjects), count - back):
        relation = rng.choice(relations)
        yield Group(name, relation, _as_many(rng.choice(real["forward"][relation])), "forward")


def _objects(graph: Graph, relations: list[str], count: int, seed: int, half: int) -> list[tuple[str, str]]:
    """Relations in turn, each with an object that nothing has: so many, or as many as can be invented."""
    names: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for triple in graph.triples:
        if not re.search(r"\d", triple.object):
            names[triple.relation][triple.object] = None
    room = {relation: ROOM * len(names[relation]) for relation in relations if len(names[relation]) > 1}
    turns = 0
    while sum(min(most, turns) for most in room.values()) < min(count, sum(room.values())):
        turns += 1
    found: list[list[tuple[str, str]]] = []
    for relation, most in room.items():
        try:
            invented = _invented(tuple(names[relation]), min(most, turns), seed, half)
        except FusionError:
            continue
        found.append([(relation, name) for name in invented])
    return [pair for turn in itertools.zip_longest(*found) for pair in turn if pair is not None]


def _invented(names: tuple[str, ...], count: int, seed: int, half: int) -> tuple[str, ...]:
    """At least `count` names, or as many as there may be."""
    return _cached(names, min(INVENTED, 1 << (count - 1).bit_length()), seed, half)


@lru_cache(maxsize=64)
def _cached(names: tuple[str, ...], count: int, seed: int, half: int) -> tuple[str, ...]:
    """To find a number of exposures the same lessons are written several times, with powers of two of names."""
    return tuple(invent_names(names, count, seed, taken=Half(half)))


def _as_many(group: Group) -> tuple[str, ...]:
    """As many answers as a group has, none of them known."""
    return ("?",) * len(group.answers)
