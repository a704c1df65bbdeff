"""Questions under siege."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.evaluation.robustness.siege import besiege, is_right
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
    assert all(is_right(fate.target.question.item, fate.answer) == (fate.fell is None) for fate in fates)
