"""How often each fact is taught, and in which forms.

A form that is taught too seldom teaches nothing and takes exposures from the others, so a fact with few exposures is
asked plainly and nothing else; further forms come as there is room for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.settings.curriculum import CurriculumConfig
from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.ontology import find_ontology

SHARES = ("questions", "reversed", "hops", "statements", "passages", "contrasts")
"""The forms of lesson that the exposures of a fact are shared among."""

BACKWARD, RICH = 20, 24
"""Exposures of a fact from which, under a budget, it is also asked backward and in stories, and from which in all
forms. With about 10 the rich mix is worse than one phrasing alone, with 24 it is better (docs/curriculum.md)."""

LEAST = {"questions": 1, "reversed": BACKWARD, "hops": RICH, "statements": RICH, "passages": RICH, "contrasts": RICH}

FEWEST, MOST = 28, 48
"""Exposures of a fact when nothing is configured."""
ENOUGH = 2400
"""Exposures of all facts that make a run long enough: a few facts taught 28 times each are over before the model is
sure of them (experiments/LOG.md)."""

_CODE, _CROWD, _MOST_EFFORT = 6, 320, 4.0
"""A code is as hard as a list of six. Backward, what is as hard as a list of so many is taught more often where that
number times the number of subjects exceeds `_CROWD`, and at most so many times as often."""

CEILING = 1024
"""Exposures that every budget stays below."""


@dataclass(frozen=True)
class Plan:
    """How often each fact of a subject is taught in each form, and whether its questions may be little stories."""

    times: Mapping[str, int]
    stories: bool = True


def plan_lessons(graph: Graph, exposures: int, section: CurriculumConfig) -> dict[str, Plan]:
    """One plan a subject.

    Raises:
        FusionError: there is no form of lesson to teach in.
    """
    factors = tail_factors(graph, section.long_tail)
    return {subject: _plan(round(exposures * factors[subject]), section) for subject in graph.subjects}


def times_of(plans: Mapping[str, Plan], group: Group, form: str) -> int:
    """How often a group is taught in a form; backward, as often as the subject that needs it most, or more.

    Among many subjects a list of them is hard to recall, and so is the one that a code belongs to: of 158 subjects,
    half of both were not learned by exposures that are enough for 35 (experiments/LOG.md).
    """
    if group.direction == "forward":
        return plans[group.anchor].times[form]
    times = max(plans[subject].times[form] for subject in group.answers)
    hardness = max(len(group.answers), _CODE if any(map(str.isdigit, group.anchor)) else 1)
    effort = min(_MOST_EFFORT, max(1.0, hardness * len(plans) / _CROWD)) if hardness > 1 else 1.0
    return round(effort * times)


def exposures_for(facts: int) -> int:
    """How often to teach each of so many facts when nothing is configured."""
    return min(MOST, max(FEWEST, round(ENOUGH / facts)))


def affordable(cost: Callable[[int], int], budget: int) -> int:
    """How many exposures a budget of tokens allows.

    Args:
        cost: tokens of all lessons with so many exposures of a fact.

    Raises:
        FusionError: it does not allow one.
    """
    if (least := cost(1)) > budget:
        raise FusionError(
            f"curriculum.tokens: to teach each fact once takes {least:,} tokens; allow as many, or lower "
            "`knowledge.max_facts`."
        )
    few, many = 1, 2
    while many < CEILING and cost(many) <= budget:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if cost(middle) <= budget else (few, middle)
    return few


def tail_factors(graph: Graph, most: float) -> dict[str, float]:
    """How much more often each subject is taught: from 1 for what the corpus mentions most, lies highest and is defined
    somewhere, to `most` for what it never mentions, lies deepest and is defined nowhere; by the logarithm of mentions,
    by depth, by definition, or by the mean of those that differ."""
    tails: list[dict[str, float]] = []
    mentions = {subject: math.log1p(graph.mentions.get(subject, 0)) for subject in graph.subjects}
    if (top := max(mentions.values(), default=0.0)) > 0:
        tails.append({subject: 1 - count / top for subject, count in mentions.items()})
    if most > 1 and (ontology := find_ontology(graph)).hierarchy:
        whole = all(subject in graph.depths for subject in graph.subjects)  # deeper than what was drawn of it
        depths = {subject: (graph if whole else ontology).depths[subject] for subject in graph.subjects}
        lowest, deepest = min(depths.values()), max(depths.values())
        tails.append({subject: (depth - lowest) / max(1, deepest - lowest) for subject, depth in depths.items()})
    if 0 < sum(subject in graph.definitions for subject in graph.subjects) < len(graph.subjects):
        tails.append({subject: float(subject not in graph.definitions) for subject in graph.subjects})
    return {subject: 1 + (most - 1) * fmean(tail[subject] for tail in tails) if tails else 1.0 for subject in mentions}


def _plan(exposures: int, section: CurriculumConfig) -> Plan:
    """The shares of the section or, under a budget, of those forms that so many exposures are enough for."""
    shares = {form: getattr(section, form) for form in SHARES}
    if section.tokens is None:
        return Plan(_apportioned(exposures, shares))
    enough = {form: share if exposures >= LEAST[form] else 0.0 for form, share in shares.items()}
    return Plan(_apportioned(exposures, enough if any(enough.values()) else shares), exposures >= BACKWARD)


def _apportioned(exposures: int, shares: Mapping[str, float]) -> dict[str, int]:
    """The exposures of a fact over the forms of lesson: whole numbers that sum up, by largest remainders."""
    total = sum(shares.values())
    if not total:
        raise FusionError(f"curriculum: {', '.join(SHARES)} are all 0; raise one of them.")
    exact = {form: exposures * share / total for form, share in shares.items()}
    times = {form: int(value) for form, value in exact.items()}
    owed = exposures - sum(times.values())
    for form in sorted(exact, key=lambda form: times[form] - exact[form])[:owed]:
        times[form] += 1
    return times
