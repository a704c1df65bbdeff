"""Our lessons against a tuned plain LoRA fine-tune, at equal training tokens.

Both sides use the same base, the same engine, the same LoRA (rank 16, all linear layers) and the same facts. Plain is
what a first fine-tune looks like: one question a fact, asked in every epoch, no replay, at the best of three learning
rates (by the mean over families, on the exam itself, in its favour). Three seeds draw other facts, other lessons and
other adapters.

Run: python benchmarks/teach_vs_plain.py [--work FOLDER]   (about 90 core-minutes with bfloat16)
     python benchmarks/teach_vs_plain.py --facts 2000 --seeds 10 --rates 1e-3   (all 1,880 facts, once; hours)
     python benchmarks/teach_vs_plain.py --seeds 5 6 7 --try curriculum.exposures=32   (our side alone, to choose by:
     prints its figures and writes none; two trainings that hardly differ lie ten points apart, so take three seeds)
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl
from deepseek_fusion.core.config import Config
from deepseek_fusion.core.events import Console, listen, say
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.answers.general import packaged_text
from deepseek_fusion.evaluation.answers.sitting import sit_exam
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.questions.leaks import check_leaks
from deepseek_fusion.evaluation.statistics.rates import rate as rate_of
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import load_language
from deepseek_fusion.models.source import ModelSource, find_model
from deepseek_fusion.pipeline import LEAKS
from deepseek_fusion.teaching import EXAM, SITTING
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.lessons import read_samples
from deepseek_fusion.training.replay import write_replay
from record import Row, write_results

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "examples" / "medical" / "fusion.yaml"
USUAL = 200
"""Facts, when nothing is said; the results of another number have a file of their own."""
SEEDS = (10, 11, 12)
"""Nothing was tuned on these; the defaults were tuned on 0 to 6."""
PLAIN_RATES = (3e-4, 1e-3, 2e-3)
REFUSALS = 100
"""Questions on invented names: more than an exam has by itself, as 40 swing by ten points from seed to seed."""
BARS = {"question": 0.9, "cloze": 0.7, "choice": 0.97, "reversed": 0.9, "refusal": 0.9}
"""Families that must reach a share and be no worse than plain, which may lie in our 95 % interval over subjects; the
exam's others have rows without a bar."""
FAMILIES = tuple(BARS)
WHOLE = "choice by whole likelihood"
"""The same items by the likelihood of a whole option, lm-evaluation-harness's `acc`, where the exam takes the mean over
its tokens, which favours long names."""
OTHERS = (
    WHOLE,
    "paraphrase",
    "multihop",
    "negation",
    "numerals",
    "refusal, unknown subject",
    "refusal, unknown object",
)
BAR = 1.5
PERPLEXITY_BAR = 0.1
GENERAL_BAR = 0.8
DECLINED_BAR = 0.05
Scores = dict[str, list[tuple[bool, str]]]
"""For each family, whether each answer is right, and the subject that it is about."""


