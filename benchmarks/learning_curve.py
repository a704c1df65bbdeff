"""Accuracy against exposures and tokens: plain lessons, paraphrases only, and lessons as they are by default.

All three teach the same facts with the same loop and the same LoRA, each fact so many times; every point is a training
of its own. Plain asks one question a fact and has no replay; `paraphrases` asks in many phrasings and nothing else;
`ours` are the lessons of the example project. Accuracy is the mean over the exam's question families that ask for a
fact, on phrasings that no lesson uses. Where two curves cross is read off between two points, on a logarithmic scale
of tokens.

Run: python benchmarks/learning_curve.py [--facts 24] [--exposures 4 12 24 40] [--seeds 0]   (about 20 core-minutes)
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl
from deepseek_fusion.core.config import Config
from deepseek_fusion.core.events import Console, listen, say
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.curriculum.sampler import SHARES
from deepseek_fusion.evaluation.answers.sitting import sit_exam
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.statistics.bootstrap import resampled
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.source import ModelSource, find_model
from deepseek_fusion.teaching import EXAM, SITTING
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.replay import write_replay
from record import Row, write_results

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "examples" / "medical" / "fusion.yaml"
RESAMPLES = 2000
FAMILIES = ("question", "paraphrase", "cloze", "choice", "reversed")
ONLY_QUESTIONS = {f"curriculum.{share}": 0 for share in (*SHARES, "refusals") if share != "questions"}
ARMS: dict[str, dict[str, object]] = {
    "plain": {"curriculum.single_phrasing": "true", "training.replay_share": 0},
    "paraphrases": {**ONLY_QUESTIONS, "curriculum.questions": 1},
    "ours": {},
}


@dataclass(frozen=True)
class Point:
    """One training, examined.

    Attributes:
        answers: family -> (right, subject) of each fact asked.
    """

    answers: dict[str, list[tuple[bool, str]]]
    tokens: int
    tflop: float

    @property
    def accuracy(self) -> float:
        """Mean over the families."""
        return _mean([_mean([right for right, _ in own]) for own in self.answers.values()])


def main() -> None:
    """Train every point of every curve and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=24)
    parser.add_argument("--exposures", type=int, nargs="+", default=(4, 12, 24, 40))
    parser.add_argument("--seeds", type=int, nargs="+", default=(0,))
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "work")
    options = parser.parse_args()
    curves: dict[str, list[list[Point]]] = {}
    with listen(Console()), Run(options.work) as run:
        for arm, settings in ARMS.items():
            for exposures in options.exposures:
                points = [point(run, options.facts, exposures, seed, settings) for seed in options.seeds]
                curves.setdefault(arm, []).append(points)
                say(f"{arm}, {exposures} exposures: {_mean([one.accuracy for one in points]):.3f}")
    rows = [
        row
        for arm, curve in curves.items()
        for exposures, points in zip(options.exposures, curve, strict=True)
        for row in point_rows(f"{arm}, {exposures} exposures", points, tuple(options.seeds), options.facts)
    ]
    rows += [crossing_row(other, curves, tuple(options.seeds)) for other in ARMS if other != "ours"]
    write_results("learning_curve", ["benchmarks/learning_curve.py", *sys.argv[1:]], rows)


def point(run: Run, facts: int, exposures: int, seed: int, settings: dict[str, object]) -> Point:
    """Teach some facts so many times in one way, and examine them."""
    seeds = [f"{section}.seed={seed}" for section in ("knowledge", "curriculum", "training", "evaluation")]
    own = [f"{name}={value}" for name, value in settings.items()]
    config = load_config(PROJECT, [f"knowledge.max_facts={facts}", f"curriculum.exposures={exposures}", *seeds, *own])
    model = find_model(config.model, config.folder, config.precision)
    corpus = run.step(build_corpus, config.corpus, Source((), config.folder))
    graph = make_graph(run, config.knowledge, Source(config.knowledge.sources, config.folder), corpus)
    exam = run.step(write_exam, config.evaluation.only(*EXAM), graph, graph)
    lessons = run.step(write_lessons, config.curriculum, graph, None)
    replay = run.step(write_replay, config.training.replay, model) if config.training.replay_share else None
    adapter = run.step(train_adapter, config.training, model, lessons, replay)
    training = read_json(adapter.path / "training.json")
    return Point(answers(run, config, model, graph, exam, adapter), training["tokens"], training["tflop"])


