"""Rates and their intervals."""

from __future__ import annotations

import random

import pytest

from deepseek_fusion.evaluation.statistics.rates import rate


def test_the_interval_holds_the_share_and_is_the_same_each_time() -> None:
    right = [True] * 30 + [False] * 70
    names = [str(number) for number in range(100)]
    first = rate(right, names, 2000, 0)
    assert first["value"] == 0.3
    assert first["n"] == 100
    assert first["low"] == pytest.approx(0.21, abs=0.02)  # the exact binomial interval is 0.21 to 0.40
    assert first["high"] == pytest.approx(0.39, abs=0.02)
    assert rate(right, names, 2000, 0) == first


def test_items_of_one_subject_stand_and_fall_together() -> None:
    right = [True] * 50 + [False] * 50
    alone = rate(right, [str(number) for number in range(100)], 2000, 0)
    clustered = rate(right, [str(number // 10) for number in range(100)], 2000, 0)
    assert clustered["value"] == alone["value"] == 0.5
    assert clustered["high"] - clustered["low"] > 2 * (alone["high"] - alone["low"])


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    rng = random.Random(0)
    names = [str(number) for number in range(60)]
    held = 0
    for seed in range(200):
        result = rate([rng.random() < 0.4 for _ in names], names, 500, seed)
        held += result["low"] <= 0.4 <= result["high"]
    assert 180 <= held <= 200


def test_edges() -> None:
    assert rate([], [], 100, 0) == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 0}
    one = rate([True], ["a"], 100, 0)  # Wilson's interval: one answer proves little
    assert (one["value"], one["high"], one["n"]) == (1.0, 1.0, 1)
    assert one["low"] == pytest.approx(0.2065, abs=1e-3)
    none = rate([False] * 5, list("abcde"), 100, 0)
    assert (none["value"], none["low"], none["n"]) == (0.0, 0.0, 5)
    assert none["high"] == pytest.approx(0.4345, abs=1e-3)
    with pytest.raises(ValueError, match="zip"):
        rate([True, False], ["a"], 100, 0)
