"""One adapter with four tasks against four adapters with one task each: how well each head answers, and the cost.

The cases are those of examples/medical/make_tasks.py: the specialty (15 classes), the urgency (a number), the label of
each word, and writing the text itself. All sides see the same texts equally often, with the same settings, except that
a task alone has the best of two learning rates, chosen on the test itself, in its favour. Each seed draws other texts
to learn and to test.

Run: python examples/medical/make_data.py && python benchmarks/multitask.py [--seeds 0 1 2] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import runpy
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl
from deepseek_fusion.core.events import Console, listen, say
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.answers.answering import surprises
from deepseek_fusion.evaluation.answers.sitting import load_taught
from deepseek_fusion.models.heads import Heads
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import find_model
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.replay import write_replay
from record import Row, write_results

ROOT = Path(__file__).parent.parent
MEDICAL = ROOT / "examples" / "medical"
PROJECT = MEDICAL / "multitask.yaml"
SEEDS = (0, 1, 2)
RATES = (1e-3, 3e-4)
"""Of a task alone; the first is that of the project."""
HEADS = ("specialty", "urgency", "words")
TASKS = (*HEADS, "notes")
POINTS, COST = 0.02, 0.60
RESAMPLES = 2000

Right = list[list[bool]]
"""For each test text, whether each answer is right; a rating is if it rounds to the true one."""


@dataclass(frozen=True)
class Side:
    """What one training left."""

    right: dict[str, Right]
    perplexity: float | None
    cpu_seconds: float
    computed: int


def main() -> None:
    """Train and test every side of every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--train", type=int, default=240, help="texts to learn from (a tenth is held out)")
    parser.add_argument("--test", type=int, default=300, help="texts to test on")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="of which a task alone has the best")
    parser.add_argument("--triples", type=Path, default=MEDICAL / "data" / "triples.csv")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "work")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.FIELD=VALUE")
    options = parser.parse_args()
    with listen(Console()), Run(options.work) as run:
        pairs: list[tuple[Side, dict[str, Side]]] = []
        for seed in options.seeds:
            folder = write_split(options.triples, run.work / "cases" / str(seed), seed, options.train, options.test)
            together = side(run, folder, TASKS, seed, options.overrides)
            alone = {task: best(run, folder, task, seed, options) for task in TASKS}
            pairs.append((together, alone))
            for task in HEADS:
                ours, peer = (share(one.right[task]) for one in (together, alone[task]))
                say(f"seed {seed}, {task}: together {ours:.3f}, alone {peer:.3f}")
    rows = [head_row(task, pairs, tuple(options.seeds)) for task in HEADS]
    rows += [writing_row(pairs, tuple(options.seeds)), *cost_rows(pairs, tuple(options.seeds))]
    write_results("multitask", ["benchmarks/multitask.py", *sys.argv[1:]], rows)


def write_split(triples: Path, folder: Path, seed: int, train: int, test: int) -> Path:
    """`train/` and `test/` with one file a task, of different texts."""
    runpy.run_path(str(MEDICAL / "make_tasks.py"))["write_tasks"](triples, folder, "en")
    rows = {task: read_jsonl(folder / f"{task}.jsonl") for task in TASKS}
    order = random.Random(seed).sample(range(len(rows["notes"])), train + test)
    for part, chosen in (("train", order[:train]), ("test", order[train:])):
        (folder / part).mkdir(exist_ok=True)
        for task in TASKS:
            lines = "".join(json.dumps(rows[task][i], ensure_ascii=False) + "\n" for i in chosen)
            (folder / part / f"{task}.jsonl").write_text(lines, encoding="utf-8")
    return folder


def side(run: Run, folder: Path, tasks: Sequence[str], seed: int, overrides: Iterable[str]) -> Side:
    """Train some of the tasks, and test them."""
    own = load_config(PROJECT).training.multitask.tasks
    chosen = {task: {"kind": own[task].kind, "files": [f"train/{task}.jsonl"]} for task in TASKS if task in tasks}
    config = load_config(
        PROJECT,
        ["training.phases=[multitask]", f"training.seed={seed}", f"training.multitask.tasks={chosen}", *overrides],
    )
    model = find_model(config.model, config.folder, config.precision)
    section = config.training.of_phase(0)
    replay = run.step(write_replay, config.training.replay, model) if section.replay_share else None
    labels = Source(tuple(f"train/{task}.jsonl" for task in tasks), folder)
    adapter = run.step(train_adapter, section, model, None, replay, None, None, labels)
    report = read_json(adapter.path / "training.json")
    language = load_taught(model, adapter)
    texts = [row["text"] for row in read_jsonl(folder / "test" / "notes.jsonl")]
    return Side(
        right=answers(language, adapter, folder, [task for task in tasks if task in HEADS]),
        perplexity=perplexity(language, texts) if "notes" in tasks else None,
        cpu_seconds=report["cpu_seconds"],
        computed=report["computed_tokens"],
    )


