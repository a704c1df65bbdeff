"""Distillation from cached distributions: what it costs against a live teacher, and what the tail is worth.

Teacher: the model. Student: the same model without every n-th layer, on which adapters are trained. Rows: texts that
the teacher writes itself; a fifth of them is held out. Distance to the teacher is the full KL(teacher || student) over
the whole vocabulary, on the held-out rows. `no tail` leaves out what the kept tokens do not hold and makes them sum up
to 1, as many implementations do; `whole` compares with all tokens of the vocabulary, which cannot be cached. `live`
runs the teacher at every step and keeps as many tokens as the cache. Costs are CPU time of whole epochs in one process,
taken in turns; writing the cache, which is done once, has its own row.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_jsonl
from deepseek_fusion.core.config import ReplayConfig, TrainingConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.core.settings.phases import DistilConfig
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
CHEAPER = 1.5
"""Forward alone is half of a step on adapters, so a teacher of the student's size should add half of a step."""


class NoTail(Teachings):
    """The kept probabilities alone, which are made to sum up to 1."""

    def teacher(self, rows: Sequence[int], hard: float = 0.0) -> Teacher:
        """Distributions without a rest."""
        whole = super().teacher(rows, hard)
        return replace(whole, probability_NK=whole.probability_NK / whole.probability_NK.sum(1, keepdim=True))


class Live(Teachings):
    """A teacher that reads the rows again whenever they are needed."""

    def __init__(self, folder: Path, guide: Language, keep: int) -> None:
        super().__init__(folder)
        self.guide, self.keep = guide, keep

    @torch.no_grad()
    def teacher(self, rows: Sequence[int], hard: float = 0.0) -> Teacher:
        """Its likeliest tokens."""
        samples = [self.samples[row] for row in rows]
        places = [[i - 1 for i in range(1, len(sample)) if sample.learned[i]] for sample in samples]
        hidden_ND, _ = self.guide.states([sample.ids[:-1] for sample in samples], places)
        return Teacher.of_logits(self.guide.head(hidden_ND), self.keep)


def main() -> None:
    """Measure both questions for every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--keep", type=int, default=64)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--drop", type=int, default=5, help="the student lacks every n-th layer")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    options = parser.parse_args()
    model = find_model(options.model, Path.cwd())
    with Run(options.work) as run:
        rows = _measured(run, model, options)
    write_results("distil", ["benchmarks/distil.py", *sys.argv[1:]], rows)


def _measured(run: Run, model: ModelSource, options: argparse.Namespace) -> list[Row]:
    cached, held_out, writing = _teachings(run, model, options)
    teacher = load_language(model, model.torch_dtype)
    vocabulary = teacher.head.weight.shape[0]
    before = _apart(_student(model, options.drop), teacher, held_out)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    distances: defaultdict[str, list[float]] = defaultdict(list)
    for seed in SEEDS:
        sides: dict[str, tuple[Teachings, float]] = {
            "tail": (Teachings(cached), 0.0),
            "live": (Live(cached, teacher, options.keep), 0.0),
            "no tail": (NoTail(cached), 0.0),
            "hard labels": (Teachings(cached), 1.0),
            "whole": (Live(cached, teacher, vocabulary), 0.0),
        }
        for name, (teachings, hard) in sides.items():
            student, spent = _taught(model, teachings, hard, seed, options)
            distances[name].append(_apart(student, teacher, held_out))
            seconds[name].append(spent / options.epochs)
            print(
                f"seed {seed}, {name}: {distances[name][-1]:.4f} nats, {seconds[name][-1]:.1f} s an epoch", flush=True
            )
    rows = [
        Row.ratio_of(
            "CPU seconds an epoch, live teacher over cached",
            seconds["live"],
            seconds["tail"],
            "the same loop on cached distributions",
            CHEAPER,
            SEEDS,
            options.texts,
        ),
        Row("CPU seconds to write the cache, once", writing, n=options.texts, note="rows read by the teacher included"),
    ]
    for peer, bar in (("no tail", 1.0), ("hard labels", 1.0), ("live", 1.05), ("whole", 1.05)):
        ratios = [a / b for a, b in zip(distances["tail"], distances[peer], strict=True)]
        rows.append(
            Row(
                figure=f"KL to the teacher on held-out text, cached with its tail against {peer}",
                ours=_mean(distances["tail"]),
                peer=_mean(distances[peer]),
                peer_name=peer,
                ratio=_mean(distances["tail"]) / _mean(distances[peer]),
                bar=f"<= {bar}",
                holds=max(ratios) <= bar,
                n=len(held_out),
                seeds=SEEDS,
                interval=(min(ratios), max(ratios)),
                note=f"nats a token; before training {before:.3f}; interval: lowest and highest ratio of a seed",
            )
        )
    return rows


def _teachings(run: Run, model: ModelSource, options: argparse.Namespace) -> tuple[Path, list[list[int]], float]:
    """The cached rows, the ids of those held out, and the CPU seconds of caching."""
    language = load_language(model, model.torch_dtype)
    section = ReplayConfig(texts=options.texts, max_tokens=options.length)
    made = run.step(write_replay, section, model)
    texts = [language.decode(language.encode(row["text"])) for row in read_jsonl(made.path / "replay.jsonl")]
    held_out = texts[::5]
    folder = run.work / "distil-benchmark" / made.key
    folder.mkdir(parents=True, exist_ok=True)
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
    ids = [[*language.text_start(), *language.encode(text)] for text in held_out]
    return cached.path, ids, float(cached.manifest()["cpu_seconds"])


def _student(model: ModelSource, drop: int) -> Language:
    """The model without every n-th layer."""
    language = load_language(model, model.torch_dtype)
    decoder = language.model.get_decoder()
    decoder.layers = torch.nn.ModuleList(layer for number, layer in enumerate(decoder.layers) if (number + 1) % drop)
    for number, layer in enumerate(decoder.layers):
        layer.self_attn.layer_idx = number
    language.model.config.num_hidden_layers = len(decoder.layers)
    return language


def _taught(
    model: ModelSource, teachings: Teachings, hard: float, seed: int, options: argparse.Namespace
) -> tuple[Language, float]:
    """A student after some epochs, and the CPU seconds that they took."""
    student = _student(model, options.drop)
    section = TrainingConfig(lora=LoraConfig(rank=16), learning_rate=1e-3, seed=seed)
    order = teachings.order * options.epochs
    lengths = [len(teachings.samples[i]) for i in order]
    batches = [[order[i] for i in batch] for batch in plan_batches(lengths, options.batch, seed)]
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
