"""Distillation from cached distributions: what it costs against a live teacher, and what the tail is worth.

Teacher: the model. Student: the same model without every other layer, on which adapters are trained. Rows: texts that
the teacher writes itself; a fifth of them is held out. Distance to the teacher is the full KL(teacher || student) over
the whole vocabulary, on the held-out rows. `live` runs the teacher at every step and compares whole distributions;
`no tail` leaves out what the kept tokens do not hold, as most implementations do. Costs are CPU time of whole epochs in
one process, taken in turns.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_jsonl
from deepseek_fusion.core.config import LoraConfig, ReplayConfig, TrainingConfig
from deepseek_fusion.core.phases import DistilConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.fused import fuse
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import attach_lora, lora_parameters
from deepseek_fusion.models.source import ModelSource, find_model
from deepseek_fusion.training.distil import Distil, Teachings, write_teachings
from deepseek_fusion.training.divergence import Teacher
from deepseek_fusion.training.loop import Loop
from deepseek_fusion.training.replay import write_replay
from deepseek_fusion.training.samples import plan_batches
from record import Row, write_results

SEEDS = (0, 1, 2)
BATCH = 512
CHEAPER = 1.3
"""A teacher of the student's double depth takes two thirds of a student's step that is forward and backward."""


class NoTail(Teachings):
    """The kept probabilities alone, which are made to sum up to 1."""

    def teacher(self, rows: Sequence[int], hard: float = 0.0) -> Teacher:
        """Distributions without a rest."""
        whole = super().teacher(rows, hard)
        return replace(whole, probability_NK=whole.probability_NK / whole.probability_NK.sum(1, keepdim=True))


class Live(Teachings):
    """A teacher that reads the rows again whenever they are needed."""

    guide: Language

    def teacher(self, rows: Sequence[int], hard: float = 0.0) -> Teacher:
        """Whole distributions."""
        read = [self.samples[row].ids[:-1] for row in rows]
        places = [[i - 1 for i in range(1, len(s)) if s.learned[i]] for s in (self.samples[row] for row in rows)]
        with torch.no_grad():
            hidden_ND, _ = self.guide.states(read, places)
            p_NV = self.guide.head(hidden_ND).float().softmax(-1)
        return Teacher(torch.arange(p_NV.shape[1]).expand_as(p_NV), p_NV)


def main() -> None:
    """Measure both questions for every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--keep", type=int, default=64)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    options = parser.parse_args()
    model = find_model(options.model, Path.cwd())
    with Run(options.work) as run:
        rows = _measured(run, model, options)
    write_results("distil", ["benchmarks/distil.py", *sys.argv[1:]], rows)


def _measured(run: Run, model: ModelSource, options: argparse.Namespace) -> list[Row]:
    folder = run.work / "distil-benchmark"
    cached, held_out = _teachings(run, model, options, folder)
    teacher = load_language(model, model.torch_dtype)
    seconds: dict[str, list[float]] = {"cached": [], "live": []}
    distances: dict[str, list[float]] = {"tail": [], "no tail": [], "live": [], "hard labels": []}
    before = _apart(_student(model), teacher, held_out)
    for seed in SEEDS:
        live = Live(cached)
        live.guide = teacher
        sides = {
            "tail": (Teachings(cached), 0.0),
            "no tail": (NoTail(cached), 0.0),
            "live": (live, 0.0),
            "hard labels": (Teachings(cached), 1.0),
        }
        for name, (teachings, hard) in sides.items():
            student, spent = _taught(model, teachings, hard, seed, options.epochs)
            distances[name].append(_apart(student, teacher, held_out))
            if name in ("tail", "live"):
                seconds["cached" if name == "tail" else name].append(spent / options.epochs)
            print(f"seed {seed}, {name}: {distances[name][-1]:.4f} nats, {spent / options.epochs:.1f} s an epoch")
    rows = [
        Row.ratio_of(
            "CPU seconds an epoch, live over cached",
            seconds["live"],
            seconds["cached"],
            "the same loop on cached distributions",
            CHEAPER,
            SEEDS,
            options.texts,
        )
    ]
    for peer in ("no tail", "hard labels", "live"):
        ratios = [a / b for a, b in zip(distances["tail"], distances[peer], strict=True)]
        rows.append(
            Row(
                figure="KL to the teacher on held-out text, cached with its tail",
                ours=_mean(distances["tail"]),
                peer=_mean(distances[peer]),
                peer_name=peer,
                ratio=_mean(distances["tail"]) / _mean(distances[peer]),
                bar="<= 1.05" if peer == "live" else "< 1",
                holds=max(ratios) <= 1.05 if peer == "live" else max(ratios) < 1,
                n=len(held_out),
                seeds=SEEDS,
                interval=(min(ratios), max(ratios)),
                note=f"nats a token; before training {before:.3f}; interval: ratio of the lowest and the highest seed",
            )
        )
    return rows


