"""The bootstrap over whole subjects, in constant memory."""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCK = 1_000_000


def resampled(columns_SK: Any, resamples: int, seed: int) -> Any:
    """Sums over as many subjects as there are, drawn with replacement (Efron 1979), again and again.

    Args:
        columns_SK: numbers that add up over subjects; one row for each of them.

    Returns:
        an array of `resamples` rows and as many columns.
    """
    subjects = len(columns_SK)
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // columns_SK.size)  # an ontology has thousands of subjects
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return np.concatenate([columns_SK[rng.integers(0, subjects, (size, subjects))].sum(1) for size in sizes])
