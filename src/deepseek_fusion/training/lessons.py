"""Phase `instruct`: lessons as an objective, the other side of what the curriculum writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepseek_fusion.core.artifacts import Artifact, read_jsonl
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.models.loading import Language
from deepseek_fusion.training.divergence import Teacher, divergence
from deepseek_fusion.training.loop import Course
from deepseek_fusion.training.samples import (
    Sample,
    batch_tokens_for,
    chat_sample,
    check_lengths,
    plan_batches,
    text_sample,
)

STEPS = 800
"""Facts stick by the number of updates: with 200 facts, 230 steps reach 70 % of the questions in stories, and 830 of
nearly the same lessons 96 (experiments/LOG.md)."""


class Lessons:
    """Cross entropy over the learned tokens of samples, a planned batch at each step."""

    weight = 1.0

    def __init__(
        self, language: Language, samples: Sequence[Sample], batches: Sequence[Sequence[int]], name: str = "lesson"
    ) -> None:
        self.language, self.samples, self.batches, self.name = language, samples, batches, name

    def batch(self, step: int, seen: Mapping[str, int]) -> LessonBatch:
        """The samples planned for a step."""
        return LessonBatch(self.language, [self.samples[i] for i in self.batches[step]])


@dataclass(frozen=True)
class LessonBatch:
    """Some samples; the loss looks where the next token is learned."""

    language: Language
    samples: Sequence[Sample]

    @property
    def rows(self) -> list[Sequence[int]]:
        """Token ids of each sample, all but the last, after which nothing comes."""
        return [sample.ids[:-1] for sample in self.samples]

    @property
    def places(self) -> list[list[int]]:
        """Positions before learned tokens."""
        return [[i - 1 for i in range(1, len(sample)) if sample.learned[i]] for sample in self.samples]

    @property
    def tokens(self) -> int:
        """Tokens of the samples."""
        return sum(map(len, self.samples))

    def loss(self, hidden_ND: Tensor, rows: Sequence[int]) -> Tensor:
        """Sum of the cross entropy over the learned tokens of some samples."""
        places = self.places
        targets = [self.samples[row].ids[place + 1] for row in rows for place in places[row]]
        teacher = Teacher.certain(torch.tensor(targets, device=hidden_ND.device))
        return divergence(hidden_ND, self.language.head.weight, teacher)


def lesson_course(language: Language, section: TrainingConfig, lessons: Artifact) -> Course:
    """Phase `instruct`: all lessons once, in their order.

    Raises:
        FusionError: a lesson is too long, or none has anything to learn.
    """
    samples = read_samples(lessons, language)
    check_lengths(samples, section.max_length)
    return samples_course(language, section, samples)


def samples_course(language: Language, section: TrainingConfig, samples: Sequence[Sample]) -> Course:
    """The same of samples."""
    lengths = [len(sample) for sample in samples]
    batch_tokens = section.batch_tokens or batch_tokens_for(sum(lengths), STEPS)
    batches = plan_batches(lengths, batch_tokens, section.seed)
    return Course([Lessons(language, samples, batches)], len(batches), batch_tokens)


def read_samples(lessons: Artifact, language: Language) -> list[Sample]:
    """All lessons as samples, in their order. Lesson rows repeat, so each distinct one is tokenised once."""
    known: dict[str, Sample] = {}
    samples: list[Sample] = []
    for row in read_jsonl(lessons.path / "lessons.jsonl"):
        name = repr((row["prompt"], row["parts"]))
        if name not in known:
            prompt, parts = row["prompt"], row["parts"]
            known[name] = (
                text_sample(language, parts)
                if prompt is None
                else chat_sample(language, prompt, "".join(text for text, _ in parts))
            )
        samples.append(known[name])
    return samples
