"""Attacks that follow the gradient against random substitutions of the same budget, on the taught default model.

For each seed other facts are taught as the example project teaches them; the questions of the exam that the model then
answers rightly are attacked. The control replaces tokens at the very places that HotFlip chose, drawn from the same
candidates under the same conditions. Intervals are paired bootstraps over the subjects of all seeds together.

Run: python benchmarks/robustness.py [--facts 60] [--questions 40] [--budget 3]   (about 40 core-minutes)
 or: python benchmarks/robustness.py --taught FOLDER   (with finished `adapter`, `graph` and `exam` folders)
 or: the same with --plain FOLDER   (with an `adapter` that learned the same facts by plain lessons, such as
     teach_vs_plain.py makes; both options take several folders): the same questions attacked on both
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl
from deepseek_fusion.core.config import Config, EvaluationConfig, RobustnessConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import Console, listen
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.questions.exam import write_exam
from deepseek_fusion.evaluation.robustness.build import attack_exam
from deepseek_fusion.evaluation.robustness.summary import CONTROL, ratio, standing, summarise
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.models.source import ModelSource, find_model
from deepseek_fusion.teaching import EXAM
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.replay import write_replay
from record import Row, write_results

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "examples" / "medical" / "fusion.yaml"
SEEDS = (0, 1, 2)
BAR = 1.5
NAMES = {"hotflip": "HotFlip", "projected": "the projected embedding attack"}
Taught = tuple[Artifact | None, Artifact, Artifact]
"""Adapter, graph, exam."""


def main() -> None:
    """Teach (or take what is taught), attack, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=PROJECT)
    parser.add_argument("--facts", type=int, default=60)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--budget", type=int, default=3)
    parser.add_argument("--taught", type=Path, nargs="+")
    parser.add_argument("--plain", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "work")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    plain: list[dict[str, Any]] = []
    with listen(Console()), Run(options.work) as run:
        config = load_config(options.project)
        model = find_model(config.model, config.folder, config.precision)
        if options.taught:
            names = ("adapter", "graph", "exam")
            made_before = [[_finished(folder / name) for name in names] for folder in options.taught]
            taught: dict[int, Taught] = {number: (a, g, e) for number, (a, g, e) in enumerate(made_before)}
        else:
            taught = {seed: _teach(run, model, options.project, options.facts, seed) for seed in SEEDS}
        for seed, (adapter, graph, exam) in taught.items():
            section = EvaluationConfig(
                robustness=RobustnessConfig(questions=options.questions, budget=options.budget), seed=seed
            )
            sides = [(rows, adapter)]
            sides += [(plain, _finished(options.plain[seed] / "adapter"))] if options.plain else []
            for found, attacked in sides:
                made = run.step(attack_exam, section, model, attacked, graph, exam)
                own = read_jsonl(made.path / "questions.jsonl")
                found += [{**row, "subject": f"{seed} {row['subject']}"} for row in own]
    language = read_json(graph.path / "graph.json")["language"]
    name = "robustness" if language == "en" else f"robustness_{language}"
    command = ["benchmarks/robustness.py", *sys.argv[1:]]
    if plain:
        write_results(f"{name}_plain", command, list(_against(rows, plain, options.budget, tuple(taught))))
    else:
        write_results(name, command, _figures(rows, options.budget, tuple(taught)))


def _finished(folder: Path) -> Artifact:
    manifest = read_json(folder / "manifest.json")
    return Artifact(folder.resolve(), manifest["key"], manifest["stage"])


def _teach(run: Run, model: ModelSource, project: Path, facts: int, seed: int) -> Taught:
    names = ("knowledge.max_facts", "knowledge.seed", "curriculum.seed", "training.seed", "evaluation.seed")
    config: Config = load_config(project, [f"{names[0]}={facts}", *(f"{name}={seed}" for name in names[1:])])
    corpus = run.step(build_corpus, config.corpus, Source((), config.folder))
    graph = make_graph(run, config.knowledge, Source(config.knowledge.sources, config.folder), corpus)
    exam = run.step(write_exam, config.evaluation.only(*EXAM), graph, graph)
    lessons = run.step(write_lessons, config.curriculum, graph, None)
    replay = run.step(write_replay, config.training.replay, model) if config.training.replay_share else None
    return run.step(train_adapter, config.training, model, lessons, replay), graph, exam


