"""Rates with intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from deepseek_fusion.evaluation.statistics.bootstrap import resampled

Rate = dict[str, float | int]


def rate(right: Sequence[bool], clusters: Sequence[str], resamples: int, seed: int) -> Rate:
    """Share of right answers with a 95 % interval: a percentile bootstrap over clusters, or Wilson's over items
    (1927) where that reaches further.

    Items about one subject stand and fall together, so whole subjects are drawn, not single items. With few subjects,
    or all of them alike, the bootstrap alone would claim certainty; Wilson's interval never does.

    Args:
        right: one value an item.
        clusters: the subject of each item.
    """
    if not right:
        return {"value": 0.0, "low": 0.0, "high": 0.0, "n": 0}
    sums: defaultdict[str, int] = defaultdict(int)
    counts: defaultdict[str, int] = defaultdict(int)
    for value, cluster in zip(right, clusters, strict=True):
        sums[cluster] += value
        counts[cluster] += 1
    names = sorted(counts)
    drawn = resampled(np.array([(sums[name], counts[name]) for name in names]), resamples, seed)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    share, n = sum(right) / len(right), len(right)
    wilson_low, wilson_high = wilson(share, n)
    return {"value": share, "low": min(float(low), wilson_low), "high": max(float(high), wilson_high), "n": n}


def wilson(value: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Score interval of a share of n answers, 95 % unless another z is given (Wilson 1927)."""
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
