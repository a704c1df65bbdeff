"""Rates, curves and ratios from rows written by hand."""

from __future__ import annotations

import random
from typing import Any

from deepseek_fusion.evaluation.robustness.summary import Row, ratio, summarise


def row(subject: str, right: bool, typos: bool | None, *falls: int | None) -> Row:
    """A question; `falls` under hotflip, projected and the control, or none of them."""
    changes = {} if typos is None else {"typos": {"prompt": "Whcih?", "answer": "x", "right": typos}}
    cases: dict[str, Any] = {
        name: {"prompt": "What?", "answer": "x", "fell": fell}
        for name, fell in zip(("hotflip", "projected", "random"), falls, strict=False)
    }
    excluded = {} if falls else {"attack": "answered wrongly as it stands"}
    if typos is None:
        excluded["typos"] = "nothing"
    text = {"id": subject, "subject": subject, "prompt": "Which?", "gold": ["A"], "answer": "A"}
    return {**text, "right": right, "changes": changes, "attacks": cases, "excluded": excluded}


ROWS = [
    row("a", True, False, 1, 2, None),
    row("b", True, True, 1, None, 2),
    row("c", True, None, 2, None, None),
    row("d", True, True, None, None, None),
    row("e", False, False),
]


def test_rates_and_curves() -> None:
    found = summarise(ROWS, budget=2, resamples=100, seed=0)
    assert (found["clean"]["value"], found["clean"]["n"]) == (0.8, 5)
    (typos,) = found["perturbations"]
    assert (typos["name"], typos["accuracy"]["value"], typos["clean"]["value"], typos["n"]) == ("typos", 0.5, 0.75, 4)
    curves = {attack["name"]: [point["accuracy"]["value"] for point in attack["curve"]] for attack in found["attacks"]}
    assert curves == {"hotflip": [1, 0.5, 0.25], "projected": [1, 1, 0.75], "random": [1, 1, 0.75]}
    over = found["ratio"]["hotflip_over_random"]
    assert over["value"] == 5  # 2 + 3 losses over both budgets, against 0 + 1
    assert [point["value"] for point in over["by_budget"]] == [None, 3]
    assert found["ratio"]["projected_over_random"]["value"] == 1
    assert found["excluded"] == {"attack: answered wrongly as it stands": 1, "typos: nothing": 1}
    attacks = [(example["attack"], example["right"]) for example in found["examples"]]
    assert attacks[:3] == [("typos", False), ("typos", True), ("typos", True)]
    assert [right for name, right in attacks if name == "hotflip"] == [False, False, False]


def test_nothing_attacked_and_nothing_asked() -> None:
    found = summarise(ROWS[-1:], budget=2, resamples=100, seed=0)
    assert found["attacks"] == []
    assert found["ratio"] == {}
    assert summarise([], budget=2, resamples=100, seed=0)["clean"]["n"] == 0


def test_ratio() -> None:
    subjects = [f"s{number // 4}" for number in range(40)]
    ours = [1.0] * 30 + [0.0] * 10
    control = [1.0, 0.0] * 5 + [0.0] * 30
    assert ratio(ours, control, subjects, 500, 0)["value"] == 6
    same = ratio(ours, ours, subjects, 500, 0)
    assert same == {"value": 1, "low": 1, "high": 1}
    spread = ratio(ours, control[::-1], subjects, 2000, 0)
    assert spread["low"] is not None
    assert 1 < spread["low"] < 6
    assert spread["high"] is None  # some resamples hold no subject that the control hurts
    assert ratio(ours, [0.0] * 40, subjects, 100, 0) == {"value": None, "low": None, "high": None}
    assert ratio([0.0] * 40, [0.0] * 40, subjects, 100, 0) == {"value": 1, "low": 1, "high": 1}
    assert ratio([], [], [], 100, 0) == {"value": None, "low": None, "high": None}
    assert ratio(ours, control, subjects, 500, 0) == ratio(ours, control, subjects, 500, 0)


def test_an_interval_of_a_ratio_covers_the_truth() -> None:
    """Forty subjects of four questions: 0.6 lost to one attack, 0.3 to the other, the ratio is 2."""
    rng, covered = random.Random(0), 0
    subjects = [f"s{number // 4}" for number in range(160)]
    for seed in range(60):
        shift = [rng.uniform(-0.2, 0.2) for _ in range(40)]
        ours = [float(rng.random() < 0.6 + shift[number // 4]) for number in range(160)]
        control = [float(rng.random() < 0.3 + shift[number // 4] / 2) for number in range(160)]
        found = ratio(ours, control, subjects, 300, seed)
        assert found["low"] is not None
        covered += found["low"] <= 2 <= (found["high"] or float("inf"))
    assert covered >= 52
