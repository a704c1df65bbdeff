"""From what became of each question to rates, budget curves and ratios, all with intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deepseek_fusion.evaluation.statistics.rates import Rate, rate

CONTROL = "random"
EXAMPLES = 3
Row = dict[str, Any]
"""A question: `subject`, `prompt`, `gold`, its `answer` and whether that is `right`; under `changes` and `attacks`, by
name, what it became (`prompt`), the `answer` to that, and whether it is `right` or at which budget it `fell`; and under
`excluded`, by change or `attack`, the reason why there is none."""
Ratio = dict[str, float | None]


def summarise(rows: Sequence[Row], budget: int, resamples: int, seed: int) -> dict[str, Any]:
    """All figures of `robustness.json`."""
    kinds = dict.fromkeys(kind for row in rows for kind in (*row["changes"], *row["excluded"]) if kind != "attack")
    attacked = [row for row in rows if row["attacks"]]
    names = list(attacked[0]["attacks"]) if attacked else []
    return {
        "clean": _rate([row["right"] for row in rows], rows, resamples, seed),
        "perturbations": [_change(kind, rows, resamples, seed) for kind in kinds],
        "attacks": [
            {
                "name": name,
                "curve": [
                    {"budget": spent, "accuracy": _rate(standing(attacked, name, spent), attacked, resamples, seed)}
                    for spent in range(budget + 1)
                ],
            }
            for name in names
        ],
        "ratio": {
            f"{name}_over_{CONTROL}": ratios(attacked, name, budget, resamples, seed)
            for name in names
            if name != CONTROL
        },
        "examples": list(_examples(rows)),
        "excluded": dict(Counter(f"{what}: {why}" for row in rows for what, why in row["excluded"].items())),
    }


def standing(rows: Iterable[Row], name: str, budget: int) -> list[bool]:
    """Which questions are still answered rightly under an attack with a budget."""
    falls = [row["attacks"][name]["fell"] for row in rows]
    return [fell is None or fell > budget for fell in falls]


def ratios(rows: Sequence[Row], name: str, budget: int, resamples: int, seed: int) -> dict[str, Any]:
    """How much more an attack lowers accuracy than the control: on average over the budgets, and `by_budget`."""
    subjects = [row["subject"] for row in rows]

    def over(budgets: Sequence[int]) -> Ratio:
        ours, control = (
            [
                sum(not stands for stands in each)
                for each in zip(*(standing(rows, side, b) for b in budgets), strict=True)
            ]
            for side in (name, CONTROL)
        )
        return ratio(ours, control, subjects, resamples, seed)

    budgets = range(1, budget + 1)
    return {**over(budgets), "by_budget": [{"budget": spent, **over([spent])} for spent in budgets]}


def ratio(ours: Sequence[float], control: Sequence[float], clusters: Sequence[str], resamples: int, seed: int) -> Ratio:
    """How many times as much one attack takes as another from the same questions, with a 95 % interval.

    A paired percentile bootstrap: whole subjects are drawn, both attacks on each. None stands for a ratio without
    bound, where the control takes nothing; where neither does, they are equal.

    Args:
        ours: what the attack takes from each question.
        clusters: the subject of each question.
    """
    names = sorted(set(clusters))
    if not names:
        return {"value": None, "low": None, "high": None}
    sums = np.zeros((2, len(names)))
    places = {name: place for place, name in enumerate(names)}
    for side, taken in enumerate((ours, control)):
        for value, cluster in zip(taken, clusters, strict=True):
            sums[side, places[cluster]] += value
    draws = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    drawn = [_over(a, b) for a, b in zip(sums[0][draws].sum(1), sums[1][draws].sum(1), strict=True)]
    low, high = np.quantile(drawn, (0.025, 0.975), method="inverted_cdf")  # interpolation knows no infinity
    value = _over(sums[0].sum(), sums[1].sum())
    return {"value": _finite(value), "low": _finite(low), "high": _finite(high)}


def _change(kind: str, rows: Sequence[Row], resamples: int, seed: int) -> dict[str, Any]:
    """Accuracy on the questions that this kind could change, changed and unchanged."""
    own = [row for row in rows if kind in row["changes"]]
    return {
        "name": kind,
        "accuracy": _rate([row["changes"][kind]["right"] for row in own], own, resamples, seed),
        "clean": _rate([row["right"] for row in own], own, resamples, seed),
        "n": len(own),
    }


def _examples(rows: Sequence[Row]) -> Iterable[dict[str, Any]]:
    """Some of each kind, of questions that are answered rightly as they stand; first those that went wrong."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        for name, case in _cases(row).items() if row["right"] else ():
            right = case["right"] if "right" in case else case["fell"] is None
            shown = {"attacked": case["prompt"], "answer": case["answer"], "gold": row["gold"], "right": right}
            found.setdefault(name, []).append({"attack": name, "prompt": row["prompt"], **shown})
    for examples in found.values():
        yield from sorted(examples, key=lambda example: bool(example["right"]))[:EXAMPLES]


def _cases(row: Row) -> Mapping[str, Any]:
    return {**row["changes"], **row["attacks"]}


def _rate(right: Sequence[bool], rows: Sequence[Row], resamples: int, seed: int) -> Rate:
    return rate(right, [row["subject"] for row in rows], resamples, seed)


def _over(ours: float, control: float) -> float:
    return ours / control if control else math.inf if ours else 1.0


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
