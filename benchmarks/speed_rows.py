"""What `train_speed.py` trains on; apart from it, because preparing rows takes memory that training does not."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deepseek_fusion.core.config import KnowledgeConfig
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.curriculum import CurriculumConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import read_lessons, write_lessons
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.graph import Graph, Group

QUESTIONS = 8


def speed_rows(project: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Prompts and completions: lessons as the curriculum writes them, and questions on passages of several facts."""
    config = load_config(project)
    section = KnowledgeConfig(**{**config.knowledge.model_dump(), "max_facts": 400})
    with tempfile.TemporaryDirectory() as folder, Run(Path(folder)) as run:
        corpus = run.step(build_corpus, config.corpus, Source((), config.folder))
        graph = make_graph(run, section, Source(section.sources, config.folder), corpus)
        taught = run.step(write_lessons, CurriculumConfig(exposures=6), graph, None)
        lessons = [
            _turns(lesson.prompt, "".join(text for text, _ in lesson.parts))
            for lesson in read_lessons(taught.path)
            if lesson.prompt is not None
        ]
        return lessons, list(_documents(Graph.load(graph.path)))


def _documents(graph: Graph) -> Iterator[dict[str, Any]]:
    """Passages on two subjects each, every one with its questions next to it."""
    rng = random.Random(0)
    for start in range(0, len(graph.subjects) - 1, 2):
        groups = [group for group in graph.forward() if group.anchor in graph.subjects[start : start + 2]]
        passage = " ".join(_sentence(graph, group) for group in rng.sample(groups, len(groups)))
        for group in rng.choices(groups, k=QUESTIONS):
            question = f"What is the {graph.relations[group.relation].name} of {group.anchor}?"
            yield _turns(f"Context: {passage}\n\nQuestion: {question}", ", ".join(group.answers))


def _sentence(graph: Graph, group: Group) -> str:
    return f"The {graph.relations[group.relation].name} of {group.anchor}: {', '.join(group.answers)}."


def _turns(prompt: str, completion: str) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": completion}],
    }
