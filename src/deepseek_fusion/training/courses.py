"""What a phase brings to the loop, and how several of them share one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from deepseek_fusion.training.loop import Batch, Objective


@dataclass(frozen=True)
class Course:
    """Objectives planned for a number of steps, and what they train besides the adapter.

    Attributes:
        batch_tokens: tokens of one step.
    """

    objectives: Sequence[Objective]
    steps: int
    batch_tokens: int
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)


def together(courses: Sequence[Course]) -> Course:
    """One course of all, as long as the longest; the others are spread evenly over it."""
    steps = max(course.steps for course in courses)
    return Course(
        objectives=[
            objective if course.steps == steps else Spread(objective, course.steps, steps)
            for course in courses
            for objective in course.objectives
        ],
        steps=steps,
        batch_tokens=sum(course.batch_tokens for course in courses),
        parameters={name: own for course in courses for name, own in course.parameters.items()},
    )


class Spread:
    """An objective planned for fewer steps than there are: at some it reads nothing."""

    def __init__(self, objective: Objective, planned: int, steps: int) -> None:
        self.objective, self.planned, self.steps = objective, planned, steps
        self.name, self.weight = objective.name, objective.weight

    def batch(self, step: int, seen: Mapping[str, int]) -> Batch | None:
        """What the objective planned, if one of its own steps falls on this one."""
        own = step * self.planned // self.steps
        return self.objective.batch(own, seen) if (step + 1) * self.planned // self.steps > own else None
