"""The training loop: objectives over one model in, trained factors out, exact to the bit after any interruption."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from deepseek_fusion.core.artifacts import writing
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.errors import NotANumberError
from deepseek_fusion.core.events import track
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.parallel import held
from deepseek_fusion.models.ranks import add_up, any_of, count, most, share
from deepseek_fusion.models.trees.tree import Row

BETAS = (0.9, 0.99)
CLIP = 1.0
FLOOR = 0.1
"""Share of the peak learning rate that is left at the end of the cosine."""
MOMENTS = ("exp_avg", "exp_avg_sq")
NODES = {"cpu": 1024, "cuda": 16384}
"""Tokens in one pass through the model; a larger step takes several and adds their gradients."""
NAMED = 24
"""Tokens of a row that name it in an error."""


class Batch(Protocol):
    """What an objective reads in one step."""

    @property
    def rows(self) -> Sequence[Row]:
        """Token ids."""

    @property
    def places(self) -> Sequence[Sequence[int]]:
        """For each row, the positions whose hidden states the loss looks at."""

    @property
    def tokens(self) -> int:
        """Tokens of training text that the rows stand for."""

    def loss(self, hidden_ND: Tensor, rows: Sequence[int]) -> Tensor:
        """Sum over the places of some of the rows, in nats, given their hidden states in order."""


@runtime_checkable
class Telling(Protocol):
    """A batch that has more to tell of its step than a loss; the curve shows it."""

    @property
    def figures(self) -> Mapping[str, float]:
        """Numbers by name."""


class Objective(Protocol):
    """One thing to learn. It has a name for the curve and a weight in the loss."""

    name: str
    weight: float

    def batch(self, step: int, seen: Mapping[str, int]) -> Batch | None:
        """What to read at a step.

        Args:
            step: how many steps were taken before.
            seen: tokens read so far by each objective, those of this step included for the ones before this.
        """


@dataclass(frozen=True)
class Course:
    """Objectives planned for a number of steps, and what they train besides the adapter.

    Attributes:
        batch_tokens: tokens of one step.
        finish: puts what else was trained into the adapter's folder, and returns what to report of it.
    """

    objectives: Sequence[Objective]
    steps: int
    batch_tokens: int
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    finish: Callable[[Path], dict[str, Any]] = lambda adapter: {}


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


@dataclass
class Progress:
    """What a checkpoint knows besides tensors."""

    step: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    computed: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    flop: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Taken:
    """One step: mean loss of each objective (nats a position, 0 where it read nothing), tokens read, other figures."""

    losses: dict[str, float]
    tokens: int
    figures: dict[str, float]


class Loop:
    """Steps of AdamW on some parameters of a model. What happens at step n follows from the inputs and n alone."""

    def __init__(
        self,
        language: Language,
        config: TrainingConfig,
        objectives: Sequence[Objective],
        parameters: dict[str, nn.Parameter],
        steps: int,
    ) -> None:
        self.language, self.config, self.objectives, self.steps = language, config, objectives, steps
        self.parameters = parameters
        self.readers = count() if config.parallel == "tensor" else 1  # of each row
        tables = {id(module.weight) for module in (language.head, language.model.get_input_embeddings())}
        trained = {id(parameter) for parameter in parameters.values()}
        self.parameters_total = sum(p.numel() for p in language.model.parameters() if id(p) not in trained)
        self.parameters_body = self.parameters_total - sum(
            p.numel() for p in language.model.parameters() if id(p) in tables
        )
        self.optimizer = torch.optim.AdamW(
            parameters.values(), lr=config.learning_rate, betas=BETAS, weight_decay=0.0, fused=True
        )
        self.progress = Progress(tokens={objective.name: 0 for objective in objectives})

    def run(self, checkpoint: Path) -> None:
        """Take every step that is left, with a checkpoint now and then."""
        saved = time.monotonic()
        self.language.model.train()
        with track("teaching", self.steps, self.progress.step) as bar, _interruptible() as stopped:
            while self.progress.step < self.steps:
                clock, cpu = time.monotonic(), time.process_time()
                taken = self.step()
                self.progress.seconds += time.monotonic() - clock
                self.progress.cpu_seconds += time.process_time() - cpu
                shown = {self._column(name): loss for name, loss in taken.losses.items()} | taken.figures
                bar.advance(1, **shown, **self._pace(taken.tokens / (time.monotonic() - clock)))
                stop = any_of(stopped.is_set(), self.language.device)
                if stop or time.monotonic() - saved >= self.config.checkpoint_seconds:
                    self.save(checkpoint)
                    saved = time.monotonic()
                if stop:
                    raise KeyboardInterrupt
        self.language.model.eval()

    def step(self) -> Taken:
        """One update.

        Raises:
            NotANumberError: that is what the loss is.
        """
        state = self.progress
        before = sum(state.tokens.values())
        rate = self._learning_rate(state.step)
        losses, figures = self._gradients()
        if not all(map(math.isfinite, losses.values())):
            raise NotANumberError(
                f"training: the loss is not a number at step {state.step + 1}; lower {self.config.rate_field} "
                f"(it is {self.config.learning_rate:g}) and run again."
            )
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        state.step += 1
        state.curve.append(
            {
                "step": state.step,
                "tokens": sum(state.tokens.values()),
                **{self._column(name): round(loss, 5) for name, loss in losses.items()},
                "gradient_norm": round(norm.item(), 5),
                "learning_rate": rate,
                **{name: round(figure, 5) for name, figure in figures.items()},
            }
        )
        return Taken(losses, sum(state.tokens.values()) - before, figures)

    def _gradients(self) -> tuple[dict[str, float], dict[str, float]]:
        """Add the gradient of this step; returns the mean loss of each objective and what else the batches tell.

        All rows of all objectives go through the model together, so that products are large and beginnings shared.
        Of several processes each reads a part of them, or computes a part of all.
        """
        state = self.progress
        batches: list[tuple[Objective, Batch, int]] = []
        figures: dict[str, float] = {}
        losses = dict.fromkeys(state.tokens, 0.0)
        for objective in self.objectives:
            batch = objective.batch(state.step, state.tokens)
            if isinstance(batch, Telling):
                figures.update(batch.figures)
            if batch is not None and (positions := sum(map(len, batch.places))):
                batches.append((objective, batch, positions))
                state.tokens[objective.name] += batch.tokens
        rows = [(number, row) for number, (_, batch, _) in enumerate(batches) for row in range(len(batch.places))]
        ids = [row for _, batch, _ in batches for row in batch.rows]
        places = [own for _, batch, _ in batches for own in batch.places]
        read = share(range(len(rows)), self.readers)
        device, done = self.language.device, [0, 0]
        parts = list(self.language.parts([ids[i] for i in read], NODES[device.type]))
        for _ in range(len(parts), self._passes(len(parts))):
            self._accompany(ids[0][:1])
        for part in parts:
            total = torch.zeros((), device=device, requires_grad=True)
            chosen = sorted(read[i] for i in part)  # by objective
            hidden_ND, computed = self.language.states([ids[i] for i in chosen], [places[i] for i in chosen])
            done = [done[0] + computed, done[1] + len(hidden_ND)]
            for number, (objective, batch, whole) in enumerate(batches):
                own = [rows[i][1] for i in chosen if rows[i][0] == number]
                positions = sum(len(places[i]) for i in chosen if rows[i][0] == number)
                mine, hidden_ND = hidden_ND[:positions], hidden_ND[positions:]
                if positions:
                    loss = batch.loss(mine, own) / (whole * self.readers)
                    losses[objective.name] += loss.item()
                    total = total + objective.weight * loss
            total.backward()
        for parameter in self.parameters.values():
            if parameter.grad is None:  # nothing of this step touched it; still all take equally many steps
                parameter.grad = torch.zeros_like(parameter)
        sums = torch.tensor([*losses.values(), *done], dtype=torch.float64, device=device)
        add_up([sums])
        add_up([parameter.grad for parameter in self.parameters.values() if parameter.grad is not None])
        losses = dict(zip(losses, sums.tolist(), strict=False))
        self._count(*(round(total / self.readers) for total in sums.tolist()[len(losses) :]))
        return losses, figures

    def _passes(self, own: int) -> int:
        """How often to go through the model in this step: where processes share its layers, all equally often."""
        return most(own, self.language.device) if self.config.parallel in ("sharded", "expert") else own

    def _accompany(self, row: Row) -> None:
        """Go through the model and back for the sake of the other processes, and learn nothing."""
        hidden_ND, _ = self.language.states([row], [[0]])
        (hidden_ND.sum() * 0.0).backward()

    def _count(self, tokens: int, positions: int) -> None:
        """Forward and backward through frozen weights take two multiply-adds a weight each; no weight gradients."""
        self.progress.computed += tokens
        self.progress.flop += 4.0 * (tokens * self.parameters_body + positions * self.language.head.weight.numel())

    def _pace(self, tokens_per_second: float) -> dict[str, float]:
        """How the last step went, besides losses, and how long the rest will take at the pace so far."""
        state = self.progress
        own = {name: state.curve[-1][name] for name in ("learning_rate", "gradient_norm")}
        left = (self.steps - state.step) * state.seconds / state.step
        return {**own, "tokens_per_second": tokens_per_second, "seconds_left": left}

    def _learning_rate(self, step: int) -> float:
        """Linear warm-up, then a cosine down to a tenth."""
        total, peak = self.steps, self.config.learning_rate
        warmup = max(1, round(self.config.warmup * total))
        if step < warmup:
            return peak * (step + 1) / warmup
        done = (step - warmup) / max(1, total - warmup)
        return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done)))

    def save(self, path: Path) -> None:
        """Write factors, moments and progress as one file, atomically."""
        tensors: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            tensors[name] = parameter.detach()
            for moment in MOMENTS:
                tensors[f"{name}.{moment}"] = self.optimizer.state[parameter][moment]
        with writing(path) as file:
            file.write(save(tensors, metadata={"progress": json.dumps(vars(self.progress))}))

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint if there is one."""
        if not path.is_file():
            return
        with safe_open(path, "pt") as file, torch.no_grad():
            self.progress = Progress(**json.loads(file.metadata()["progress"]))
            for name, parameter in self.parameters.items():
                parameter.copy_(file.get_tensor(name))
                moments = {moment: file.get_tensor(f"{name}.{moment}").to(parameter.device) for moment in MOMENTS}
                self.optimizer.state[parameter] = {"step": torch.tensor(float(self.progress.step)), **moments}

    def report(self) -> dict[str, Any]:
        """Cost and curve of the run, for the card."""
        state = self.progress
        return {
            "steps": state.step,
            "tokens": sum(state.tokens.values()),
            **{f"{name}_tokens": count for name, count in state.tokens.items()},
            "computed_tokens": state.computed,
            "tflop": state.flop / 1e12,
            "seconds": state.seconds,
            "cpu_seconds": state.cpu_seconds,
            "peak_memory_mb": _peak_memory_mb(),
            "parameters": self.parameters_total,
            "parameters_held": held(self.language.model),
            "trainable": sum(p.numel() for p in self.parameters.values()),
            "threads": torch.get_num_threads(),
            "processes": count(),
            "curve": state.curve,
        }

    def _column(self, objective: str) -> str:
        """Name of an objective's loss in the curve; that of the first is the loss."""
        return "loss" if objective == self.objectives[0].name else f"{objective}_loss"


def not_a_number(language: Language, objective: Objective, step: int, row: Row) -> NotANumberError:
    """The error for a batch of an objective whose loss is not finite, named by how one of its rows begins."""
    begins = language.decode(list(row[:NAMED]))
    return NotANumberError(
        f"training.{objective.name}: the loss is not a number at step {step + 1}, in the batch with {begins!r}; lower "
        f"training.{objective.name}.learning_rate and run again."
    )


def _peak_memory_mb() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Let Ctrl-C wait for the end of a step; a second one stops at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def ask(*_: object) -> None:
        if stopped.is_set():
            os._exit(130)
        stopped.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
