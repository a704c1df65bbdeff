"""Lessons from the trunk of an ontology to its leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import CurriculumConfig, EvaluationConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.curriculum.lessons import Lesson, read_lessons, write_lessons
from deepseek_fusion.curriculum.progressive import StageConfig, pick_lessons
from deepseek_fusion.knowledge.asking.shuffle import shuffle_answers
from deepseek_fusion.knowledge.graph import Graph

TREE = {
    "en": "Heart | parent | Organ\nLiver | parent | Organ\nValve | parent | Heart\nLobe | parent | Liver\n"
    "Heart | code | H1\nLiver | code | L1\nValve | code | V1\nLobe | code | B1",
    "zh": "心脏 | 上位词 | 器官\n肝脏 | 上位词 | 器官\n瓣膜 | 上位词 | 心脏\n肝叶 | 上位词 | 肝脏\n"
    "心脏 | 编码 | H1\n肝脏 | 编码 | L1\n瓣膜 | 编码 | V1\n肝叶 | 编码 | B1",
}


@pytest.fixture(params=["en", "zh"])
def organs(request: pytest.FixtureRequest, graph: Callable[..., Artifact]) -> Artifact:
    return graph(TREE[request.param])


def part(run: Run, lessons: Artifact, facts: Artifact, stage: int, repeated: float = 0.2) -> list[Lesson]:
    section = StageConfig(stage=stage, stages=2, repeated=repeated, seed=0)
    return read_lessons(run.step(pick_lessons, section, lessons, facts, facts).path)


def test_every_lesson_has_its_stage_and_a_share_of_the_trunk_comes_again(run: Run, organs: Artifact) -> None:
    lessons = run.step(write_lessons, CurriculumConfig(exposures=96), organs, None)
    whole = read_lessons(lessons.path)
    trunk, leaves = (part(run, lessons, organs, stage, repeated=0) for stage in (0, 1))
    assert sorted(map(repr, [*trunk, *leaves])) == sorted(map(repr, whole))
    graph = Graph.load(organs.path)
    first = {graph.fact_id(triple) for triple in graph.triples if triple.subject in ("Heart", "Liver", "心脏", "肝脏")}
    told = [lesson for lesson in trunk if lesson.facts]
    assert told == [lesson for lesson in whole if lesson.facts and set(lesson.facts) <= first]
    assert all(set(lesson.facts) - first or not lesson.facts for lesson in leaves)
    assert {lesson.kind for lesson in trunk} >= {"question", "refusal"}
    mixed = part(run, lessons, organs, 1, repeated=0.25)
    again = [lesson for lesson in mixed if lesson.facts and set(lesson.facts) <= first]
    assert len(mixed) - len(leaves) == round(len(leaves) / 3)
    assert len(again) >= 0.8 * (len(mixed) - len(leaves))  # the rest are refusals
    assert Counter(map(repr, mixed)) - Counter(map(repr, leaves)) <= Counter(map(repr, trunk))
    assert part(run, lessons, organs, 1, repeated=0.25) == mixed


def test_lessons_of_shuffled_answers_come_in_the_order_of_the_true_ontology(run: Run, organs: Artifact) -> None:
    shuffled = run.step(shuffle_answers, EvaluationConfig(control=1.0), organs)
    lessons = run.step(write_lessons, CurriculumConfig(exposures=12), shuffled, None)
    section = StageConfig(stage=0, stages=2, repeated=0.2, seed=0)
    made = run.step(pick_lessons, section, lessons, shuffled, organs)
    graph = Graph.load(shuffled.path)
    subjects = {graph.fact_id(triple): triple.subject for triple in graph.triples}
    taught = {subjects[fact] for lesson in read_lessons(made.path) for fact in lesson.facts}
    assert taught <= {"Heart", "Liver", "心脏", "肝脏"}
    assert taught
    assert read_json(made.path / "summary.json")["exposures"] == 12
