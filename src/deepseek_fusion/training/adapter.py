"""The training loop: lessons and replay in, an adapter out, exact to the bit after any interruption."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from deepseek_fusion.core.artifacts import Artifact, write_json, writing
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import attach_lora, lora_parameters, save_adapter
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.lessons import read_samples
from deepseek_fusion.training.objective import Teacher, divergence
from deepseek_fusion.training.replay import Replay, read_replay
from deepseek_fusion.training.samples import Sample, batch_tokens_for, check_lengths, pad, plan_batches

BETAS = (0.9, 0.99)
CLIP = 1.0
FLOOR = 0.1
"""Share of the peak learning rate that is left at the end of the cosine."""
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class Progress:
    """What a checkpoint knows besides tensors."""

    step: int = 0
    lesson_tokens: int = 0
    replay_tokens: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    flop: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)


@stage("adapter", version=1, resumable=True)
def train_adapter(
    out: Path, section: TrainingConfig, model: ModelSource, lessons: Artifact, replay: Artifact | None
) -> None:
    """Train LoRA on the lessons; write `adapter/` in PEFT's format and `training.json`.

    Raises:
        FusionError: a lesson is too long, or the loss is not a number.
    """
    language = load_language(model, model.torch_dtype)
    samples = read_samples(lessons, language)
    check_lengths(samples, section.max_length)
    trainer = Trainer(language, section, samples, read_replay(replay) if replay is not None else None)
    trainer.resume(out / "checkpoint.safetensors")
    trainer.run(out / "checkpoint.safetensors")
    save_adapter(language.model, section.lora, model.path, out / "adapter", section.adapter_scale)
    write_json(out / "training.json", trainer.report())
    for left in out.glob("*checkpoint.safetensors*"):  # the last one, and what a kill in mid-write left
        left.unlink()


class Trainer:
    """One training run. Everything that happens at step n follows from the inputs and n alone."""

    def __init__(
        self, language: Language, config: TrainingConfig, samples: list[Sample], replay: Replay | None
    ) -> None:
        self.language, self.config, self.samples, self.replay = language, config, samples, replay
        self.parameters_total = sum(p.numel() for p in language.model.parameters())
        tables = {id(module.weight) for module in (language.head, language.model.get_input_embeddings())}
        self.parameters_body = sum(p.numel() for p in language.model.parameters() if id(p) not in tables)
        lengths = [len(sample) for sample in samples]
        self.batch_tokens = config.batch_tokens or batch_tokens_for(sum(lengths))
        self.batches = plan_batches(lengths, self.batch_tokens, config.seed)
        attach_lora(language.model, config.lora, config.seed)
        self.parameters = lora_parameters(language.model)
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=config.learning_rate, betas=BETAS, weight_decay=0.0, fused=True
        )
        self.progress = Progress()

    def run(self, checkpoint: Path) -> None:
        """Take every step that is left, with a checkpoint now and then."""
        saved = time.monotonic()
        self.language.model.train()
        with track("teaching", len(self.batches), self.progress.step) as bar, _interruptible() as stopped:
            while self.progress.step < len(self.batches):
                clock, cpu = time.monotonic(), time.process_time()
                loss, anchor, tokens = self.step()
                self.progress.seconds += time.monotonic() - clock
                self.progress.cpu_seconds += time.process_time() - cpu
                bar.advance(1, loss=loss, replay_loss=anchor, tokens_per_second=tokens / (time.monotonic() - clock))
                if stopped.is_set() or time.monotonic() - saved >= self.config.checkpoint_seconds:
                    self.save(checkpoint)
                    saved = time.monotonic()
                if stopped.is_set():
                    raise KeyboardInterrupt
        self.language.model.eval()

    def step(self) -> tuple[float, float, int]:
        """One update.

        Returns:
            lesson loss and replay loss (nats a token), tokens.

        Raises:
            FusionError: the loss is not a number.
        """
        state = self.progress
        rate = self._learning_rate(state.step)
        loss, lesson_tokens = self._learn([self.samples[i] for i in self.batches[state.step]])
        anchor, replay_tokens = self._remember()
        if not math.isfinite(loss + anchor):
            raise FusionError(
                f"training: the loss is not a number at step {state.step + 1}; lower training.learning_rate "
                f"(it is {self.config.learning_rate:g}) and run again."
            )
        nn.utils.clip_grad_norm_(self.parameters.values(), CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        state.step += 1
        state.lesson_tokens += lesson_tokens
        state.replay_tokens += replay_tokens
        state.curve.append(
            {
                "step": state.step,
                "tokens": state.lesson_tokens + state.replay_tokens,
                "loss": round(loss, 5),
                "replay_loss": round(anchor, 5),
                "learning_rate": rate,
            }
        )
        return loss, anchor, lesson_tokens + replay_tokens

    def _learn(self, samples: list[Sample]) -> tuple[float, int]:
        """Mean cross entropy over the learned tokens of one batch, with its gradient added."""
        batch = pad(samples, self.language.end_of_turn, self.language.device)
        if not len(batch.targets_N):
            return 0.0, 0
        hidden_ND = self.language.hidden(batch.ids_BL)[batch.rows_N, batch.columns_N]
        loss = divergence(hidden_ND, self.language.head.weight, Teacher.certain(batch.targets_N)) / len(hidden_ND)
        loss.backward()
        self._count(batch.tokens, len(hidden_ND))
        return loss.item(), batch.tokens

    def _remember(self) -> tuple[float, int]:
        """Mean KL from the base over replay positions, with its gradient added, when the replay share is due."""
        state, config = self.progress, self.config
        if self.replay is None or not config.replay_weight:
            return 0.0, 0
        length = self.replay.ids_TL.shape[1]
        due = config.replay_share / (1 - config.replay_share) * (state.lesson_tokens + self.batch_tokens)
        count = int((due - state.replay_tokens) // length)
        if count < 1:
            return 0.0, 0
        rows = self._replay_rows(state.replay_tokens // length, count)
        hidden = self.language.hidden(self.replay.ids_TL[rows].to(self.language.device))[:, :-1].flatten(0, 1)
        loss = divergence(hidden, self.language.head.weight, self.replay.teacher(rows)) / len(hidden)
        (config.replay_weight * loss).backward()
        self._count(count * length, len(hidden))
        return loss.item(), count * length

    def _replay_rows(self, start: int, count: int) -> Tensor:
        """Rows start .. start + count of an endless sequence of shuffled rounds through the texts."""
        assert self.replay is not None
        texts = len(self.replay.ids_TL)
        rounds = {
            number: torch.randperm(texts, generator=torch.Generator().manual_seed(self.config.seed + number))
            for number in range(start // texts, (start + count - 1) // texts + 1)
        }
        return torch.stack([rounds[i // texts][i % texts] for i in range(start, start + count)])

    def _count(self, tokens: int, positions: int) -> None:
        """Forward and backward through frozen weights take two multiply-adds a weight each; no weight gradients."""
        self.progress.flop += 4.0 * (tokens * self.parameters_body + positions * self.language.head.weight.numel())

    def _learning_rate(self, step: int) -> float:
        """Linear warm-up, then a cosine down to a tenth."""
        total, peak = len(self.batches), self.config.learning_rate
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
            "tokens": state.lesson_tokens + state.replay_tokens,
            "lesson_tokens": state.lesson_tokens,
            "replay_tokens": state.replay_tokens,
            "tflop": state.flop / 1e12,
            "seconds": state.seconds,
            "cpu_seconds": state.cpu_seconds,
            "peak_memory_mb": _peak_memory_mb(),
            "parameters": self.parameters_total,
            "trainable": sum(p.numel() for p in self.parameters.values()),
            "batch_tokens": self.batch_tokens,
            "threads": torch.get_num_threads(),
            "curve": state.curve,
        }


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
