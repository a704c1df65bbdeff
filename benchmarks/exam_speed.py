"""Sitting the exam against the same items through lm-evaluation-harness, on the same model in one process.

Both sides get the same prompts with the chat template applied and the same loaded model (float32, taught weights
merged), and take turns; CPU time is counted, loading is not. lm-eval runs `generate_until` tasks for the written
families, cut at the longest answer that a family may have, and `multiple_choice` by log-likelihood: once at its
default, one item at a time, on an eighth of the items, and in every round at the best of several batch sizes (found
in its first round). Its answers are cut to each item's own limit before they are compared.

Run: python benchmarks/exam_speed.py [--facts 40] [--rounds 2] [--adapter FOLDER] [--work FOLDER]   (about 12
CPU minutes with an adapter, 20 without; `pip install lm-eval==0.4.13` first). The bar speaks of 1,000 facts. Time of
both sides grows with the number of items, so that a sample is measured, and stated, unless --facts asks for more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}

from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import Config
from deepseek_fusion.core.events import Console, listen, say
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.answers.answering import SLACK, answer_all, choose_all
from deepseek_fusion.evaluation.exams.harness.grading import right_facts, share
from deepseek_fusion.evaluation.exams.harness.tasks import write_exam_tasks
from deepseek_fusion.evaluation.questions.exam import FAMILIES, Item, read_exam, write_exam
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import load_adapter, merge_lora
from deepseek_fusion.models.source import find_model
from deepseek_fusion.teaching import EXAM
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.replay import write_replay
from record import Row, write_results

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "examples" / "medical" / "fusion.yaml"
SEED = 2
BATCHES = (16, 64)
SPARSE = 8
"""One item in so many is put to lm-eval one at a time, which takes too long for all."""
BAR = 5.0
Answers = dict[str, str | int]
"""For each item, the answer in words or the index of the chosen option."""


def main() -> None:
    """Time both sides on the base model and on a taught one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--adapter", type=Path, help="a finished adapter artifact for these facts; taught here if absent"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "work")
    options = parser.parse_args()
    config = load_config(PROJECT, [f"{section}.seed={SEED}" for section in SECTIONS])
    config = config.model_copy(update={"knowledge": config.knowledge.model_copy(update={"max_facts": options.facts})})
    model = find_model(config.model, config.folder, "float32")
    with listen(Console()), Run(options.work) as run:
        graph, exam = _facts(run, config)
        items = read_exam(exam.path)
        adapter = options.adapter or _taught(run, config, graph).path
    rows = []
    for name in ("base", "taught"):
        language = load_language(model, model.torch_dtype)
        if name == "taught":
            load_adapter(language.model, adapter / "adapter")
            merge_lora(language.model)
        with listen(Console()):
            rows += _compared(name, language, items, options.rounds, options.facts)
    write_results("exam_speed", ["benchmarks/exam_speed.py", *sys.argv[1:]], rows)


SECTIONS = ("knowledge", "curriculum", "training", "evaluation")


def _facts(run: Run, config: Config) -> tuple[Artifact, Artifact]:
    corpus = run.step(build_corpus, config.corpus, Source((), config.folder))
    graph = make_graph(run, config.knowledge, Source(config.knowledge.sources, config.folder), corpus)
    return graph, run.step(write_exam, config.evaluation.only(*EXAM), graph, graph)


def _taught(run: Run, config: Config, graph: Artifact) -> Artifact:
    model = find_model(config.model, config.folder, "float32")
    lessons = run.step(write_lessons, config.curriculum, graph, None)
    replay = run.step(write_replay, config.training.replay, model)
    return run.step(train_adapter, config.training, model, lessons, replay)


