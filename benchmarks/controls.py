"""What must be seen for what it is: form without knowledge, questions that leaked, a merge that lost its adapter.

Form without knowledge: `teach` is run on the medical example with its format control on all subjects, so that two
models learn in the same way, one from the right answers and one from the same answers dealt to other subjects. Wrong
options are then as familiar as right ones. Chance is 1 / options where options are given.
Where answers are written, it is the score of another answer of the same type, computed exactly: the mean over all
answers that the lessons give for the relation, each taken whole and graded by the exam's own rule. Nobody keeps his own
answer in the shuffling, so a model that learned it well can score below chance; the note then says so.

An answer is well-formed if it is a list of names of the right type (objects of the relation, or subjects) and nothing
else; a code with the letters and digits of a known one is of the right type. A sentence to continue has no end, so what
stands after the first full stop, and the item that the length limit cuts, are not looked at there. To decline is a
form that both models are taught, too: how often it stands in the note, and form is that of the other answers.

Leaks and merges: see leaks.py and merges.py.

A control that was taught too little has no form either, and shows nothing: `--set knowledge.max_facts=60` teaches fewer
facts more often (see curriculum.exposures). What the base knew before anybody taught it stands in the notes.

Run: python benchmarks/controls.py [--seeds 1] [--work FOLDER] [--set SECTION.FIELD=VALUE]
(about 50 core-minutes, each further seed 25; with 60 facts 25, each further seed 12)
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import Config
from deepseek_fusion.core.events import Console, listen
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.card import Sitting
from deepseek_fusion.evaluation.questions.families import FAMILIES, Family, Item
from deepseek_fusion.evaluation.statistics.rates import Rate, rate
from deepseek_fusion.knowledge.asking.matching import is_declined, is_listed
from deepseek_fusion.knowledge.asking.phrase import SEPARATOR, askable_backward, join
from deepseek_fusion.knowledge.graph import Graph, Triple
from deepseek_fusion.knowledge.language import fold
from deepseek_fusion.models.source import find_model
from deepseek_fusion.pipeline import teach
from leaks import planted_leaks
from merges import lost_adapters
from record import Row, write_results

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "examples" / "medical" / "fusion.yaml"
FORM = 0.95
Answered = list[tuple[Item, str, list[bool]]]
"""Items with a model's answer and whether it is right, a fact each."""