def _teachings(run: Run, model: ModelSource, options: argparse.Namespace, folder: Path) -> tuple[Path, list[list[int]]]:
    """The cached rows and the ids of those held out."""
    language = load_language(model, model.torch_dtype)
    section = ReplayConfig(texts=options.texts, max_tokens=options.length)
    made = run.step(write_replay, section, model)
    texts = [language.decode(language.encode(row["text"])) for row in read_jsonl(made.path / "replay.jsonl")]
    held_out = texts[::5]
    folder.mkdir(exist_ok=True)
    rows = [
        {"kind": "document", "prompt": None, "parts": [[text, True]], "facts": []}
        for text in texts
        if text not in held_out
    ]
    write_jsonl(folder / "lessons.jsonl", rows)
    Graph((), "entry", {}).save(folder)
    distil = DistilConfig(teacher=options.model, keep=options.keep)
    files = Artifact(folder, made.key, "lessons"), Artifact(folder, made.key, "graph")
    cached = run.step(write_teachings, distil, model, model, *files)
    return cached.path, [[*language.text_start(), *language.encode(text)] for text in held_out]


def _student(model: ModelSource) -> Language:
    """The model without every other layer."""
    language = load_language(model, model.torch_dtype)
    decoder = language.model.get_decoder()
    decoder.layers = torch.nn.ModuleList(layer for number, layer in enumerate(decoder.layers) if number % 2 == 0)
    for number, layer in enumerate(decoder.layers):
        layer.self_attn.layer_idx = number
    language.model.config.num_hidden_layers = len(decoder.layers)
    return language


def _taught(model: ModelSource, teachings: Teachings, hard: float, seed: int, epochs: int) -> tuple[Language, float]:
    """A student after some epochs, and the CPU seconds that they took."""
    student = _student(model)
    section = TrainingConfig(lora=LoraConfig(rank=16), learning_rate=1e-3, seed=seed)
    order = teachings.order * epochs
    batches = [
        [order[i] for i in batch] for batch in plan_batches([len(teachings.samples[i]) for i in order], BATCH, seed)
    ]
    attach_lora(student.model, section.lora, seed)
    fuse(student.model)
    loop = Loop(
        student, section, [Distil(student, teachings, batches, hard)], lora_parameters(student.model), len(batches)
    )
    student.model.train()
    clock = time.process_time()
    for _ in batches:
        loop.step()
    student.model.eval()
    return student, time.process_time() - clock


@torch.no_grad()
def _apart(student: Language, teacher: Language, rows: Sequence[list[int]]) -> float:
    """Mean KL(teacher || student) over the whole vocabulary, nats a token."""
    total, count = 0.0, 0
    for row in rows:
        p, q = (_log_probabilities(model, row) for model in (teacher, student))
        total, count = total + (p.exp() * (p - q)).sum().item(), count + len(p)
    return total / count


def _log_probabilities(model: Language, row: list[int]) -> Tensor:
    hidden = model.hidden(torch.tensor([row], device=model.device))[0]
    log_p: Tensor = model.head(hidden).float().log_softmax(-1)
    return log_p


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
