"""Rates with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

Rate = dict[str, float | int]


def rate(right: Sequence[bool], clusters: Sequence[str], resamples: int, seed: int) -> Rate:
    """Share of right answers with a 95 % percentile bootstrap interval over clusters.

    Items about one subject stand and fall together, so whole subjects are drawn, not single items: intervals over
    items would be too narrow.

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
    totals = np.array([sums[name] for name in names])
    sizes = np.array([counts[name] for name in names])
    draws = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    shares = totals[draws].sum(1) / sizes[draws].sum(1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return {"value": sum(right) / len(right), "low": float(low), "high": float(high), "n": len(right)}
