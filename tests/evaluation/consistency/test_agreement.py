"""Kappa against values worked out by hand, and cases in which there is none."""

from __future__ import annotations

import pytest

from deepseek_fusion.evaluation.consistency.agreement import agreement

LABELS = ("supported", "contradicted", "unknown")


def between(first: str, second: str, clusters: list[str] | None = None) -> dict[str, object]:
    names = {"s": "supported", "c": "contradicted", "u": "unknown"}
    one, other = ([names[letter] for letter in letters] for letters in (first, second))
    return agreement(one, other, LABELS, clusters or [str(i) for i in range(len(first))], 500, 0)


def test_kappa_is_cohens() -> None:
    # The example of Cohen's paper as usually told: 20 yes/yes, 15 no/no, 5 and 10 apart; kappa 0.4.
    found = between("s" * 20 + "s" * 5 + "c" * 10 + "c" * 15, "s" * 20 + "c" * 5 + "s" * 10 + "c" * 15)
    kappa, raw = found["kappa"], found["agreement"]
    assert isinstance(kappa, dict)
    assert isinstance(raw, dict)
    assert kappa["value"] == pytest.approx(0.4)
    assert kappa["low"] < 0.4 < kappa["high"]
    assert raw["value"] == pytest.approx(0.7)
    assert found["confusion"] == [[20, 5, 0], [10, 15, 0], [0, 0, 0]]
    assert found["reason"] is None


def test_an_interval_over_few_subjects_is_wider_than_over_many() -> None:
    first, second = "scu" * 20, "scc" * 10 + "scu" * 10
    few, many = (between(first, second, clusters) for clusters in (["a"] * 30 + ["b"] * 30, None))
    widths = [found["kappa"]["high"] - found["kappa"]["low"] for found in (few, many)]  # type: ignore[index]
    assert widths[0] > widths[1]


def test_perfect_agreement_is_one() -> None:
    assert between("scu" * 5, "scu" * 5)["kappa"]["value"] == 1  # type: ignore[index]


def test_one_class_only_has_no_kappa_and_says_why() -> None:
    found = between("sss", "sss")
    assert found["kappa"] is None
    assert "`supported`" in str(found["reason"])
    assert found["agreement"]["value"] == 1  # type: ignore[index]


def test_nothing_judged_has_no_kappa_and_says_why() -> None:
    found = between("", "")
    assert found["kappa"] is None
    assert "no claim" in str(found["reason"])
    assert found["confusion"] == [[0, 0, 0]] * 3
