"""Attacks on many questions with a growing budget, and how much stronger one is than another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from deepseek_fusion.evaluation.answering import answer_all
from deepseek_fusion.evaluation.exam import Item
from deepseek_fusion.evaluation.matching import is_listed
from deepseek_fusion.evaluation.robustness.attack import Attack
from deepseek_fusion.evaluation.robustness.tokens import Target
from deepseek_fusion.models.loading import Language

Ratio = dict[str, float | None]


@dataclass(frozen=True)
class Fate:
    """What became of a question: how it reads in the end, the answer to that, and the budget at which it fell."""

    target: Target
    answer: str
    fell: int | None = None


def is_right(item: Item, answer: str, untrue: Sequence[str] = ()) -> bool:
    """All that the question asks for is listed, and nothing that is untrue."""
    return all(is_listed(answer, names) for names in item.gold) and not is_listed(answer, untrue)


def besiege(
    language: Language,
    attack: Attack,
    targets: Sequence[Target],
    budget: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Fate]:
    """Attack every question with a budget of 1, 2, ... until its greedy answer is no longer right."""
    fates = [Fate(target, language.decode(list(target.answer))) for target in targets]
    for spent in range(1, budget + 1):
        standing = [place for place, fate in enumerate(fates) if fate.fell is None]
        moved = attack([fates[place].target for place in standing], spent)
        answers = answer_all(
            language,
            [list(target.ids) for target in moved],
            [language.decode(list(target.answer)) for target in moved],
        )
        for place, target, answer in zip(standing, moved, answers, strict=True):
            stands = is_right(target.question.item, answer)
            fates[place] = Fate(target, answer, None if stands else spent)
        advance()
    return fates


def standing_at(fates: Sequence[Fate], budget: int) -> list[bool]:
    """Which questions are still answered rightly under a budget."""
    return [fate.fell is None or fate.fell > budget for fate in fates]


def lowered(fates: Sequence[Fate], budgets: Sequence[int]) -> list[float]:
    """For each question the share of these budgets at which it is answered wrongly."""
    fallen = [[not stands for stands in standing_at(fates, budget)] for budget in budgets]
    return [sum(of_one) / len(budgets) for of_one in zip(*fallen, strict=True)]


def ratio(ours: Sequence[float], control: Sequence[float], clusters: Sequence[str], resamples: int, seed: int) -> Ratio:
    """How many times as much one attack takes away as another from the same questions, with a 95 % interval.

    A paired percentile bootstrap: whole subjects are drawn, both attacks on each. None stands for a ratio without
    bound, where the control takes nothing away; if neither does, they are equal.

    Args:
        ours: what the attack took from each question, 0 to 1.
        clusters: the subject of each question.
    """
    names = sorted(set(clusters))
    if not names:
        return {"value": None, "low": None, "high": None}
    sums = np.zeros((2, len(names)))
    for row, taken in enumerate((ours, control)):
        for value, cluster in zip(taken, clusters, strict=True):
            sums[row, names.index(cluster)] += value
    draws = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    ratios = [_over(a, b) for a, b in zip(sums[0][draws].sum(1), sums[1][draws].sum(1), strict=True)]
    low, high = np.quantile(ratios, (0.025, 0.975), method="inverted_cdf")
    value = _over(sums[0].sum(), sums[1].sum())
    return {name: _finite(number) for name, number in (("value", value), ("low", low), ("high", high))}


def _over(ours: float, control: float) -> float:
    return ours / control if control else math.inf if ours else 1.0


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