def main() -> None:
    """Train both sides for every seed and write the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=USUAL)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument(
        "--rates", type=float, nargs="+", default=PLAIN_RATES, help="learning rates of plain to choose from"
    )
    parser.add_argument("--try", nargs="*", dest="tried", metavar="FIELD=VALUE", help="settings to try, or none")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "work")
    options = parser.parse_args()
    seeds = tuple(options.seeds)
    with listen(Console()), Run(options.work) as run:
        side = Sides(run, options.facts, options.tried or ())
        if options.tried is not None:
            _show([side.ours(seed) for seed in seeds], seeds)
            return
        best = max(options.rates, key=lambda rate: _average(side.plain(seeds[0], rate)[0]))
        say(f"plain is best at learning rate {best:g}")
        ours = [side.ours(seed) for seed in seeds]
        plain = [side.plain(seed, best) for seed in seeds]
        base = side.base(seeds[0])
    rows = _rows(ours, plain, base, best, seeds)
    name = "teach_vs_plain" if options.facts == USUAL else f"teach_vs_plain_{options.facts}"
    write_results(name, ["benchmarks/teach_vs_plain.py", *sys.argv[1:]], rows)


class Sides:
    """The two ways to teach, on the facts of a seed, with some settings other than the example's."""

    def __init__(self, run: Run, facts: int, settings: Sequence[str] = ()) -> None:
        self.run, self.facts, self.settings = run, facts, settings
        config = load_config(PROJECT)
        self.model: ModelSource = find_model(config.model, config.folder, config.precision)
        self.language = load_language(self.model)
        self.general = Source((str(packaged_text()),), config.folder)

    def ours(self, seed: int) -> tuple[Scores, dict[str, Any]]:
        """Lessons as the example project has them."""
        config = self.config(seed)
        return self.examined(config, *self.drawn(config), self.our_adapter(seed))

    def our_adapter(self, seed: int) -> Artifact:
        """What our lessons teach."""
        config = self.config(seed)
        graph, exam = self.drawn(config)
        lessons = self.run.step(write_lessons, config.curriculum, graph, None)
        self.run.step(check_leaks, config.evaluation.only(*LEAKS), exam, lessons, graph)
        replay = self.run.step(write_replay, config.training.replay, self.model)
        return self.run.step(train_adapter, config.training, self.model, lessons, replay)

    def plain(self, seed: int, rate: float) -> tuple[Scores, dict[str, Any]]:
        """One phrasing a fact, for as many whole epochs as use up at least the tokens that ours used."""
        config = self.config(seed)
        graph, exam = self.drawn(config)
        budget = _tokens(self.our_adapter(seed))
        one_epoch = self._plain_lessons(config, graph, 1)
        training = config.training.model_copy(update={"learning_rate": rate, "replay_share": 0.0})
        tokens = sum(map(len, read_samples(one_epoch, self.language)))
        lessons = self._plain_lessons(config, graph, math.ceil(budget / tokens))
        adapter = self.run.step(train_adapter, training, self.model, lessons, None)
        return self.examined(config, graph, exam, adapter)

    def base(self, seed: int) -> dict[str, Any]:
        """What the model that nobody taught knows in general."""
        config = self.config(seed)
        _, exam = self.drawn(config)
        sitting = self.run.step(sit_exam, config.evaluation.only(*SITTING), self.model, None, exam, self.general, None)
        return _general(sitting)

    def config(self, seed: int) -> Config:
        overrides = [
            f"knowledge.max_facts={self.facts}",
            f"knowledge.seed={seed}",
            f"curriculum.seed={seed}",
            f"training.seed={seed}",
            f"evaluation.seed={seed}",
            f"evaluation.refusals={REFUSALS}",
            *self.settings,
        ]
        return load_config(PROJECT, overrides)

    def drawn(self, config: Config) -> tuple[Artifact, Artifact]:
        corpus = self.run.step(build_corpus, config.corpus, Source((), config.folder))
        graph = make_graph(self.run, config.knowledge, Source(config.knowledge.sources, config.folder), corpus)
        return graph, self.run.step(write_exam, config.evaluation.only(*EXAM), graph, graph)

    def _plain_lessons(self, config: Config, graph: Artifact, epochs: int) -> Artifact:
        section = config.curriculum.model_copy(update={"single_phrasing": True, "exposures": epochs})
        return self.run.step(write_lessons, section, graph, None)

    def examined(
        self, config: Config, graph: Artifact, exam: Artifact, adapter: Artifact
    ) -> tuple[Scores, dict[str, Any]]:
        sitting = self.run.step(
            sit_exam, config.evaluation.only(*SITTING), self.model, adapter, exam, self.general, None
        )
        facts = Graph.load(graph.path)
        subjects = {facts.fact_id(triple): triple.subject for triple in facts.triples}
        items = {item.id: item for item in read_exam(exam.path)}
        scores: Scores = defaultdict(list)
        declined: list[bool] = []
        for row in read_jsonl(sitting.path / "answers.jsonl"):
            if row["family"] == "refusal":
                for family in ("refusal", f"refusal, unknown {row['id'].split('-')[1]}"):
                    scores[family].append((row["declined"], row["id"]))
            if row["family"] == "question":
                declined.append(row["declined"])
            item = items[row["id"]]
            about = [subjects[fact] for fact in item.facts]
            if row["family"] == "choice":
                lengths = [len(self.language.encode(option)) for option in item.options]
                sums = [mean * length for mean, length in zip(row["scores"], lengths, strict=True)]
                scores[WHOLE].append((sums.index(max(sums)) == 0, about[0]))
            scores[row["family"]] += zip(row["right"], about, strict=True)
        return scores, {"tokens": _tokens(adapter), "declined": declined, **_general(sitting)}


