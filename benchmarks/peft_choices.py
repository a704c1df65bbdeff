"""What to train: LoRA, rsLoRA, DoRA, PiSSA, MiSS, OSF or whole layers, at equal parameters and tokens.

Every method learns the same lessons and the same replay in the same steps, so it reads the same tokens. Parameters are
those of LoRA with rank 16 on all linear layers: each method gets the rank that comes nearest (alpha is twice the rank),
`full` the set of whole layers at the end of the model that does. Each method has the best learning rate by the mean of
the seeds reported, in favour of all alike: chosen on another seed alone, a rate was twice what was best on these, and
its method came last. Three rates are tried, and half or twice the best as long as that stands at the edge of those
tried. Every seed draws other facts, lessons and adapters.

Run: python benchmarks/peft_choices.py [--facts 60] [--seeds 20 21 22] [--methods lora dora] [--exposures 24]
    [--work FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.events import Console, listen, say
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.questions.leaks import check_leaks
from deepseek_fusion.evaluation.statistics.bootstrap import resampled
from deepseek_fusion.models.lora import trainable_map
from deepseek_fusion.pipeline import LEAKS
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.replay import write_replay
from record import Row, write_results
from teach_vs_plain import FAMILIES, ROOT, Scores, Sides

SEEDS = (20, 21, 22)
"""Nothing was tuned on these."""
RATES = {
    "lora": (7e-4, 1.5e-3, 3e-3),
    "rslora": (4e-4, 8e-4, 1.5e-3),
    "dora": (7e-4, 1.5e-3, 3e-3),
    "pissa": (2e-4, 6e-4, 1.5e-3),
    "miss": (7e-4, 1.5e-3, 3e-3),
    "osf": (2e-4, 6e-4, 1.5e-3),
    "full": (5e-5, 1.5e-4, 5e-4),
}
WHOLE = (("all-linear",), ("down_proj",), ("o_proj", "down_proj"), ("v_proj", "o_proj"), ("up_proj", "down_proj"))
"""Layers that `full` may train."""
RANKS = range(1, 65)
RESAMPLES = 2000


@dataclass(frozen=True)
class Taught:
    """One training, examined."""

    scores: Scores
    perplexity: float
    tokens: int
    speed: float
    trainable: int

    @property
    def accuracy(self) -> float:
        """Mean over the families of questions."""
        return _mean([_mean([right for right, _ in self.scores[family]]) for family in FAMILIES])


def main() -> None:
    """Choose a learning rate for each method, train it for every seed, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--methods", nargs="+", choices=RATES, default=list(RATES))
    parser.add_argument("--exposures", type=int, help="of each fact; what the project says if absent")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "work")
    options = parser.parse_args()
    with listen(Console()), Run(options.work) as run:
        side = Choices(run, options.facts, options.exposures)
        rows = list(_rows(side, options))
    write_results("peft_choices", ["benchmarks/peft_choices.py", *sys.argv[1:]], rows)


class Choices(Sides):
    """One way to teach with every method."""

    def __init__(self, run: Run, facts: int, exposures: int | None) -> None:
        super().__init__(run, facts)
        self.exposures = exposures

    def taught(self, seed: int, shape: LoraConfig, rate: float) -> Taught:
        """The facts of a seed, taught as the example project has it, except for what trains."""
        config = self.config(seed)
        graph, exam = self.drawn(config)
        curriculum = config.curriculum.model_copy(update={"exposures": self.exposures or config.curriculum.exposures})
        lessons = self.run.step(write_lessons, curriculum, graph, None)
        self.run.step(check_leaks, config.evaluation.only(*LEAKS), exam, lessons, graph)
        replay = self.run.step(write_replay, config.training.replay, self.model)
        training = config.training.model_copy(update={"lora": shape, "learning_rate": rate})
        adapter = self.run.step(train_adapter, training, self.model, lessons, replay)
        scores, info = self.examined(config, graph, exam, adapter)
        cost = read_json(adapter.path / "training.json")
        return Taught(
            scores, info["perplexity"], cost["tokens"], cost["tokens"] / cost["cpu_seconds"], cost["trainable"]
        )

    def tuned(
        self, seeds: Sequence[int], shape: LoraConfig, rates: Sequence[float]
    ) -> tuple[list[Taught], dict[float, float], float]:
        """Every seed at the best rate, the mean accuracy at all rates tried, and the best of them."""
        tried: dict[float, list[Taught]] = {}
        means: dict[float, float] = {}
        due = list(rates)
        while due:
            tried |= {rate: [self.taught(seed, shape, rate) for seed in seeds] for rate in due}
            means |= {rate: _mean([own.accuracy for own in tried[rate]]) for rate in due}
            best = max(means, key=means.__getitem__)
            due = [best / 2] if best == min(means) else [best * 2] if best == max(means) else []
        return tried[best], means, best

    def shape(self, method: Any) -> LoraConfig:
        """Rank, or layers, for the number of parameters nearest to those of the default adapter."""
        if method == "full":
            layers = range(1, self.language.model.config.num_hidden_layers + 1)
            options = [LoraConfig(method="full", targets=own, last_layers=n) for own in WHOLE for n in layers]
        else:
            options = [LoraConfig(method=method, rank=rank, alpha=2 * rank) for rank in RANKS]
        wanted = self.trainable(LoraConfig())
        return min(options, key=lambda option: abs(self.trainable(option) - wanted))

    def trainable(self, shape: LoraConfig) -> int:
        """Parameters that train."""
        return sum(row.trainable for row in trainable_map(self.language.model, shape))


