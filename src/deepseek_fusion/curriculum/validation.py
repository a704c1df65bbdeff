"""Questions to choose settings by: about what the lessons teach, in words that neither lessons nor exam use."""

from __future__ import annotations

import random
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, write_json, write_jsonl
from deepseek_fusion.core.run import stage
from deepseek_fusion.curriculum.lessons import Lesson, read_lessons
from deepseek_fusion.curriculum.phrasings import PHRASINGS
from deepseek_fusion.knowledge.asking.matching import folded
from deepseek_fusion.knowledge.asking.phrase import askable_backward, fact_ids, join, phrase
from deepseek_fusion.knowledge.graph import Graph

MOST = 240
"""Questions that are enough to tell settings apart."""


@stage("validation", version=1)
def write_validation(out: Path, section: None, graph: Artifact, lessons: Artifact) -> None:
    """Write `lessons.jsonl`, at most 240 questions drawn at random, and `summary.json`.

    A question that a lesson happens to ask as well is left out. That the exam asks none of them is for `check_leaks` to
    prove, which reads them as lessons.
    """
    facts = Graph.load(graph.path)
    phrasings = PHRASINGS[facts.language]
    asked = [(group, template) for group in facts.forward() for template in phrasings.checks]
    asked += [(group, template) for group in askable_backward(facts) for template in phrasings.reversed_checks]
    taught = {folded(lesson.prompt) for lesson in read_lessons(lessons.path) if lesson.prompt}
    questions = [
        Lesson(
            "question" if group.direction == "forward" else "reversed",
            phrase(facts, group, template),
            ((join(facts, group), True),),
            fact_ids(facts, group),
        )
        for group, template in asked
    ]
    fresh = [question for question in questions if folded(question.prompt or "") not in taught]
    drawn = random.Random(0).sample(fresh, min(MOST, len(fresh)))
    write_jsonl(out / "lessons.jsonl", [vars(question) for question in drawn])
    write_json(out / "summary.json", {"questions": len(drawn), "left_out": len(questions) - len(fresh)})