def _tokens(adapter: Artifact) -> int:
    return int(read_json(adapter.path / "training.json")["tokens"])


def _general(sitting: Artifact) -> dict[str, Any]:
    """Perplexity of general text, and of each general question whether it was answered rightly."""
    general = read_json(sitting.path / "general.json")
    return {
        "perplexity": general["perplexity"]["value"],
        "questions": [answer["right"] for answer in general["questions"]],
    }


def _show(ours: list[tuple[Scores, dict[str, Any]]], seeds: tuple[int, ...]) -> None:
    """A line for each seed and one for their means: percent of each family, perplexity, tokens."""
    families = (*FAMILIES, *OTHERS)
    lines = [
        [*(100 * _share(scores[family]) for family in families), info["perplexity"], info["tokens"]]
        for scores, info in ours
    ]
    print("seed", *families, "perplexity", "tokens", sep="\t")
    for name, line in zip([*seeds, "mean"], [*lines, list(map(_mean, zip(*lines, strict=True)))], strict=True):
        print(name, *(f"{value:.1f}" for value in line), sep="\t")


def _rows(
    ours: list[tuple[Scores, dict[str, Any]]],
    plain: list[tuple[Scores, dict[str, Any]]],
    base: dict[str, Any],
    rate: float,
    seeds: tuple[int, ...],
) -> list[Row]:
    name = f"plain LoRA, rank 16, all linear, learning rate {rate:g}"
    average = [[_average(scores) for scores, _ in side] for side in (ours, plain)]
    facts = sum(len(scores["cloze"]) for scores, _ in ours)  # each is there once
    rows = [Row.ratio_of("mean accuracy over question families", average[0], average[1], name, BAR, seeds, n=facts)]
    for family in (*FAMILIES, *OTHERS):
        pair = [_mean([_share(scores[family]) for scores, _ in side]) for side in (ours, plain)]
        answers = [
            (right, f"{seed} {subject}")
            for seed, (scores, _) in zip(seeds, ours, strict=True)
            for right, subject in scores[family]
        ]
        own = rate_of([right for right, _ in answers], [subject for _, subject in answers], 2000, 0)
        bar = BARS.get(family)
        rows.append(
            Row(
                figure=f"accuracy, {family}",
                ours=pair[0],
                peer=pair[1],
                peer_name=name,
                bar=f">= {bar}; >= plain" if bar else "",
                holds=pair[0] >= bar and pair[1] <= max(pair[0], own["high"]) if bar else None,
                n=len(answers),
                seeds=seeds,
                interval=(own["low"], own["high"]),
            )
        )
    rise = [[info["perplexity"] / base["perplexity"] - 1 for _, info in side] for side in (ours, plain)]
    rows.append(
        Row(
            figure="rise of general perplexity",
            ours=_mean(rise[0]),
            peer=_mean(rise[1]),
            peer_name=name,
            bar=f"<= {PERPLEXITY_BAR}",
            holds=_mean(rise[0]) <= PERPLEXITY_BAR,
            n=len(seeds),
            seeds=seeds,
            interval=(min(rise[0]), max(rise[0])),
            note="interval: lowest and highest seed",
        )
    )
    kept = [
        [right for _, info in side for known, right in zip(base["questions"], info["questions"], strict=True) if known]
        for side in (ours, plain)
    ]
    declined = [[told for _, info in side for told in info["declined"]] for side in (ours, plain)]
    for figure, told, most in (
        ("direct questions with an answer, declined", declined, DECLINED_BAR),
        ("general questions answered before, still right", kept, None),
    ):
        share, theirs = map(_mean, told)
        rows.append(
            Row(
                figure=figure,
                ours=share,
                peer=theirs,
                peer_name=name,
                bar=f"<= {most}" if most else f">= {GENERAL_BAR}",
                holds=share <= most if most else share >= GENERAL_BAR,
                n=len(told[0]),
                seeds=seeds,
            )
        )
    tokens = [_mean([info["tokens"] for _, info in side]) for side in (ours, plain)]
    rows.append(
        Row(figure="training tokens", ours=tokens[0], peer=tokens[1], peer_name=name, n=len(seeds), seeds=seeds)
    )
    return rows


def _average(scores: Scores) -> float:
    return _mean([_share(scores[family]) for family in FAMILIES])


def _share(scores: list[tuple[bool, str]]) -> float:
    return _mean([right for right, _ in scores])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
