"""Questions to choose by are about what is taught, and in nobody else's words."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl, write_jsonl
from deepseek_fusion.core.config import CurriculumConfig, EvaluationConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.curriculum.lessons import read_lessons, write_lessons
from deepseek_fusion.curriculum.phrasings import PHRASINGS
from deepseek_fusion.curriculum.validation import write_validation
from deepseek_fusion.evaluation.questions.exam import write_exam
from deepseek_fusion.evaluation.questions.leaks import check_leaks
from deepseek_fusion.knowledge.asking.matching import folded
from deepseek_fusion.knowledge.graph import Graph


@pytest.fixture
def lessons(shelf: Run, facts: Artifact) -> Artifact:
    return shelf.step(write_lessons, CurriculumConfig(exposures=40), facts, None)


def test_they_are_no_questions_of_the_exam(shelf: Run, facts: Artifact, lessons: Artifact) -> None:
    questions = shelf.step(write_validation, None, facts, lessons)
    exam = shelf.step(write_exam, EvaluationConfig(), facts, facts)
    leaks = read_json(shelf.step(check_leaks, EvaluationConfig(leaks=0), exam, questions, facts).path / "leaks.json")
    assert leaks["exact"] == leaks["ngram"] == leaks["near"] == 0
    assert leaks["lessons"] > 20


def test_they_are_no_lessons_but_ask_what_lessons_teach(shelf: Run, facts: Artifact, lessons: Artifact) -> None:
    questions = read_lessons(shelf.step(write_validation, None, facts, lessons).path)
    taught = read_lessons(lessons.path)
    prompts = {folded(lesson.prompt) for lesson in taught if lesson.prompt}
    assert not [question for question in questions if folded(str(question.prompt)) in prompts]
    answers = {(lesson.parts, lesson.facts) for lesson in taught if lesson.kind in ("question", "reversed")}
    assert {(question.parts, question.facts) for question in questions} <= answers
    graph = Graph.load(facts.path)
    assert {fact for question in questions for fact in question.facts} == set(map(graph.fact_id, graph.triples))
    assert {question.kind for question in questions} == {"question", "reversed"}


def test_their_sentences_are_of_their_own() -> None:
    for phrasings in PHRASINGS.values():
        checks = {*phrasings.checks, *phrasings.reversed_checks}
        for field in fields(phrasings):
            value = getattr(phrasings, field.name)
            if field.name not in ("checks", "reversed_checks"):
                assert not checks & set(value if isinstance(value, tuple) else (value,))


def test_what_a_lesson_asks_all_the_same_is_left_out(
    shelf: Run, run: Run, facts: Artifact, lessons: Artifact, tmp_path: Path
) -> None:
    first = shelf.step(write_validation, None, facts, lessons)
    stolen = read_jsonl(first.path / "lessons.jsonl")[0]
    write_jsonl(tmp_path / "lessons.jsonl", [*read_jsonl(lessons.path / "lessons.jsonl"), stolen])
    again = run.step(write_validation, None, facts, Artifact(tmp_path, "other", "lessons"))
    asked = [row["prompt"] for row in read_jsonl(again.path / "lessons.jsonl")]
    assert stolen["prompt"] not in asked
    assert read_json(again.path / "summary.json") == {"questions": len(asked), "left_out": 1}
