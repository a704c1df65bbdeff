"""Leaks planted on purpose against the leak check, and the check against our own lessons.

One prompt of the exam at a time is put among the lessons of the medical example, in English and in Chinese: as it
is, in other case and punctuation, with its halves exchanged, with neighbouring words exchanged, with one word
replaced, with two replaced. Names stay whole: a prompt about another thing is no copy. Caught means an exact copy, a
shared n-gram or a near-duplicate. False alarms are counted on all 1,880 facts, where nothing was planted.

A part of benchmarks/controls.py, which runs it (about 5 core-minutes).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.evaluation.questions.leaks import Marker, near, read_texts
from deepseek_fusion.evaluation.statistics.rates import rate
from deepseek_fusion.knowledge.asking.matching import folded
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.graph import Graph
from record import Row

EXAMPLE = Path(__file__).parent.parent / "examples" / "medical"
PROJECTS = {"en": "fusion.yaml", "zh": "zh.yaml"}
MARKS = "\x00\x01"
Plant = Callable[[str, list[str], list[int], random.Random], list[str]]


def planted_leaks(run: Run, count: int) -> list[Row]:
    """Plant `count` prompts in each language, look, and count the false alarms where nothing was planted."""
    return [row for language in PROJECTS for row in _language(run, language, count)]


def _language(run: Run, language: str, count: int) -> list[Row]:
    graph, items, texts = _project(run, language, 60)
    asked = random.Random(0).sample([item for item in items if item.facts], count)
    rows = []
    for name, (plant, bar) in PLANTS.items():
        caught = [_caught(item, _planted(item, plant, graph), texts, graph) for item in asked]
        own = rate(caught, [item.id for item in asked], 2000, 0)
        rows.append(
            Row(
                figure=f"share of planted leaks caught, {language}, {name}",
                ours=float(own["value"]),
                bar=bar,
                holds=None if not bar else own["value"] >= float(bar.removeprefix(">= ")),
                n=count,
                seeds=(0,),
                interval=(float(own["low"]), float(own["high"])),
            )
        )
    graph, items, texts = _project(run, language, 1880)
    alarms = near(items, texts, graph)
    note = f"of {len(items)} prompts, against {len(texts)} lessons"
    figure = f"false alarms on untouched lessons, {language}"
    return [*rows, Row(figure, float(len(alarms)), bar="<= 0", holds=not alarms, n=len(items), note=note)]


def _project(run: Run, language: str, facts: int) -> tuple[Graph, list[Item], list[str]]:
    config = load_config(EXAMPLE / PROJECTS[language], [f"knowledge.max_facts={facts}"])
    corpus = run.step(build_corpus, config.corpus, Source((), config.folder))
    graph = make_graph(run, config.knowledge, Source(config.knowledge.sources, config.folder), corpus)
    exam = run.step(write_exam, config.evaluation.only("refusals", "seed"), graph, graph)
    lessons = run.step(write_lessons, config.curriculum, graph, None)
    return Graph.load(graph.path), read_exam(exam.path), read_texts(lessons.path)


def _caught(item: Item, planted: str, texts: Sequence[str], graph: Graph) -> bool:
    return folded(item.prompt) in folded(planted) or bool(near([item], [*texts, planted], graph))


def _planted(item: Item, plant: Plant, graph: Graph) -> str:
    words = Marker(graph).read(item.prompt).words
    plain = [place for place, word in enumerate(words) if word[0] not in MARKS]
    parts = plant(item.prompt, [word.lstrip(MARKS) for word in words], plain, random.Random(item.id))
    return parts[0] if len(parts) == 1 else ("" if graph.language == "zh" else " ").join(parts)


def _copied(prompt: str, words: list[str], plain: list[int], rng: random.Random) -> list[str]:
    return [prompt]


def _restyled(prompt: str, words: list[str], plain: list[int], rng: random.Random) -> list[str]:
    return [re.sub(r"[.,?;:，。？：；]", " - ", prompt).upper()]


def _halves(prompt: str, words: list[str], plain: list[int], rng: random.Random) -> list[str]:
    place = rng.randrange(2, len(words) - 2)
    return words[place:] + words[:place]


def _neighbours(prompt: str, words: list[str], plain: list[int], rng: random.Random) -> list[str]:
    place = rng.randrange(len(words) - 1)
    return [*words[:place], words[place + 1], words[place], *words[place + 2 :]]


def _replaced(times: int) -> Plant:
    def plant(prompt: str, words: list[str], plain: list[int], rng: random.Random) -> list[str]:
        for place in rng.sample(plain, times):
            words[place] = "thing" if words[place].isascii() else "某"
        return words

    return plant


PLANTS: dict[str, tuple[Plant, str]] = {
    "as it is": (_copied, ">= 1.0"),
    "case and punctuation": (_restyled, ">= 1.0"),
    "halves exchanged": (_halves, ">= 0.95"),
    "neighbours exchanged": (_neighbours, ">= 0.95"),
    "one word replaced": (_replaced(1), ">= 0.95"),
    "two words replaced": (_replaced(2), ""),
}
