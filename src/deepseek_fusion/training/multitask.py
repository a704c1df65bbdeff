"""Phase `multitask`: writing, classes, ratings and labels of words on one adapter, balanced by uncertainty.

Tasks that read the same text read it in the same step, so the model computes it once for all of them. Each task has a
variance that is learned with it (Kendall, Gal & Cipolla 2018, arXiv 1705.07115): losses are divided by it, and its
logarithm is added, or it would grow without end. A task that is still uncertain thus drowns out no other.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.source import Source
from deepseek_fusion.models.heads import Head, Heads, Read, read_text
from deepseek_fusion.models.loading import Language
from deepseek_fusion.training.labels import Labelled, read_labels, task_of
from deepseek_fusion.training.lessons import Lessons
from deepseek_fusion.training.loop import Batch, Course, Objective
from deepseek_fusion.training.samples import Sample, batch_tokens_for, chat_sample, plan_batches

HELD_OUT_EVERY = 10
PACE = 10.0
"""How much faster than the adapter a variance moves: at the adapter's rate it would hardly leave 1 in a short run."""


@dataclass(frozen=True)
class Example:
    """A row as the model reads it, and what it is to answer."""

    read: Read
    row: Labelled


class Labels:
    """What a head says at some positions of each text, a planned batch at each step."""

    weight = 1.0

    def __init__(self, head: Head, examples: Sequence[Example], batches: Sequence[Sequence[int]]) -> None:
        self.name, self.head, self.examples, self.batches = head.task.name, head, examples, batches

    def batch(self, step: int, seen: Mapping[str, int]) -> LabelBatch:
        """The examples planned for a step."""
        return LabelBatch(self.head, [self.examples[i] for i in self.batches[step]])


@dataclass(frozen=True)
class LabelBatch:
    """Some examples; the loss is cross entropy, or half the squared error of a rating in units of their spread."""

    head: Head
    examples: Sequence[Example]

    @property
    def rows(self) -> list[Sequence[int]]:
        """Token ids of each text."""
        return [example.read.ids for example in self.examples]

    @property
    def places(self) -> list[Sequence[int]]:
        """Where words end, or the text does."""
        labelled = self.head.task.kind == "labelling"
        return [example.read.words if labelled else (example.read.end,) for example in self.examples]

    @property
    def tokens(self) -> int:
        """Tokens of the texts."""
        return sum(len(example.read.ids) for example in self.examples)

    def loss(self, hidden_ND: Tensor, rows: Sequence[int]) -> Tensor:
        """Sum over the positions of some examples."""
        task, scores_NC = self.head.task, self.head(hidden_ND)
        targets = [target for row in rows for target in self.examples[row].row.targets]
        if task.kind == "rating":
            wanted = torch.tensor([(value - task.mean) / task.spread for value in targets], device=scores_NC.device)
            return F.mse_loss(scores_NC[:, 0], wanted, reduction="sum") / 2
        classes = torch.tensor([task.labels.index(label) for label in targets], device=scores_NC.device)
        return F.cross_entropy(scores_NC, classes, reduction="sum")


class Balanced:
    """An objective whose loss is weighed by its own variance. What it reports is the loss as it is."""

    weight = 1.0

    def __init__(self, objective: Objective, variance: nn.Parameter) -> None:
        self.objective, self.variance, self.name = objective, variance, objective.name

    def batch(self, step: int, seen: Mapping[str, int]) -> Batch | None:
        """What the objective reads."""
        inner = self.objective.batch(step, seen)
        return inner and BalancedBatch(inner, self.variance)


@dataclass(frozen=True)
class BalancedBatch:
    """A batch whose gradient is that of loss / variance + log(variance) / 2."""

    inner: Batch
    variance: nn.Parameter

    @property
    def rows(self) -> Sequence[Sequence[int]]:
        """Token ids."""
        return self.inner.rows

    @property
    def places(self) -> Sequence[Sequence[int]]:
        """Positions that the loss looks at."""
        return self.inner.places

    @property
    def tokens(self) -> int:
        """Tokens of the rows."""
        return self.inner.tokens

    def loss(self, hidden_ND: Tensor, rows: Sequence[int]) -> Tensor:
        """The sum of the inner loss, with the gradient of the balanced one."""
        plain = self.inner.loss(hidden_ND, rows)
        logarithm = PACE * self.variance
        balanced = torch.exp(-logarithm) * plain + len(hidden_ND) * logarithm / 2
        return balanced + (plain - balanced).detach()


