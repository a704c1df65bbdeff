"""Small models that know what they are asked."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.config import LoraConfig, RelationConfig, TrainingConfig
from deepseek_fusion.evaluation.questions.families import Item, Questions
from deepseek_fusion.evaluation.robustness.question import Question, questions_of
from deepseek_fusion.evaluation.robustness.tokens import Target, Vocabulary
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.models.loading import Language, load_language
from knowledge_samples import GRAPHS

FACTS = {"en": 12, "zh": 8}


def small_graph(language: str) -> Graph:
    """The first facts of the samples."""
    table, section = GRAPHS[language]
    triples = [Triple(*(field.strip() for field in line.split("|"))) for line in table.strip().splitlines()]
    triples = triples[: FACTS[language]]
    named = section.get("relations", {})
    return Graph(
        tuple(triples),
        section["subject_type"],
        {t.relation: Relation.of(RelationConfig(**named.get(t.relation, {"name": t.relation}))) for t in triples},
    )


def exam_items(language: str) -> list[Item]:
    graph = small_graph(language)
    return [item for item in Questions(graph, graph, graph, 0).written() if item.family == "question"]


def exam_questions(language: str) -> list[Question]:
    return questions_of(small_graph(language), exam_items(language))


@pytest.fixture(scope="session")
def taught(models: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model that was trained on the exam questions of `en` or `zh` until it answers most."""
    from deepseek_fusion.models.lora import merge_lora
    from deepseek_fusion.training.adapter import teaching
    from deepseek_fusion.training.samples import chat_sample

    @functools.cache
    def train(language: str) -> Path:
        loaded = load_language(models("qwen2"))
        asked = exam_questions(language)
        samples = [chat_sample(loaded, question.prompt, question.item.expected) for question in asked] * 40
        section = TrainingConfig(lora=LoraConfig(rank=16), learning_rate=1e-2, batch_tokens=256)
        loop = teaching(loaded, section, samples)
        while loop.progress.step < loop.steps:
            loop.step()
        merge_lora(loaded.model)
        folder = tmp_path_factory.mktemp(language)
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        return folder

    return train


@pytest.fixture
def knowing(taught: Callable[[str], Path]) -> Callable[[str], tuple[Vocabulary, list[Target]]]:
    """A taught model's vocabulary and its exam questions as targets, each with the expected answer."""

    def load(language: str) -> tuple[Vocabulary, list[Target]]:
        vocabulary = Vocabulary(load_language(taught(language)), small_graph(language))
        return vocabulary, targets(vocabulary, language)

    return load


def targets(vocabulary: Vocabulary, language: str) -> list[Target]:
    made = [vocabulary.target(question, question.item.expected) for question in exam_questions(language)]
    assert all(isinstance(target, Target) for target in made)
    return [target for target in made if isinstance(target, Target)]


def prompt_of(language: Language, text: str) -> tuple[int, ...]:
    return tuple(language.encode_question(text))
