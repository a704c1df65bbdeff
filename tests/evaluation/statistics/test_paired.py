"""Differences between two models on the same items."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deepseek_fusion.evaluation.statistics.paired import Difference, holm, paired_change, paired_difference


def names(count: int, size: int = 1) -> list[str]:
    return [str(number // size) for number in range(count)]


def test_a_difference_has_an_interval_and_is_the_same_each_time() -> None:
    before, now = [True] * 80 + [False] * 20, [False] * 20 + [True] * 80
    found = paired_difference(before, now, names(100))
    assert found == paired_difference(before, now, names(100))
    assert found.value == 0.0
    low, high = found.interval
    assert (low, high) == (pytest.approx(-0.125, abs=0.01), pytest.approx(0.125, abs=0.01))  # sqrt(40) / 100 * 1.98
    assert found.p == pytest.approx(1.0)
    fewer = paired_difference([True] * 100, [False] * 20 + [True] * 80, names(100))
    assert fewer.value == -0.2
    assert fewer.p < 0.001


def test_subjects_stand_and_fall_together() -> None:
    before, now = [True] * 100, [False] * 20 + [True] * 80
    assert paired_difference(before, now, names(100, size=10)).p > 0.05  # two subjects of ten
    assert paired_difference(before, now, names(100)).p < 0.001


def test_equal_answers_are_not_proven_equal() -> None:
    same = paired_difference([True] * 60, [True] * 60, names(60))
    low, high = same.interval
    assert low < -0.02
    assert high > 0.02
    assert same.detectable(0.05) > 0.04
    assert same.p == pytest.approx(1.0)


def test_three_subjects_are_enough_for_a_model_that_lost_everything() -> None:
    assert paired_difference([True] * 30, [False] * 30, names(30, size=10)).p < 0.01
    assert paired_difference([True] * 12, [False] * 12, names(12, size=12)).p < 0.1  # one subject proves little


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 12.706), (2, 4.303), (5, 2.571), (30, 2.042), (10_000, 1.960)])
def test_quantiles_are_those_of_the_tables(degrees: int, quantile: float) -> None:
    low, high = Difference(0.0, 1e-3, degrees + 1).interval
    assert high * 1e3 == pytest.approx(quantile, rel=2e-3)
    assert low == -high
    assert Difference(quantile * 1e-3, 1e-3, degrees + 1).p == pytest.approx(0.05, abs=1e-3)


@pytest.mark.parametrize("subjects", [4, 12, 60])
def test_equal_models_differ_in_at_most_five_of_a_hundred_cases(subjects: int) -> None:
    rng = np.random.default_rng(subjects)
    clusters = names(subjects * 10, size=10)
    alarms = 0
    for _ in range(200):
        ability = rng.normal(0.8, 1, subjects * 10)
        sittings = [ability + np.repeat(rng.normal(0, 1, subjects), 10) > 0 for _ in range(2)]
        alarms += paired_difference(*(sitting.tolist() for sitting in sittings), clusters).p <= 0.05
    assert alarms <= 19  # 0.05 and three standard errors


def test_what_is_detectable_is_detected() -> None:
    rng = np.random.default_rng(0)
    noise = paired_difference([True, False] * 100, rng.permutation([True, False] * 100).tolist(), names(200))
    size = noise.detectable(0.05)
    found = [Difference(rng.normal(-size, noise.error), noise.error, 200).p <= 0.05 for _ in range(400)]
    assert sum(found) / len(found) == pytest.approx(0.95, abs=0.035)


def test_holm_counts_how_many_were_tried() -> None:
    assert holm([0.04, 0.01, 0.03]) == [pytest.approx(0.06), pytest.approx(0.03), pytest.approx(0.06)]
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_change_of_perplexity_is_relative_and_paired_by_window() -> None:
    before = [(300.0 + 10 * number, 100) for number in range(20)]
    now = [(nats + 4 + number % 2, 100) for number, (nats, _) in enumerate(before)]  # 0.045 nats a token more
    change = paired_change(before, now)
    assert change is not None
    assert change == paired_change(before, now)
    assert change.value == pytest.approx(math.exp(0.045) - 1)
    low, high = change.interval
    assert 0.04 < low < change.value < high < 0.052  # the windows themselves differ by up to 190 nats
    assert change.p < 0.001
    back = paired_change(now, before)
    assert back is not None
    assert back.value == pytest.approx(1 / (1 + change.value) - 1)


def test_the_same_perplexity_is_no_change() -> None:
    text = [(300.0, 100), (320.0, 100), (30.0, 7)]
    change = paired_change(text, text)
    assert change is not None
    assert (change.value, change.p) == (0.0, pytest.approx(1.0))
    assert change.interval == (pytest.approx(0.0, abs=1e-6), pytest.approx(0.0, abs=1e-6))


@pytest.mark.parametrize(
    ("before", "now"), [([], []), ([(300.0, 100)], [(310.0, 100)]), ([(30.0, 10)] * 2, [(30.0, 9), (30.0, 11)])]
)
def test_what_cannot_be_paired_has_no_interval(before: list[tuple[float, int]], now: list[tuple[float, int]]) -> None:
    assert paired_change(before, now) is None


def test_about_95_of_100_intervals_hold_the_true_change() -> None:
    rng = np.random.default_rng(0)
    tokens, held = [256] * 10 + [40] * 6, 0
    for _ in range(200):
        before = [(count * level, count) for count, level in zip(tokens, rng.normal(3.4, 0.5, 16), strict=True)]
        gains = 0.04 + rng.normal(0, 0.6, 16) / np.sqrt(tokens)
        now = [(nats + count * gain, count) for (nats, count), gain in zip(before, gains, strict=True)]
        change = paired_change(before, now)
        assert change is not None
        held += change.interval[0] <= math.expm1(0.04) <= change.interval[1]
    assert 183 <= held <= 199