def main() -> None:
    """Teach, plant and spoil; write down what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=PROJECT)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--items", type=int, default=40, help="leaks to plant in each way")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "work")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.FIELD=VALUE")
    options = parser.parse_args()
    configs = [_config(options.project, seed, options.overrides) for seed in range(options.seeds)]
    with listen(Console()), Run(options.work) as run:
        lessons = [Taught.by(config, run) for config in configs]
        rows = shuffled_rows(lessons, tuple(range(options.seeds)))
        model = find_model(configs[0].model, configs[0].folder, configs[0].precision)
        rows += planted_leaks(run, options.items)
        rows += lost_adapters(model, [lessons[0].adapter, lessons[0].shuffled_adapter])
    write_results("controls", ["benchmarks/controls.py", *sys.argv[1:]], rows)


def _config(project: Path, seed: int, overrides: Sequence[str]) -> Config:
    """The project with its control on everybody; a seed draws other facts, and teaches and shuffles otherwise."""
    sections = ("knowledge", "curriculum", "training", "evaluation") if seed else ()
    seeds = [f"{section}.seed={seed}" for section in sections]
    return load_config(project, ["evaluation.control=1.0", *seeds, *overrides])


@dataclass(frozen=True)
class Taught:
    """Two models that were taught in the same way: the truth, and the same answers shuffled."""

    truth: Graph
    graph: Graph
    before: Sitting
    right: Sitting
    shuffled: Sitting
    adapter: Artifact
    shuffled_adapter: Artifact

    @classmethod
    def by(cls, config: Config, run: Run) -> Taught:
        """Both, by `teach`; what the work folder has is kept."""
        inputs = read_json(teach(config, run).card)["inputs"]

        def part(name: str) -> Artifact:
            stage, key = inputs[name]["stage"], inputs[name]["key"]
            return Artifact(run.work / stage / key, key, stage)

        def source(artifact: Artifact, stage: str) -> Artifact:
            found = next(made for made in artifact.manifest()["inputs"] if made and made["stage"] == stage)
            return Artifact(run.work / stage / found["key"], found["key"], stage)

        return cls(
            Graph.load(part("graph").path),
            Graph.load(source(part("control_exam"), "shuffled").path),
            Sitting.read(part("exam"), part("before")),
            Sitting.read(part("exam"), part("after")),
            Sitting.read(part("control_exam"), part("control")),
            part("adapter"),
            source(part("control"), "adapter"),
        )

    def answers(self, family: Family) -> tuple[Answered, Answered, Answered]:
        """What the shuffled and the other model answered to the same items of a family, and the base before both."""
        both = {(item.prompt, item.facts) for item, _ in self.right.of(family)}
        both &= {(item.prompt, item.facts) for item, _ in self.shuffled.of(family)}
        sides = [
            {(item.prompt, item.facts): (item, row["answer"], row["right"]) for item, row in sitting.of(family)}
            for sitting in (self.shuffled, self.right, self.before)
        ]
        shuffled, right, before = ([side[key] for key in side if key in both] for side in sides)
        return shuffled, right, before

    def subjects(self, item: Item) -> list[str]:
        """The subject of each fact that an item asks for."""
        return [self._facts[fact].subject for fact in item.facts]

    def relation(self, item: Item) -> str:
        """The relation that an item asks about."""
        return self._facts[item.facts[0]].relation

    def chance(self, item: Item) -> list[float]:
        """For each fact of an item, how often an answer would be right that knows nothing but its type."""
        if item.options:
            return [1 / len(item.options)]
        lists = self._lists[self.relation(item), item.family == "reversed"]
        return [sum(is_listed(given, names) for given in lists) / len(lists) for names in item.gold]

    def well_formed(self, item: Item, answer: str) -> bool:
        """Whether an answer is a list of names of the right type and nothing else."""
        text = answer.strip()
        parts = re.split(r"\.(?:\s|$)|[。\n]", text)[0] if not item.chat else text.removesuffix(".").removesuffix("。")
        names = [fold(part) for part in parts.split(SEPARATOR[self.truth.language].strip())]
        if not item.chat and parts == text and len(names) > 1:
            names.pop()
        known = self._names[self.relation(item), item.family == "reversed"]
        shapes = {_shape(name) for name in known if any(map(str.isdecimal, name))}
        return all(name in known or _shape(name) in shapes for name in names)

    @cached_property
    def _facts(self) -> dict[str, Triple]:
        return {self.truth.fact_id(triple): triple for triple in self.truth.triples}

    @cached_property
    def _lists(self) -> dict[tuple[str, bool], list[str]]:
        """(relation, whether subjects are asked for) -> every answer that the shuffled lessons give."""
        found: defaultdict[tuple[str, bool], list[str]] = defaultdict(list)
        for group in [*self.graph.forward(), *askable_backward(self.graph)]:
            found[group.relation, group.direction == "backward"].append(join(self.graph, group))
        return found

    @cached_property
    def _names(self) -> dict[tuple[str, bool], set[str]]:
        found: defaultdict[tuple[str, bool], set[str]] = defaultdict(set)
        for triple in self.truth.triples:
            for backward, term in ((False, triple.object), (True, triple.subject)):
                found[triple.relation, backward].update(map(fold, self.truth.names_of(term)))
        return found


def shuffled_rows(lessons: Sequence[Taught], seeds: tuple[int, ...]) -> list[Row]:
    """Accuracy against chance and then form, a row a family; beside it what the right answers teach."""
    accuracy, form = [], []
    for family in FAMILIES:
        sides = [taught.answers(family) for taught in lessons]
        if not any(shuffled for shuffled, *_ in sides):
            continue
        ours, peer, before = (_right(lessons, [own[side] for own in sides]) for side in (0, 1, 2))
        shares = [
            share
            for taught, (answered, *_) in zip(lessons, sides, strict=True)
            for item, *_ in answered
            for share in taught.chance(item)
        ]
        guess = sum(shares) / len(shares)
        accuracy.append(
            Row(
                figure=f"accuracy after shuffled answers, {family}",
                ours=float(ours["value"]),
                peer=float(peer["value"]),
                peer_name="taught the right answers",
                bar=f"chance ({guess:.3f}) is not below the 95 % interval over subjects",
                holds=ours["low"] <= guess,
                n=int(ours["n"]),
                seeds=seeds,
                interval=(float(ours["low"]), float(ours["high"])),
                note=f"the base before teaching: {before['value']:.3f}"
                + ("; below chance" if ours["high"] < guess else ""),
            )
        )
        if not sides[0][0][0][0].options:
            ours, peer = (_formed(lessons, [own[side] for own in sides]) for side in (0, 1))
            form.append(
                Row(
                    figure=f"well-formed answers after shuffled answers, {family}",
                    ours=float(ours["value"]),
                    peer=float(peer["value"]),
                    peer_name="taught the right answers",
                    bar=f">= {FORM}",
                    holds=ours["value"] >= FORM,
                    n=int(ours["n"]),
                    seeds=seeds,
                    interval=(float(ours["low"]), float(ours["high"])),
                    note=" and ".join(f"{_declined(own[side] for own in sides):.3f}" for side in (0, 1))
                    + " declined, of all",
                )
            )
    return accuracy + form


def _right(lessons: Sequence[Taught], sides: Sequence[Answered]) -> Rate:
    pooled = [
        (right, f"{seed} {subject}")
        for seed, (taught, answered) in enumerate(zip(lessons, sides, strict=True))
        for item, _, rights in answered
        for right, subject in zip(rights, taught.subjects(item), strict=True)
    ]
    return rate([right for right, _ in pooled], [cluster for _, cluster in pooled], 2000, 0)


def _formed(lessons: Sequence[Taught], sides: Sequence[Answered]) -> Rate:
    pooled = [
        (taught.well_formed(item, answer), f"{seed} {taught.subjects(item)[0]}")
        for seed, (taught, answered) in enumerate(zip(lessons, sides, strict=True))
        for item, answer, _ in answered
        if not is_declined(answer)
    ]
    return rate([well for well, _ in pooled], [cluster for _, cluster in pooled], 2000, 0)


def _declined(sides: Iterable[Answered]) -> float:
    declined = [is_declined(answer) for answered in sides for _, answer, _ in answered]
    return sum(declined) / len(declined)


def _shape(name: str) -> str:
    """A name with every letter and every digit made alike."""
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "0", name))


if __name__ == "__main__":
    main()