def task_course(language: Language, section: TrainingConfig, labels: Source) -> Course:
    """All tasks on the texts that are not held out; in each step every task that knows something of its texts.

    Raises:
        FusionError: a row cannot be used or is too long, or all rows of a task have one answer.
    """
    config = section.multitask
    rows = read_labels(config.tasks, labels)
    tasks = [task for name in rows if (task := task_of(name, config.tasks[name].kind, rows[name]))]
    width = language.head.weight.shape[1]
    heads = {task.name: Head(task, width).to(language.device) for task in tasks}
    read = {name: [_read(language, row, section.max_length) for row in own] for name, own in rows.items()}
    taught = {name: [item for item in own if not _is_held_out(item.row.text)] for name, own in read.items()}
    lengths = {item.row.text: len(item.read.ids) for own in taught.values() for item in own}
    order = list(_rounds(list(lengths), config.epochs, section.seed))
    batch_tokens = config.batch_tokens or batch_tokens_for(sum(lengths[text] for text in order))
    planned = plan_batches([lengths[text] for text in order], batch_tokens, section.seed)
    objectives: list[Objective] = []
    for name, examples in taught.items():
        batches = _batches(examples, [[order[i] for i in batch] for batch in planned])
        objectives.append(
            Labels(heads[name], examples, batches)
            if name in heads
            else Lessons(language, [_sample(language, example) for example in examples], batches, name)
        )
    parameters = {f"heads.{name}.{part}": own for name, head in heads.items() for part, own in head.named_parameters()}
    if len(objectives) > 1:
        variances = [nn.Parameter(torch.zeros((), device=language.device)) for _ in objectives]
        parameters |= {f"variances.{own.name}": one for own, one in zip(objectives, variances, strict=True)}
        objectives = [Balanced(own, variance) for own, variance in zip(objectives, variances, strict=True)]

    def finish(adapter: Path) -> dict[str, Any]:
        if not heads:
            return {}
        trained = Heads(list(heads.values()))
        trained.save(adapter)
        held_out = {name: [item.row for item in read[name] if _is_held_out(item.row.text)] for name in heads}
        return {"heads": {name: measure(language, trained, name, own) for name, own in held_out.items() if own}}

    return Course(objectives, len(planned), batch_tokens, parameters, finish)


def measure(language: Language, heads: Heads, name: str, rows: Sequence[Labelled]) -> dict[str, float]:
    """How well a head answers rows that it may never have seen: the share of right labels, or the mean error."""
    found = heads.predict(language, [row.text for row in rows], [row.words for row in rows])
    targets = [target for row in rows for target in row.targets]
    answers = [answer for own in found for answer in (own[name] if isinstance(own[name], list) else [own[name]])]
    pairs = list(zip(answers, targets, strict=True))
    if "rating" in answers[0]:
        return {
            "n": len(pairs),
            "mean_error": sum(abs(answer["rating"] - target) for answer, target in pairs) / len(pairs),
        }
    return {"n": len(pairs), "accuracy": sum(answer["label"] == target for answer, target in pairs) / len(pairs)}


def _read(language: Language, row: Labelled, longest: int) -> Example:
    if row.answer is not None:
        sample = chat_sample(language, row.text, row.answer)
        example = Example(Read(sample.ids), row)
    else:
        example = Example(read_text(language, row.text, row.words), row)
    if len(example.read.ids) > longest:
        raise FusionError(
            f"{row.place}: has {len(example.read.ids)} tokens and would be cut at {longest}; shorten it or raise "
            "`training.max_length`."
        )
    return example


def _sample(language: Language, example: Example) -> Sample:
    """What is learned of a row of kind `text`: the answer, or all of it."""
    row, ids = example.row, example.read.ids
    if row.answer is not None:
        return chat_sample(language, row.text, row.answer)
    start = len(language.text_start())
    return Sample(ids, (False,) * start + (True,) * (len(ids) - start))


def _batches(examples: Sequence[Example], texts: Sequence[Sequence[str]]) -> list[list[int]]:
    """For each step, the examples on its texts."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        places[example.row.text].append(index)
    return [[index for text in batch for index in places[text]] for batch in texts]


def _rounds(texts: Sequence[str], epochs: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(epochs):
        yield from rng.sample(texts, len(texts))


def _is_held_out(text: str) -> bool:
    """Chosen by content, so a text that one task holds out is held out of all."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) % HELD_OUT_EVERY == 0
