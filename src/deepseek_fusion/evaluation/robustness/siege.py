"""Attacks on many questions with a growing budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deepseek_fusion.evaluation.answers.answering import answer_all
from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.evaluation.robustness.attack import Attack
from deepseek_fusion.evaluation.robustness.tokens import Target
from deepseek_fusion.knowledge.asking.matching import is_listed
from deepseek_fusion.models.loading import Language


@dataclass(frozen=True)
class Fate:
    """What became of a question: how it reads in the end, the answer to that, and the budget at which it fell."""

    target: Target
    answer: str
    fell: int | None = None


def is_right(item: Item, answer: str, untrue: Sequence[str] = ()) -> bool:
    """All that the question asks for is listed, and nothing that is untrue."""
    return all(is_listed(answer, names) for names in item.gold) and not is_listed(answer, untrue)


def besiege(
    language: Language,
    attack: Attack,
    targets: Sequence[Target],
    budget: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Fate]:
    """Attack every question with a budget of 1, 2, ... until its greedy answer is no longer right."""
    fates = [Fate(target, language.decode(list(target.answer))) for target in targets]
    for spent in range(1, budget + 1):
        standing = [place for place, fate in enumerate(fates) if fate.fell is None]
        moved = attack([fates[place].target for place in standing], spent)
        answers = answer_all(
            language,
            [list(target.ids) for target in moved],
            [language.decode(list(target.answer)) for target in moved],
        )
        for place, target, answer in zip(standing, moved, answers, strict=True):
            stands = is_right(target.question.item, answer)
            fates[place] = Fate(target, answer, None if stands else spent)
        advance()
    return fates