def _figures(rows: list[dict[str, Any]], budget: int, seeds: tuple[int, ...]) -> list[Row]:
    summary = summarise(rows, budget, resamples=5000, seed=0)
    attacked = [row for row in rows if row["attacks"]]
    if not attacked:
        raise FusionError(
            "robustness: the model answers no question rightly, so there is nothing to attack; teach more."
        )
    figures = []
    for name, title in NAMES.items():
        over = summary["ratio"][f"{name}_over_{CONTROL}"]
        cases = [(f"budgets 1 to {budget}, averaged", over, list(range(1, budget + 1)))]
        cases += [(f"budget {case['budget']}", case, [case["budget"]]) for case in over["by_budget"]]
        for what, found, budgets in cases:
            ours, control = (_mean([_lowered(attacked, side, spent) for spent in budgets]) for side in (name, CONTROL))
            figures.append(
                Row(
                    figure=f"accuracy lowered by {title}, {what}",
                    ours=ours,
                    peer=control,
                    peer_name="random substitutions at the places HotFlip chose, same candidates",
                    ratio=found["value"],
                    bar=f">= {BAR}" if name == "hotflip" else "",
                    holds=_holds(ours, control) if name == "hotflip" else None,
                    n=len(attacked),
                    seeds=seeds,
                    interval=(found["low"], found["high"]) if found["high"] is not None else None,
                    note=f"interval of the ratio over subjects{'' if found['high'] is not None else _open(found)}",
                )
            )
    for change in summary["perturbations"]:
        own = change["accuracy"]
        figures.append(
            Row(
                figure=f"accuracy under {change['name']}",
                ours=own["value"],
                peer=change["clean"]["value"],
                peer_name="the same questions unchanged",
                n=own["n"],
                seeds=seeds,
                interval=(own["low"], own["high"]),
            )
        )
    return figures


def _against(
    rows: list[dict[str, Any]], plain: list[dict[str, Any]], budget: int, seeds: tuple[int, ...]
) -> Iterator[Row]:
    """The share of all questions that are answered rightly, and still are after so many flips, on both sides."""
    subjects = [row["subject"] for row in rows]
    for spent in range(budget + 1):
        ours, others = ([float(_stands(row, spent)) for row in side] for side in (rows, plain))
        found = ratio(ours, others, subjects, 5000, 0)
        yield Row(
            figure=f"right answers after {spent} flips by HotFlip",
            ours=_mean(ours),
            peer=_mean(others),
            peer_name="plain lessons, tuned rate",
            ratio=found["value"],
            bar=f">= {BAR}" if spent == 1 else "",
            holds=_mean(ours) >= BAR * _mean(others) if spent == 1 else None,
            n=len(rows),
            seeds=seeds,
            interval=(found["low"], found["high"]) if found["high"] is not None and found["low"] is not None else None,
            note="interval of the ratio over subjects; the attack follows the gradient of the model that it is made on",
        )


def _stands(row: dict[str, Any], budget: int) -> bool:
    return bool(row["right"]) and (not row["attacks"] or standing([row], "hotflip", budget)[0])


def _holds(ours: float, control: float) -> bool:
    return ours > 0 and ours >= BAR * control


def _open(found: dict[str, Any]) -> str:
    low = "nothing" if found["low"] is None else f"{found['low']:.3g}"
    return f": from {low} upwards, without bound where a resample holds no question that the control breaks"


def _lowered(rows: list[dict[str, Any]], name: str, budget: int) -> float:
    return 1 - _mean(standing(rows, name, budget))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
