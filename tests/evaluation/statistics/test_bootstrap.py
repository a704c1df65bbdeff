"""Resampled sums."""

from __future__ import annotations

import numpy as np
import pytest

from deepseek_fusion.evaluation.statistics import bootstrap
from deepseek_fusion.evaluation.statistics.bootstrap import resampled


def test_sums_spread_as_theory_says_and_columns_are_drawn_together() -> None:
    values = np.arange(50.0)
    drawn = resampled(np.stack([values, 2 * values, np.ones(50)], axis=1), 4000, 0)
    assert drawn.shape == (4000, 3)
    assert (drawn[:, 1] == 2 * drawn[:, 0]).all()
    assert (drawn[:, 2] == 50).all()
    assert drawn[:, 0].mean() == pytest.approx(values.sum(), rel=0.01)
    assert drawn[:, 0].std() == pytest.approx(values.std() * 50**0.5, rel=0.05)


def test_thousands_of_subjects_are_drawn_in_blocks() -> None:
    subjects = bootstrap.BLOCK // 3
    drawn = resampled(np.ones((subjects, 1)), 8, 0)
    assert drawn.tolist() == [[subjects]] * 8
