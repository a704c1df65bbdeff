"""Progressive teaching: the lessons of one stage of the ontology, with some of those before it again."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, read_json, write_json, write_jsonl
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.settings.section import Section
from deepseek_fusion.curriculum.lessons import Lesson, read_lessons
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.ontology import stages_of


class StageConfig(Section):
    """Which stage of how many, from 0, and which share of its lessons repeats earlier ones."""

    stage: int
    stages: int
    repeated: float
    seed: int


@stage("staged", version=1)
def pick_lessons(out: Path, section: StageConfig, lessons: Artifact, graph: Artifact, ontology: Artifact) -> None:
    """Write the lessons of one stage as `lessons.jsonl` and `summary.json`.

    A lesson belongs to the stage of its deepest fact; lessons without facts are dealt out in turn.

    Args:
        graph: the facts of the lessons.
        ontology: the graph whose depths count; another one only if answers were shuffled.

    Raises:
        FusionError: the subjects lie at fewer depths than there are stages.
    """
    rng = random.Random(f"{section.seed} {section.stage}")
    placed = _placed(read_lessons(lessons.path), section, Graph.load(graph.path), Graph.load(ontology.path))
    own = [lesson for at, lesson in placed if at == section.stage]
    earlier = [lesson for at, lesson in placed if at < section.stage]
    wanted = round(len(own) * section.repeated / (1 - section.repeated))
    again = rng.sample(earlier, min(len(earlier), wanted))
    mixed = [*own, *again]
    if again:
        rng.shuffle(mixed)
    write_jsonl(out / "lessons.jsonl", [vars(lesson) for lesson in mixed])
    write_json(
        out / "summary.json",
        {
            "samples": len(mixed),
            "by_kind": dict(Counter(lesson.kind for lesson in mixed)),
            "exposures": read_json(lessons.path / "summary.json")["exposures"],
            "repeated": len(again),
        },
    )


def _placed(lessons: list[Lesson], section: StageConfig, graph: Graph, ontology: Graph) -> list[tuple[int, Lesson]]:
    """Each lesson with its stage, in order."""
    stages = stages_of(ontology, section.stages)
    of_fact = {graph.fact_id(triple): stages[triple.subject] for triple in graph.triples}
    return [
        (max((of_fact[fact] for fact in lesson.facts), default=place % section.stages), lesson)
        for place, lesson in enumerate(lessons)
    ]