def _compared(name: str, language: Language, items: Sequence[Item], rounds: int, facts: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        tasks = write_exam_tasks(Path(folder), items, language)
        manager = TaskManager(include_path=folder, include_defaults=False)
        by_batch = {
            batch: _timed(partial(_harness, language, manager, tasks, batch), f"{name}: lm-eval, batch {batch}")
            for batch in BATCHES
        }
        best = min(by_batch, key=lambda batch: by_batch[batch][0])
        _ours(language, items[: len(items) // 8], name == "taught")  # first use of every kernel
        ours, peer = [], [by_batch[best][0]]
        theirs = by_batch[best][1]
        for number in range(rounds):
            seconds, answers = _timed(lambda: _ours(language, items, name == "taught"), f"{name}: ours")
            ours.append(seconds)
            if number:
                seconds, theirs = _timed(lambda: _harness(language, manager, tasks, best), f"{name}: lm-eval")
                peer.append(seconds)
    theirs = _as_ours(language, items, theirs)
    return [
        _by_default(name, language, items[::SPARSE], facts),
        _speed(name, ours, peer, f"at its best batch size, {best}", items, facts),
        *_agreement(name, items, answers, theirs),
    ]


def _by_default(name: str, language: Language, items: Sequence[Item], facts: int) -> Row:
    """Both sides on some of the items, lm-eval one item at a time; fewer items give us less to share."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = write_exam_tasks(Path(folder), items, language)
        manager = TaskManager(include_path=folder, include_defaults=False)
        peer, _ = _timed(lambda: _harness(language, manager, tasks, 1), f"{name}: lm-eval, one at a time")
        ours, _ = _timed(lambda: _ours(language, items, name == "taught"), f"{name}: ours")
    return _speed(name, [ours], [peer], "at its default batch size, 1", items, facts)


def _timed(call: Callable[[], Any], label: str) -> tuple[float, Any]:
    started = time.process_time()
    result = call()
    seconds = time.process_time() - started
    say(f"{label}: {seconds:.1f} s")
    return seconds, result


def _ours(language: Language, items: Sequence[Item], draft: bool) -> Answers:
    written = [item for item in items if not item.options]
    chosen = [item for item in items if item.options]
    answers = answer_all(language, _prompts(language, written), [i.expected for i in written], draft=draft)
    choices = choose_all(language, _prompts(language, chosen), [item.options for item in chosen])
    both: list[tuple[Item, str | int]] = [*zip(written, answers, strict=True), *zip(chosen, choices, strict=True)]
    return {item.id: answer for item, answer in both}


def _prompts(language: Language, items: Sequence[Item]) -> list[list[int]]:
    return [
        language.encode_question(item.prompt) if item.chat else language.text_start() + language.encode(item.prompt)
        for item in items
    ]


def _harness(language: Language, manager: TaskManager, tasks: list[str], batch: int) -> dict[str, Any]:
    """Every item's responses: a text, or the log-likelihood of each option."""
    model = HFLM(pretrained=language.model, tokenizer=language.tokenizer, batch_size=batch)
    results = simple_evaluate(model=model, tasks=tasks, task_manager=manager, bootstrap_iters=0)
    assert results is not None
    return {
        sample["doc"]["id"]: [response[0] for response in sample["resps"]]
        for samples in results["samples"].values()
        for sample in samples
    }


def _as_ours(language: Language, items: Sequence[Item], responses: dict[str, Any]) -> Answers:
    """What lm-eval found, by our rules: answers cut at the item's own limit, options by the mean over their tokens."""
    answers: Answers = {}
    for item in items:
        if item.options:
            sums = [float(response[0]) for response in responses[item.id]]
            means = [s / len(language.encode(option)) for s, option in zip(sums, item.options, strict=True)]
            answers[item.id] = means.index(max(means))
        else:
            limit = len(language.encode(item.expected)) + SLACK
            answers[item.id] = language.decode(language.encode(responses[item.id][0])[:limit])
    return answers


def _speed(
    name: str, ours: Sequence[float], peer: Sequence[float], batch: str, items: Sequence[Item], facts: int
) -> Row:
    ratios = [b / a for a, b in zip(ours, peer, strict=True)]
    ratio = statistics.median(peer) / statistics.median(ours)
    return Row(
        figure=f"CPU seconds for the exam, {name} model, lm-eval {batch}",
        ours=statistics.median(ours),
        peer=statistics.median(peer),
        peer_name=f"lm-eval 0.4.13, HF backend, {batch}",
        ratio=ratio,
        bar=f">= {BAR}",
        holds=ratio >= BAR,
        n=len(items),
        seeds=(SEED,),
        interval=(min(ratios), max(ratios)),
        note=f"{facts} facts, {len(items)} items; medians of {len(ours)} rounds in turn; interval: single rounds",
    )


def _agreement(name: str, items: Sequence[Item], ours: Answers, theirs: Answers) -> list[Row]:
    rows = []
    for family in FAMILIES:
        own = [item for item in items if item.family == family]
        if not own:
            continue
        scores = [share([_right(item, answers[item.id]) for item in own]) for answers in (ours, theirs)]
        same = sum(_plain(ours[item.id]) == _plain(theirs[item.id]) for item in own)
        rows.append(
            Row(
                figure=f"score, {family}, {name} model",
                ours=scores[0],
                peer=scores[1],
                peer_name="lm-eval 0.4.13",
                bar="equal",
                holds=scores[0] == scores[1],
                n=len(own),
                seeds=(SEED,),
                note=f"{same} of {len(own)} answers are the same to the letter",
            )
        )
    return rows


def _right(item: Item, answer: str | int) -> tuple[int, int]:
    if isinstance(answer, int):
        return int(answer == 0), 1
    return right_facts({"gold": item.gold}, [answer])["right"]


def _plain(answer: str | int) -> str | int:
    return answer.strip() if isinstance(answer, str) else answer


if __name__ == "__main__":
    main()
