"""Several phases in one loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from deepseek_fusion.training.loop import Course, together


class Counted:
    """An objective that reads the number of its own step."""

    weight = 1.0

    def __init__(self, name: str) -> None:
        self.name = name

    def batch(self, step: int, seen: Mapping[str, int]) -> Read:
        return Read(step)


class Read:
    """One row with nothing to learn."""

    tokens = 1

    def __init__(self, step: int) -> None:
        self.rows: Sequence[Sequence[int]] = [[step]]
        self.places: Sequence[Sequence[int]] = [[0]]

    def loss(self, hidden_ND: Tensor, rows: Sequence[int]) -> Tensor:
        return torch.zeros(())


def test_the_shorter_course_is_spread_over_the_longer_in_its_order() -> None:
    long, short = Course([Counted("long")], 10, 64), Course([Counted("short")], 4, 32)
    both = together([long, short])
    assert (both.steps, both.batch_tokens) == (10, 96)
    read = [[objective.batch(step, {}) for step in range(10)] for objective in both.objectives]
    rows = [[batch.rows[0][0] for batch in own if batch] for own in read]
    assert rows == [list(range(10)), list(range(4))]
    steps = [step for step, batch in enumerate(read[1]) if batch]
    assert max(b - a for a, b in pairwise(steps)) == 3
    assert [objective.name for objective in both.objectives] == ["long", "short"]


def test_a_course_alone_stays_as_it_is() -> None:
    course = Course([Counted("one")], 3, 64)
    assert together([course]).objectives == course.objectives
