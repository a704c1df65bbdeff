"""Where an opinion overrules the rules."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deepseek_fusion.evaluation.consistency.checker import Checker
from deepseek_fusion.evaluation.consistency.encoder.masking import Masked
from deepseek_fusion.evaluation.consistency.encoder.revision import Opinion
from deepseek_fusion.evaluation.consistency.reading.claims import Asked
from evaluation.consistency.test_checker import EN, verdicts

ASSERTED, DENIED, OPEN, NOTHING = ((1.0, 0, 0, 0), (0.0, 1, 0, 0), (0.0, 0, 1, 0), (0.0, 0, 0, 1))
UNSURE = (0.5, 0.4, 0.05, 0.05)


class Sure:
    """Has one opinion of items, one of words."""

    def __init__(self, items: tuple[float, ...], words: tuple[float, ...], subject: str | None = "Gout") -> None:
        self.items, self.words, self.subject = items, words, subject

    def opinions(self, texts: Sequence[Masked]) -> list[list[Opinion]]:
        return [
            [Opinion(self.items if one.kind == "item" else self.words, {self.subject: 1.0}) for one in text.mentions]
            for text in texts
        ]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (ASSERTED, [("Swelling", "supported")]),
        (DENIED, [("not Swelling", "contradicted")]),
        (OPEN, [("Swelling", "unknown")]),
        (UNSURE, [("Swelling", "supported")]),
    ],
)
def test_what_is_said_of_an_item(items: tuple[float, ...], expected: list[tuple[str, str]]) -> None:
    assert verdicts(Checker(EN, Sure(items, UNSURE)), "Gout causes Swelling.") == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [(ASSERTED, "supported"), (DENIED, "contradicted"), (UNSURE, "unknown"), (OPEN, "unknown"), (NOTHING, "unknown")],
)
def test_what_the_rules_leave_open_can_be_closed(items: tuple[float, ...], expected: str) -> None:
    answer = "I disagree that Gout causes Swelling."
    assert [verdict for _, verdict in verdicts(Checker(EN), answer)] == ["unknown"]
    assert [verdict for _, verdict in verdicts(Checker(EN, Sure(items, NOTHING)), answer)] == [expected]


def test_of_whom() -> None:
    other = Checker(EN, Sure(ASSERTED, UNSURE, "Asthma"))
    assert verdicts(other, "Gout causes Swelling.") == [("Swelling", "contradicted")]
    assert verdicts(Checker(EN, Sure(ASSERTED, UNSURE, None)), "Gout causes Swelling.") == [("Swelling", "unknown")]


def test_words_are_dropped_or_added() -> None:
    answer = "Gout was first described long ago."
    assert verdicts(Checker(EN), answer) != []
    assert verdicts(Checker(EN, Sure(ASSERTED, NOTHING)), answer) == []
    passed_over = "Great news! Gout causes Swelling."
    assert len(verdicts(Checker(EN), passed_over)) == 1
    added = verdicts(Checker(EN, Sure(ASSERTED, ASSERTED)), passed_over)
    assert added == [("Great news", "unknown"), ("Swelling", "supported")]


def test_backward_questions_are_left_to_the_rules() -> None:
    asked = Asked("symptom", object="Swelling")
    answer = "Gout"
    assert verdicts(Checker(EN, Sure(DENIED, DENIED)), answer, asked) == verdicts(Checker(EN), answer, asked)
