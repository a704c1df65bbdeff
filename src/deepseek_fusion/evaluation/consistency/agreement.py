"""How far two judges agree beyond chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepseek_fusion.evaluation.statistics.rates import rate


def agreement(
    first: Sequence[str],
    second: Sequence[str],
    labels: Sequence[str],
    clusters: Sequence[str],
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Cohen's kappa (1960) and raw agreement of two judges on the same claims, with 95 % bootstrap intervals.

    Kappa is null, with a reason, where chance alone would agree everywhere; so are the bounds of its interval where
    more than half of the resamples are like that.

    Args:
        first: one label a claim; rows of the confusion table.
        second: the other judge's; columns.
        clusters: subject of each claim; whole subjects are resampled, as claims on one stand and fall together.
    """
    place = {label: i for i, label in enumerate(labels)}
    tables: defaultdict[str, NDArray[np.int64]] = defaultdict(lambda: np.zeros((len(labels),) * 2, dtype=np.int64))
    for one, other, cluster in zip(first, second, clusters, strict=True):
        tables[cluster][place[one], place[other]] += 1
    each = np.array([tables[name] for name in sorted(tables)]).reshape(-1, len(labels), len(labels))
    confusion = each.sum(0)
    value = float(kappas(confusion[None])[0]) if len(first) else float("nan")
    draws = np.random.default_rng(seed).integers(0, max(1, len(each)), (resamples, len(each)))
    drawn = kappas(np.array([each[draw].sum(0) for draw in draws])) if len(first) else np.array([])
    defined = drawn[~np.isnan(drawn)]
    certain = len(defined) * 2 >= resamples
    low, high = np.quantile(defined, (0.025, 0.975)).tolist() if certain else (None, None)
    return {
        "kappa": None if np.isnan(value) else {"value": value, "low": low, "high": high, "n": len(first)},
        "reason": _reason(confusion, labels) if np.isnan(value) else None,
        "agreement": rate([a == b for a, b in zip(first, second, strict=True)], clusters, resamples, seed),
        "labels": list(labels),
        "confusion": confusion.tolist(),
    }


def kappas(tables_NKK: NDArray[np.int64]) -> NDArray[np.float64]:
    """Kappa of each confusion table; not a number where expected agreement is 1 or the table is empty."""
    totals = tables_NKK.sum((1, 2)).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.trace(tables_NKK, axis1=1, axis2=2) / totals
        expected = (tables_NKK.sum(1) * tables_NKK.sum(2)).sum(1) / totals**2
        values: NDArray[np.float64] = np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
    return values


def _reason(confusion: NDArray[np.int64], labels: Sequence[str]) -> str:
    if not confusion.sum():
        return "no claim was judged by both"
    only = labels[int(confusion.sum(0).argmax())]
    return f"both judges said `{only}` to every claim, so agreement by chance is already complete"
