"""What reinforcement adds to the lessons: the same facts examined before and after, three seeds.

The adapters that `teach_vs_plain.py` calls ours are taken on by phase `reinforce` with its defaults: 100 steps of GRPO
on those questions of the lessons that the model is not sure of, verified by the graph. Exam and seeds are those of that
benchmark; no setting of the phase was chosen on them.

Most of the phase is writing. So the answers to one step's questions are also written by `generate` of transformers, in
turn with ours: same adapter, questions, number of answers and limit, drawn from the same distribution.

Run: python benchmarks/reinforce.py [--work FOLDER]   (about 55 core-minutes; 20 after teach_vs_plain.py)
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, median
from time import process_time
from typing import Any

import torch

from deepseek_fusion.core.artifacts import read_json, read_jsonl
from deepseek_fusion.core.events import Console, listen
from deepseek_fusion.core.run import Run
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.statistics.paired import paired_difference
from deepseek_fusion.evaluation.statistics.rates import rate
from deepseek_fusion.knowledge.asking.questions import verifiable
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import begin_lora
from deepseek_fusion.models.writing import write_answers
from deepseek_fusion.training.reinforce import KINDS, reinforce
from record import Row, write_results
from teach_vs_plain import FAMILIES, OTHERS, ROOT, SEEDS, USUAL, Scores, Sides

ROUNDS = 8
"""Steps whose answers are written by both sides."""


class Reinforced(Sides):
    """Our side, taken on."""

    def reinforced(self, seed: int) -> tuple[Scores, dict[str, Any]]:
        """After the phase, with what it cost."""
        config = self.config(seed)
        graph, exam = self.drawn(config)
        lessons = self.run.step(write_lessons, config.curriculum, graph, None)
        section = config.training.model_copy(update={"phases": ("reinforce",)})
        adapter = self.run.step(reinforce, section, self.model, lessons, graph, None, self.our_adapter(seed))
        scores, info = self.examined(config, graph, exam, adapter)
        return scores, info | {"phase": read_json(adapter.path / "training.json")}

    def writing(self, seed: int) -> Row:
        """Core-seconds for the answers to the questions of one step, before the phase."""
        config = self.config(seed)
        section = config.training.reinforce
        graph, _ = self.drawn(config)
        lessons = self.run.step(write_lessons, config.curriculum, graph, None)
        questions = verifiable(read_jsonl(lessons.path / "lessons.jsonl"), Graph.load(graph.path), KINDS)
        drawn = random.Random(seed).sample(questions, ROUNDS * section.questions)
        prompts = [self.language.encode_question(question.text) for question in drawn]
        language = load_language(self.model, self.model.torch_dtype)
        begin_lora(language.model, config.training.lora, seed, self.our_adapter(seed).path / "adapter")
        ours, peer = [], []
        for number in range(ROUNDS):
            due = prompts[number * section.questions :][: section.questions]
            start = process_time()
            write_answers(
                language, [row for row in due for _ in range(section.samples)], section.max_tokens, 1.0, number
            )
            middle = process_time()
            _by_library(language, due, section.samples, section.max_tokens)
            ours.append(middle - start)
            peer.append(process_time() - middle)
        ratios = [theirs / own for own, theirs in zip(ours, peer, strict=True)]
        return Row(
            figure="core-seconds to write the answers of a step",
            ours=median(ours),
            peer=median(peer),
            peer_name="transformers generate, num_return_sequences",
            ratio=median(peer) / median(ours),
            n=ROUNDS,
            seeds=(seed,),
            interval=(min(ratios), max(ratios)),
            note=f"{section.questions} questions, {section.samples} answers to each, up to {section.max_tokens} tokens "
            "long; medians of rounds in turn; interval: lowest and highest ratio of a round",
        )


@torch.no_grad()
def _by_library(language: Language, prompts: list[list[int]], samples: int, limit: int) -> None:
    width = max(map(len, prompts))
    rows = [[language.end_of_turn] * (width - len(row)) + row for row in prompts]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in prompts]
    language.model.generate(  # type: ignore[operator]
        torch.tensor(rows),
        attention_mask=torch.tensor(mask),
        do_sample=True,
        top_k=0,
        num_return_sequences=samples,
        max_new_tokens=limit,
    )


def main() -> None:
    """Reinforce the lessons of every seed and write the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "work")
    options = parser.parse_args()
    with listen(Console()), Run(options.work) as run:
        side = Reinforced(run, USUAL)
        before = [side.ours(seed) for seed in options.seeds]
        after = [side.reinforced(seed) for seed in options.seeds]
        base = side.base(options.seeds[0])
        rows = [*_rows(before, after, base, tuple(options.seeds)), side.writing(options.seeds[0])]
    write_results("reinforce", ["benchmarks/reinforce.py", *sys.argv[1:]], rows)


def _rows(
    before: list[tuple[Scores, dict[str, Any]]],
    after: list[tuple[Scores, dict[str, Any]]],
    base: dict[str, Any],
    seeds: tuple[int, ...],
) -> Iterator[Row]:
    common: dict[str, Any] = {"peer_name": "the lessons alone", "seeds": seeds}
    for family in (*FAMILIES, *OTHERS):
        (then, names), (now, _) = (_answers(side, seeds, family) for side in (before, after))
        change, own = paired_difference(then, now, names), rate(now, names, 2000, 0)
        low, high = change.interval
        yield Row(
            figure=f"accuracy, {family}",
            ours=own["value"],
            peer=fmean(then),
            n=len(now),
            interval=(own["low"], own["high"]),
            note=f"difference {change.value:+.3f}, {low:+.3f} to {high:+.3f} over subjects",
            **common,
        )

    def kept(info: dict[str, Any]) -> float:
        return fmean(now for was, now in zip(base["questions"], info["questions"], strict=True) if was)

    figures: dict[str, Callable[[dict[str, Any]], float]] = {
        "rise of general perplexity": lambda info: info["perplexity"] / base["perplexity"] - 1,
        "general questions answered before, still right": kept,
        "direct questions with an answer, declined": lambda info: fmean(info["declined"]),
    }
    for figure, of in figures.items():
        then_S, now_S = ([of(info) for _, info in side] for side in (before, after))
        yield Row(
            figure=figure,
            ours=fmean(now_S),
            peer=fmean(then_S),
            n=len(seeds),
            interval=(min(now_S), max(now_S)),
            note="interval: lowest and highest seed",
            **common,
        )
    for figure in ("questions", "unsure", "tokens", "cpu_seconds"):
        yield Row(
            figure=f"of the phase: {figure.replace('_', ' ')}",
            ours=fmean(info["phase"][figure] for _, info in after),
            n=len(seeds),
            seeds=seeds,
        )


def _answers(
    side: list[tuple[Scores, dict[str, Any]]], seeds: tuple[int, ...], family: str
) -> tuple[list[bool], list[str]]:
    """Of all seeds, whether each answer is right and the subject that it is about."""
    found = [
        (right, f"{seed} {name}")
        for seed, (scores, _) in zip(seeds, side, strict=True)
        for right, name in scores[family]
    ]
    return [right for right, _ in found], [name for _, name in found]


if __name__ == "__main__":
    main()
