"""Leaks planted on purpose are seen, and our own lessons are not taken for leaks."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl, write_jsonl
from deepseek_fusion.core.config import CurriculumConfig, EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.questions.families import FAMILIES, Item
from deepseek_fusion.evaluation.questions.leaks import Marker, check_leaks, near, read_texts
from deepseek_fusion.knowledge.graph import Graph

SECTION = EvaluationConfig(refusals=12)
Plant = Callable[[Item, Marker], str]


@pytest.fixture
def exam(shelf: Run, facts: Artifact) -> Artifact:
    return shelf.step(write_exam, SECTION, facts, facts)


@pytest.fixture
def lessons(shelf: Run, facts: Artifact) -> Artifact:
    return shelf.step(write_lessons, CurriculumConfig(exposures=40), facts, None)


def planted(lessons: Artifact, place: Path, *texts: str, prompt: bool = True) -> Artifact:
    """The lessons and, among them, these."""
    rows = read_jsonl(lessons.path / "lessons.jsonl")
    rows += [
        {
            "kind": "question",
            "prompt": text if prompt else None,
            "parts": [["ok" if prompt else text, True]],
            "facts": [],
        }
        for text in texts
    ]
    place.mkdir()
    write_jsonl(place / "lessons.jsonl", rows)
    return Artifact(place, "planted", "lessons")


def pieces(item: Item, marker: Marker) -> list[str]:
    """The words of a prompt, each name in one piece."""
    return [word.lstrip("\x00\x01") for word in marker.read(item.prompt).words]


def joined(item: Item, parts: list[str]) -> str:
    return ("" if "，" in item.prompt or "？" in item.prompt else " ").join(parts)


def reordered(item: Item, marker: Marker) -> str:
    parts = pieces(item, marker)
    middle = len(parts) // 2
    return joined(item, parts[middle:] + parts[:middle])


def replaced(item: Item, marker: Marker) -> str:
    words = marker.read(item.prompt).words
    place = random.Random(item.id).choice([i for i, word in enumerate(words) if word[0] not in "\x00\x01"])
    return joined(
        item,
        [*pieces(item, marker)[:place], "某" if "？" in item.prompt else "thing", *pieces(item, marker)[place + 1 :]],
    )


def test_our_own_lessons_are_far_from_the_exam(shelf: Run, facts: Artifact, exam: Artifact, lessons: Artifact) -> None:
    made = shelf.step(check_leaks, EvaluationConfig(leaks=0), exam, lessons, facts)
    found = read_json(made.path / "leaks.json")
    assert [found[name] for name in ("exact", "ngram", "near", "share", "pairs")] == [0, 0, 0, 0.0, []]
    assert found["items"] == len(read_exam(exam.path))
    assert found["lessons"] > 100


@pytest.mark.parametrize("plant", [reordered, replaced], ids=lambda plant: plant.__name__)
def test_every_changed_copy_is_seen(facts: Artifact, exam: Artifact, lessons: Artifact, plant: Plant) -> None:
    graph = Graph.load(facts.path)
    marker = Marker(graph)
    asked = [item for item in read_exam(exam.path) if item.facts]
    items = [next(item for item in asked if item.family == family) for family in FAMILIES if family != "refusal"]
    texts = read_texts(lessons.path)
    missed = [item.prompt for item in items if not near([item], [*texts, plant(item, marker)], graph)]
    assert not missed


def test_a_copy_about_another_thing_is_no_leak_by_likeness(facts: Artifact, exam: Artifact) -> None:
    graph = Graph.load(facts.path)
    one, other = (item for item in read_exam(exam.path) if item.id in ("question-1-0", "question-1-4"))
    assert near([one], [reordered(one, Marker(graph))], graph)
    assert not near([one], [reordered(other, Marker(graph))], graph)


@pytest.mark.parametrize("prompt", [True, False], ids=["prompt", "document"])
def test_a_near_copy_is_reported_below_the_limit_and_stops_above(
    run: Run, facts: Artifact, exam: Artifact, lessons: Artifact, tmp_path: Path, prompt: bool
) -> None:
    graph = Graph.load(facts.path)
    item = next(item for item in read_exam(exam.path) if item.family == "paraphrase")
    around = "" if prompt else ("真有此事。" if graph.language == "zh" else "Once upon a time. ")
    text = around + replaced(item, Marker(graph))
    leaky = planted(lessons, tmp_path / "leaky", text, prompt=prompt)
    made = run.step(check_leaks, EvaluationConfig(leaks=0.2), exam, leaky, facts)
    found = read_json(made.path / "leaks.json")
    assert found["near"] + found["ngram"] >= 1
    assert 0 < found["share"] <= 0.2
    assert item.id in {pair["item"] for pair in found["pairs"]}
    with pytest.raises(FusionError, match=r"exam: \d+\.\d% of the prompts are close to a lesson, such as"):
        run.step(check_leaks, EvaluationConfig(leaks=0), exam, leaky, facts)


def test_part_of_a_long_prompt_is_an_ngram(facts: Artifact, exam: Artifact) -> None:
    graph = Graph.load(facts.path)
    item = next(item for item in read_exam(exam.path) if item.family == "multihop")
    half = pieces(item, Marker(graph))[-14:]
    (leak,) = near([item], ["Much else, 许多别的话 " + joined(item, half) + " and so on 等等"], graph)
    assert (leak.kind, leak.item) == ("ngram", item.id)


@pytest.mark.parametrize("disguise", [str, str.upper], ids=["copy", "case"])
def test_an_exact_copy_stops_whatever_the_limit(
    run: Run, facts: Artifact, exam: Artifact, lessons: Artifact, tmp_path: Path, disguise: Callable[[str], str]
) -> None:
    stolen = disguise(read_exam(exam.path)[-30].prompt.replace("?", " !").replace("？", "…"))
    leaky = planted(lessons, tmp_path / "leaky", f"He said: {stolen}")
    with pytest.raises(FusionError, match=r"exam: \d+ of \d+ prompts occur in the lessons, such as"):
        run.step(check_leaks, EvaluationConfig(leaks=1), exam, leaky, facts)
