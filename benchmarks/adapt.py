"""Domain-adaptive pretraining on clinical notes: how much likelier the notes of new patients become, and what it costs.

The notes are those of examples/medical (a simulator's, so alike in form; a real hospital's fall less). For each seed
other patients are held out whole, a fifth of them; the rest is read about once in phase `adapt`, otherwise as it is
configured by default.

Run: python examples/medical/make_data.py && python benchmarks/adapt.py [--seeds 0 1 2] [--work FOLDER]
(about 10 core-minutes a seed; `--set training.adapt.learning_rate=3e-4` and so on for another configuration)
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import Config
from deepseek_fusion.core.events import Console, listen, say
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.corpus.readers.files import read_documents
from deepseek_fusion.evaluation.answers.answering import surprises
from deepseek_fusion.evaluation.answers.general import packaged_text, read_general_text
from deepseek_fusion.evaluation.answers.sitting import load_taught
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.source import find_model
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.replay import write_replay
from record import Row, write_results

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "examples" / "medical" / "fusion.yaml"
SEEDS = (0, 1, 2)
TOKENS = 36_000
HELD_OUT = 0.2
GENERAL_TOKENS = 8192
DOMAIN_TOKENS = 8192
FALL, RISE = 0.30, 0.03
RESAMPLES = 2000

Losses = list[tuple[float, int]]
"""For each text, the sum of the negative log-likelihood in nats, and tokens."""


@dataclass(frozen=True)
class Measured:
    """Both kinds of text under the base and under the adapter of one seed."""

    domain: tuple[Losses, Losses]
    general: tuple[Losses, Losses]
    cpu_seconds: float
    tokens: int


def main() -> None:
    """Train and measure each seed, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--notes", type=Path, default=PROJECT.parent / "data" / "ehr")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "work")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.FIELD=VALUE")
    options = parser.parse_args()
    with listen(Console()), Run(options.work) as run:
        seeds = []
        for seed in options.seeds:
            chosen = ["training.phases=[adapt]", f"training.adapt.tokens={TOKENS}", f"training.seed={seed}"]
            config = load_config(PROJECT, [*chosen, *options.overrides])
            seeds.append(measure(run, config, options.notes, seed))
            say(
                f"seed {seed}: domain {change(seeds[-1:], 'domain'):+.1%}, general {change(seeds[-1:], 'general'):+.1%}"
            )
    rows = [
        row("fall of perplexity, notes of new patients", seeds, "domain", tuple(options.seeds)),
        row("rise of perplexity, general text", seeds, "general", tuple(options.seeds)),
        cost(seeds, tuple(options.seeds)),
    ]
    write_results("adapt", ["benchmarks/adapt.py", *sys.argv[1:]], rows)


def measure(run: Run, config: Config, notes: Path, seed: int) -> Measured:
    """One seed: other patients held out, another adapter."""
    taught, held_out = split(notes, seed, run.work / "notes" / str(seed))
    model = find_model(config.model, config.folder, config.precision)
    section = config.training.of_phase(0)
    corpus = run.step(build_corpus, config.corpus, Source((".",), taught))
    replay = run.step(write_replay, config.training.replay, model) if section.replay_share else None
    adapter = run.step(train_adapter, section, model, None, replay, None, corpus)
    report = read_json(adapter.path / "training.json")
    texts = [text for file in held_out for text in texts_of(file)]
    general = read_general_text(Path(packaged_text()))
    sides = [
        (losses(language, texts, DOMAIN_TOKENS), losses(language, general, GENERAL_TOKENS))
        for language in (load_language(model, model.torch_dtype), adapted(config, adapter))
    ]
    (domain_before, general_before), (domain_now, general_now) = sides
    return Measured((domain_before, domain_now), (general_before, general_now), report["cpu_seconds"], report["tokens"])


def adapted(config: Config, adapter: Artifact) -> Language:
    """The model with an adapter merged in."""
    return load_taught(find_model(config.model, config.folder, config.precision), adapter)


def split(notes: Path, seed: int, place: Path) -> tuple[Path, list[Path]]:
    """A folder with the notes of most patients, and the files of the others."""
    files = sorted(notes.iterdir())
    patients = sorted({patient_of(file) for file in files})
    chosen = set(random.Random(seed).sample(patients, round(HELD_OUT * len(patients))))
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for file in files:
        if patient_of(file) not in chosen:
            shutil.copy(file, place)
    return place, [file for file in files if patient_of(file) in chosen]


def patient_of(file: Path) -> str:
    """POP-000104 of POP-000104-926328746204.md."""
    return file.stem.rpartition("-")[0]


def texts_of(file: Path) -> list[str]:
    """The documents of a file as the corpus reads them."""
    return [text for item in read_documents(file, file.name) if (text := getattr(item, "text", ""))]


def losses(language: Language, texts: Sequence[str], tokens: int) -> Losses:
    """Each text by itself, until so many tokens are read."""
    found: Losses = []
    for text in texts:
        if tokens <= 0:
            break
        windows = surprises(language, [text], tokens)
        found.append((sum(loss for loss, _ in windows), sum(count for _, count in windows)))
        tokens -= found[-1][1]
    return found


def change(seeds: Sequence[Measured], kind: str) -> float:
    """Relative change of perplexity over all texts of all seeds: tokens weigh alike."""
    before, now = ([pair for seed in seeds for pair in getattr(seed, kind)[side]] for side in (0, 1))
    return resampled_change(before, now, range(len(before)))


def resampled_change(before: Losses, now: Losses, chosen: Sequence[int]) -> float:
    """The same over some of the texts."""
    tokens = sum(before[i][1] for i in chosen)
    return math.exp(sum(now[i][0] - before[i][0] for i in chosen) / tokens) - 1


def row(figure: str, seeds: Sequence[Measured], kind: str, names: tuple[int, ...]) -> Row:
    """A change against its bar; the interval resamples texts within each seed."""
    before, now = ([pair for seed in seeds for pair in getattr(seed, kind)[side]] for side in (0, 1))
    rng = random.Random(0)
    values = sorted(
        resampled_change(before, now, rng.choices(range(len(before)), k=len(before))) for _ in range(RESAMPLES)
    )
    low, high = values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES) - 1]
    value = change(seeds, kind)
    sign, bar, holds = (-1, f">= {FALL}", -value >= FALL) if kind == "domain" else (1, f"<= {RISE}", value <= RISE)
    single = ", ".join(f"{sign * change([seed], kind):.3f}" for seed in seeds)
    perplexities = [math.exp(sum(loss for loss, _ in side) / sum(n for _, n in side)) for side in (before, now)]
    return Row(
        figure=figure,
        ours=sign * value,
        bar=bar,
        holds=holds,
        n=sum(count for _, count in before),
        seeds=names,
        interval=(min(sign * low, sign * high), max(sign * low, sign * high)),
        note=f"{perplexities[0]:.2f} to {perplexities[1]:.2f}; by seed {single}; interval: bootstrap over texts",
    )


def cost(seeds: Sequence[Measured], names: tuple[int, ...]) -> Row:
    """What a seed took."""
    spent = [seed.cpu_seconds for seed in seeds]
    return Row(
        figure="core-seconds of training a seed",
        ours=sum(spent) / len(spent),
        n=round(sum(seed.tokens for seed in seeds) / len(seeds)),
        seeds=names,
        interval=(min(spent), max(spent)),
        note="n: training tokens, replay included; interval: lowest and highest seed",
    )


if __name__ == "__main__":
    main()