def answers(
    run: Run, config: Config, model: ModelSource, graph: Artifact, exam: Artifact, adapter: Artifact
) -> dict[str, list[tuple[bool, str]]]:
    """Whether each fact is answered rightly in each family, and its subject."""
    sitting = run.step(sit_exam, config.evaluation.only(*SITTING), model, adapter, exam, None, None)
    truth = Graph.load(graph.path)
    subjects = {truth.fact_id(triple): triple.subject for triple in truth.triples}
    items = {item.id: item for item in read_exam(exam.path)}
    found: dict[str, list[tuple[bool, str]]] = {family: [] for family in FAMILIES}
    for row in read_jsonl(sitting.path / "answers.jsonl"):
        if row["family"] in found:
            asked = items[row["id"]].facts
            found[row["family"]] += [(right, subjects[fact]) for right, fact in zip(row["right"], asked, strict=True)]
    return {family: own for family, own in found.items() if own}


def point_rows(name: str, points: Sequence[Point], seeds: tuple[int, ...], facts: int) -> Iterator[Row]:
    """One point: accuracy, whose interval is a bootstrap over the subjects of all seeds, and the tokens it took."""
    shares = {
        family: _mean([right for one in points for right, _ in one.answers[family]]) for family in points[0].answers
    }
    yield Row(
        figure=f"mean accuracy, {name}",
        ours=_mean([one.accuracy for one in points]),
        n=sum(len(own) for one in points for own in one.answers.values()),
        seeds=seeds,
        interval=interval(points, list(shares)),
        note=", ".join(f"{family} {share:.2f}" for family, share in shares.items()),
    )
    tokens, tflop = _mean([one.tokens for one in points]), _mean([one.tflop for one in points])
    known = shares["question"] * facts
    yield Row(
        figure=f"training tokens, {name}",
        ours=tokens,
        n=len(points),
        seeds=seeds,
        note=f"{tflop:.1f} TFLOP; known by direct questions: {1e6 * known / tokens:.0f} facts a million tokens, "
        f"{known / tflop:.2f} a TFLOP",
    )


def interval(points: Sequence[Point], families: Sequence[str]) -> tuple[float, float]:
    """95 % of the mean over families, with subjects drawn anew."""
    sums: defaultdict[tuple[int, str], np.ndarray] = defaultdict(lambda: np.zeros((len(families), 2)))
    for number, one in enumerate(points):
        for column, family in enumerate(families):
            for right, subject in one.answers[family]:
                sums[number, subject][column] += (right, 1)
    drawn = resampled(np.stack([sums[key].ravel() for key in sorted(sums)]), RESAMPLES, 0).reshape(RESAMPLES, -1, 2)
    means = (drawn[..., 0] / np.maximum(1, drawn[..., 1])).mean(1)
    low, high = np.quantile(means, (0.025, 0.975)).tolist()
    return low, high


def crossing_row(other: str, curves: dict[str, list[list[Point]]], seeds: tuple[int, ...]) -> Row:
    """At how many tokens our lessons become better than others; the first and last budget where they never do or always
    are."""
    ours, peer = (
        [
            (_mean([math.log(one.tokens) for one in points]), _mean([one.accuracy for one in points]))
            for points in curves[arm]
        ]
        for arm in ("ours", other)
    )
    first, last = max(ours[0][0], peer[0][0]), min(ours[-1][0], peer[-1][0])
    grid = [first + (last - first) * i / 400 for i in range(401)]
    ahead = [_at(ours, tokens) > _at(peer, tokens) for tokens in grid]
    behind = max((i for i, better in enumerate(ahead) if not better), default=-1)
    note = {-1: "ahead at every budget that both were measured at", 400: "behind at the largest budget"}.get(behind, "")
    return Row(
        figure=f"training tokens from which our lessons are better than {other}",
        ours=math.exp(grid[min(behind + 1, 400)]),
        seeds=seeds,
        n=len(grid),
        note=note,
    )


def _at(curve: Sequence[tuple[float, float]], tokens: float) -> float:
    """The curve at some logarithm of tokens, straight between its points."""
    for (left, low), (right, high) in pairwise(curve):
        if tokens <= right:
            return low + (high - low) * (tokens - left) / (right - left)
    return curve[-1][1]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