def best(run: Run, folder: Path, task: str, seed: int, options: argparse.Namespace) -> Side:
    """A task alone at the rate at which it tests best, a choice in its favour."""
    rates = [f"training.multitask.learning_rate={rate}" for rate in options.rates]
    sides = [side(run, folder, (task,), seed, [*options.overrides, rate]) for rate in rates]
    return max(sides, key=lambda one: share(one.right[task]) if task in HEADS else -(one.perplexity or math.inf))


def perplexity(language: Language, texts: Sequence[str]) -> float:
    """Of all tokens of some texts."""
    windows = surprises(language, texts, 1 << 20)
    return math.exp(sum(loss for loss, _ in windows) / sum(count for _, count in windows))


def answers(language: Language, adapter: Artifact, folder: Path, tasks: Sequence[str]) -> dict[str, Right]:
    """Every head on every test text."""
    if not tasks:
        return {}
    heads = Heads.load(adapter.path / "adapter")
    rows = {task: read_jsonl(folder / "test" / f"{task}.jsonl") for task in HEADS}
    found = heads.predict(language, [row["text"] for row in rows["words"]], [row["words"] for row in rows["words"]])
    return {task: [right(task, own[task], row) for own, row in zip(found, rows[task], strict=True)] for task in tasks}


def right(task: str, answer: Any, row: dict[str, Any]) -> list[bool]:
    """Whether each answer about one text is right."""
    if task == "words":
        return [own["label"] == tag for own, tag in zip(answer, row["tags"], strict=True)]
    if task == "urgency":
        return [abs(answer["rating"] - row["rating"]) < 0.5]
    return [answer["label"] == row["label"]]


def share(rows: Right) -> float:
    """Share of right answers."""
    return sum(map(sum, rows)) / sum(map(len, rows))


def head_row(task: str, pairs: Sequence[tuple[Side, dict[str, Side]]], seeds: tuple[int, ...]) -> Row:
    """A head against its single-task model; the interval is of the difference, a bootstrap over texts."""
    ours = [row for together, _ in pairs for row in together.right[task]]
    peer = [row for _, alone in pairs for row in alone[task].right[task]]
    rng = random.Random(0)
    differences = []
    for _ in range(RESAMPLES):
        chosen = rng.choices(range(len(ours)), k=len(ours))
        differences.append(share([ours[i] for i in chosen]) - share([peer[i] for i in chosen]))
    differences.sort()
    single = ", ".join(
        f"{share(together.right[task]):.3f} / {share(alone[task].right[task]):.3f}" for together, alone in pairs
    )
    return Row(
        figure=f"right answers, {task}",
        ours=share(ours),
        peer=share(peer),
        peer_name="the same head trained alone, at its best rate",
        bar=f"difference >= -{POINTS}",
        holds=share(ours) - share(peer) >= -POINTS,
        n=sum(map(len, ours)),
        seeds=seeds,
        interval=(differences[int(0.025 * RESAMPLES)], differences[int(0.975 * RESAMPLES) - 1]),
        note=f"interval: of the difference, bootstrap over texts; together / alone by seed {single}",
    )


def writing_row(pairs: Sequence[tuple[Side, dict[str, Side]]], seeds: tuple[int, ...]) -> Row:
    """Perplexity of new texts."""
    sides = [
        [one.perplexity or math.nan for one in own]
        for own in ([together for together, _ in pairs], [alone["notes"] for _, alone in pairs])
    ]
    ours, peer = (math.exp(sum(map(math.log, own)) / len(own)) for own in sides)
    single = [a / b for a, b in zip(*sides, strict=True)]
    return Row(
        figure="perplexity of new texts",
        ours=ours,
        peer=peer,
        peer_name="writing trained alone",
        ratio=ours / peer,
        bar=f"<= {1 + POINTS}",
        holds=ours / peer <= 1 + POINTS,
        n=len(pairs),
        seeds=seeds,
        interval=(min(single), max(single)),
        note="interval: ratio of the lowest and the highest seed",
    )


def cost_rows(pairs: Sequence[tuple[Side, dict[str, Side]]], seeds: tuple[int, ...]) -> list[Row]:
    """One training against the sum of the others."""
    rows = []
    for figure, field in (("core-seconds of training", "cpu_seconds"), ("tokens computed", "computed")):
        ours = [getattr(together, field) for together, _ in pairs]
        peer = [sum(getattr(one, field) for one in alone.values()) for _, alone in pairs]
        single = [a / b for a, b in zip(ours, peer, strict=True)]
        rows.append(
            Row(
                figure=figure,
                ours=sum(ours) / len(ours),
                peer=sum(peer) / len(peer),
                peer_name="four trainings of one task each, summed",
                ratio=sum(ours) / sum(peer),
                bar=f"<= {COST}",
                holds=sum(ours) / sum(peer) <= COST,
                n=len(pairs),
                seeds=seeds,
                interval=(min(single), max(single)),
                note="interval: ratio of the lowest and the highest seed",
            )
        )
    return rows


if __name__ == "__main__":
    main()
