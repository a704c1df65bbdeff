"""Budgets, falls and ratios, by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from deepseek_fusion.evaluation.exam import Item
from deepseek_fusion.evaluation.robustness.siege import Fate, besiege, is_right, lowered, ratio, standing_at
from deepseek_fusion.evaluation.robustness.tokens import Target, Vocabulary

ITEM = Item("q", "question", "?", True, ("a", "b"), (("Cough",), ("Joint Pain", "Arthralgia")))


def test_right_is_all_that_is_true_and_nothing_that_is_not() -> None:
    assert is_right(ITEM, "Cough, Arthralgia")
    assert not is_right(ITEM, "Cough")
    assert is_right(ITEM, "Cough, Joint Pain, Fever")
    assert not is_right(ITEM, "Cough, Joint Pain, Fever", untrue=("Rash", "Fever"))
    assert is_right(ITEM, "Cough, Joint Pain; feverish", untrue=("Fever",))


def test_a_question_is_attacked_until_it_falls(knowing: Callable[[str], tuple[Vocabulary, list[Target]]]) -> None:
    words, asked = knowing("en")
    by_answer = {target.question.item.gold: target for target in asked}
    known = [fate.target for fate in besiege(words.language, lambda some, _: list(some), asked, 1) if fate.fell is None]
    assert len(known) >= 4
    seen: list[tuple[int, int]] = []

    def swap(targets: Sequence[Target], budget: int) -> list[Target]:
        """From a budget of 2 on, the first two ask for what another question asks for."""
        seen.append((budget, len(targets)))
        victims = [target.id for target in known[:2]] if budget >= 2 else []
        others = {
            t.id: next(o for o in by_answer.values() if o.question.item.gold != t.question.item.gold) for t in targets
        }
        return [replace(t, ids=others[t.id].ids) if t.id in victims else t for t in targets]

    fates = besiege(words.language, swap, known, 3)
    assert [fate.fell for fate in fates] == [2, 2] + [None] * (len(known) - 2)
    assert seen == [(1, len(known)), (2, len(known)), (3, len(known) - 2)]
    assert [sum(standing_at(fates, budget)) for budget in range(4)] == [len(known)] * 2 + [len(known) - 2] * 2
    assert all(is_right(fate.target.question.item, fate.answer) == (fate.fell is None) for fate in fates)


def fates(*falls: int | None) -> list[Fate]:
    return [Fate(target=None, answer="", fell=fall) for fall in falls]  # type: ignore[arg-type]


def test_lowered_is_the_share_of_budgets_lost() -> None:
    assert lowered(fates(1, 2, 3, None), [1, 2, 3]) == [1, pytest.approx(2 / 3), pytest.approx(1 / 3), 0]
    assert lowered(fates(1, 2, None), [1]) == [1, 0, 0]
    assert lowered([], [1, 2]) == []


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
    import random

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
