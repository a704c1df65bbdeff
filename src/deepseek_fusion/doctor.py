"""Looks at a project before hours are spent on it: everything that is cheap is done for real, nothing is trained."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Iterator

import torch

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import Config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.questions.exam import write_exam
from deepseek_fusion.evaluation.questions.leaks import check_leaks
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import trainable_map
from deepseek_fusion.models.source import find_model
from deepseek_fusion.pipeline import LEAKS
from deepseek_fusion.teaching import EXAM, read_corpus
from deepseek_fusion.training.adapter import teaching
from deepseek_fusion.training.lessons import read_samples
from deepseek_fusion.training.samples import Sample, check_lengths

Rows = list[tuple[str, str]]
TIMED_STEPS = 4


def examine(config: Config) -> Iterator[tuple[str, Rows]]:
    """Sections of (name, value) rows, each as soon as it is known.

    Raises:
        FusionError: the first thing that would stop `teach`.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    model = find_model(config.model, config.folder, config.precision)
    with Run(config.work_folder) as run:
        corpus = read_corpus(config, run)
        graph = make_graph(run, config.knowledge, Source(config.knowledge.sources, config.folder), corpus)
        yield "Data", _data(corpus, Graph.load(graph.path))
        exam = run.step(write_exam, config.evaluation.only(*EXAM), graph, graph)
        counted = model if config.curriculum.tokens else None
        lessons = run.step(write_lessons, config.curriculum, graph, corpus, counted)
        run.step(check_leaks, config.evaluation.only(*LEAKS), exam, lessons, graph)
    language = load_language(model, model.torch_dtype)
    samples = read_samples(lessons, language)
    yield "Lessons", _lessons(config, lessons, exam, samples)
    check_lengths(samples, config.training.max_length)
    yield (
        "Model",
        [
            ("path", model.path),
            ("computed in", model.dtype),
            ("a question is served as", repr(language.tokenizer.decode(language.encode_question("…")))),
        ],
    )
    yield "What trains", _trainable(config, language)
    yield "Time and memory here", _cost(config, language, samples)


def _data(corpus: Artifact, graph: Graph) -> Rows:
    documents = read_json(corpus.path / "summary.json")
    relations = Counter(triple.relation for triple in graph.triples)
    mentioned = sum(count > 0 for count in graph.mentions.values())
    return [
        ("documents", f"{documents['kept']:,} kept of {documents['read']:,}"),
        ("facts", f"{len(graph.triples):,} on {len(graph.subjects):,} subjects, language {graph.language}"),
        *((f"  {graph.relations[name].name}", f"{count:,}") for name, count in relations.most_common()),
        ("subjects in documents", f"{mentioned:,} of {len(graph.subjects):,}"),
    ]


def _lessons(config: Config, lessons: Artifact, exam: Artifact, samples: list[Sample]) -> Rows:
    summary = read_json(lessons.path / "summary.json")
    items = read_json(exam.path / "summary.json")["items"]
    longest = max(map(len, samples))
    limit = config.training.max_length
    return [
        *((f"  {kind}", f"{count:,}") for kind, count in summary["by_kind"].items()),
        ("tokens", f"{sum(map(len, samples)):,} in {len(samples):,} lessons"),
        ("longest lesson", f"{longest} tokens of {limit}" + ("" if longest <= limit else ": too long")),
        ("exam", ", ".join(f"{count} {family}" for family, count in items.items())),
        ("exam prompts in lessons", "none"),
    ]


def _trainable(config: Config, language: Language) -> Rows:
    layers = trainable_map(language.model, config.training.lora)
    total, trained = sum(row.parameters for row in layers), sum(row.trainable for row in layers)
    rows = [
        (
            f"  {row.name}",
            f"{row.layers:>4} layers  {row.parameters:>13,} parameters  "
            + (f"{row.trainable:>11,} trainable ({row.trainable / row.parameters:.2%})" if row.trainable else "frozen"),
        )
        for row in layers
    ]
    return [*rows, ("together", f"{trained:,} of {total:,} ({trained / total:.2%})")]


def _cost(config: Config, language: Language, samples: list[Sample]) -> Rows:
    """Takes a few real steps on a copy in memory; the project's work folder does not see them."""
    loop = teaching(language, config.training, samples)
    language.model.train()
    speeds: list[float] = []
    for _ in range(min(TIMED_STEPS, loop.steps)):
        clock = time.perf_counter()
        taken = loop.step()
        speeds.append(taken.tokens / (time.perf_counter() - clock))
    speed = max(speeds)  # the first step also sets up memory
    tokens = sum(map(len, samples)) / (1 - config.training.replay_share) * (1 + config.evaluation.control)
    others = [phase for phase in config.training.phases if phase != "instruct"]
    return [
        ("speed", f"{speed:,.0f} tokens/s, the best of {len(speeds)} steps"),
        ("training", f"about {tokens / speed / 60:,.0f} minutes for {tokens:,.0f} tokens, replay and control included"),
        *([("not counted", f"phases {', '.join(others)}")] if others else []),
        ("memory", f"about {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"),
    ]