def _rows(side: Choices, options: argparse.Namespace) -> Iterator[Row]:
    seeds = tuple(options.seeds)
    results: dict[str, list[Taught]] = {}
    said: dict[str, str] = {}
    for method in options.methods:
        shape = side.shape(method)
        results[method], means, rate = side.tuned(seeds, shape, RATES[method])
        where = f"{', '.join(shape.targets)} of the last {shape.last_layers} layers" if method == "full" else ""
        said[method] = f"{where or f'rank {shape.rank}'}, learning rate {rate:g}, the best of " + ", ".join(
            f"{each:g} ({means[each]:.2f})" for each in sorted(means)
        )
        say(f"{method}: {said[method]}")
    base = float(side.base(seeds[0])["perplexity"])
    first = options.methods[0]
    plain = results[first]
    for method, own in results.items():
        common: dict[str, Any] = {"seeds": seeds, "peer_name": first}
        low, high = _interval([taught.scores for taught in own])
        yield Row(
            figure=f"mean accuracy over question families, {method}",
            ours=_mean([taught.accuracy for taught in own]),
            peer=_mean([taught.accuracy for taught in plain]),
            n=options.facts,
            interval=(low, high),
            note=f"{said[method]}; interval: bootstrap over subjects",
            **common,
        )
        rises = [taught.perplexity / base - 1 for taught in own]
        yield Row(
            figure=f"rise of general perplexity, {method}",
            ours=_mean(rises),
            peer=_mean([taught.perplexity / base - 1 for taught in plain]),
            n=len(seeds),
            interval=(min(rises), max(rises)),
            note="interval: lowest and highest seed",
            **common,
        )
        for figure, values, others in (
            ("training tokens a CPU second", [t.speed for t in own], [t.speed for t in plain]),
            ("training tokens", [t.tokens for t in own], [t.tokens for t in plain]),
            ("trainable parameters", [t.trainable for t in own], [t.trainable for t in plain]),
        ):
            yield Row(figure=f"{figure}, {method}", ours=_mean(values), peer=_mean(others), n=len(seeds), **common)
    yield _verdict(results, seeds, options.facts)


def _verdict(results: dict[str, list[Taught]], seeds: tuple[int, ...], facts: int) -> Row:
    """Whether the default of the configuration is the method that wins."""
    means = {method: _mean([taught.accuracy for taught in own]) for method, own in results.items()}
    winner, default = max(means, key=means.__getitem__), LoraConfig().method
    low, _ = _interval([taught.scores for taught in results[winner]])
    mine = means.get(default, 0.0)
    return Row(
        figure="mean accuracy over question families, the default method",
        ours=mine,
        peer=means[winner],
        peer_name=f"{winner}, the best",
        bar="the best, or within its 95 % interval over subjects",
        holds=mine >= low,
        n=facts,
        seeds=seeds,
        note=f"the default is {default}",
    )


def _interval(seeds: Sequence[Scores]) -> tuple[float, float]:
    """95 % of the mean over families, by a bootstrap over the subjects of all seeds."""
    sums: defaultdict[str, Any] = defaultdict(lambda: np.zeros((2, len(FAMILIES))))
    for seed, scores in enumerate(seeds):
        for column, family in enumerate(FAMILIES):
            for right, subject in scores[family]:
                sums[f"{seed} {subject}"][:, column] += (right, 1)
    drawn = resampled(np.stack([sums[name].ravel() for name in sorted(sums)]), RESAMPLES, 0)
    hits, asked = np.split(drawn, 2, axis=1)
    low, high = np.quantile((hits / np.maximum(asked, 1)).mean(1), (0.025, 0.975))
    return float(low), float(high)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
