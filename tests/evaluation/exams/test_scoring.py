"""Likelihoods against one row at a time, answers in words with and without thoughts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.exams.prompts import continued
from deepseek_fusion.evaluation.exams.scoring import (
    WRITTEN,
    best,
    option_pairs,
    score_options,
    thinks_aloud,
    write_answers,
)
from deepseek_fusion.evaluation.exams.sets import ExamSet, Question
from deepseek_fusion.models.loading import Language

Load = Callable[[str], Language]
EXAM = ExamSet(
    "tiny",
    "choices",
    "en",
    (
        Question(1, "What is the capital of France?", ("Paris", "London town", "痛风"), 0),
        Question(
            2, "Which disease has the symptom?", ("Gout", "Asthma"), 1, passage="The symptoms are fever and cough."
        ),
        Question(3, "Which disease has the symptom?", ("Gout", "Asthma"), 0, passage="The symptoms are fever."),
    ),
    {},
)


@torch.inference_mode()
def alone(language: Language, head: list[int], tail: list[int]) -> float:
    logits = language.model(torch.tensor([head + tail])).logits[0].float().log_softmax(-1)
    return sum(logits[len(head) - 1 + place, token].item() for place, token in enumerate(tail))


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "deepseek_v2", "deepseek_v3"])
@pytest.mark.parametrize("chat", [False, True])
def test_likelihoods_are_those_of_one_row_at_a_time(language: Load, architecture: str, chat: bool) -> None:
    loaded = language(architecture)
    sums = score_options(loaded, EXAM, lambda n: None, chat=chat)
    for own, question in zip(sums, EXAM.questions, strict=True):
        pairs = option_pairs(loaded, EXAM, question, chat)
        assert own == pytest.approx([alone(loaded, *pair) for pair in pairs], rel=1e-4)


def test_a_pair_is_split_where_the_context_ends(language: Load) -> None:
    loaded = language("llama")
    question = EXAM.questions[0]
    for chat in (False, True):
        for (head, tail), option in zip(option_pairs(loaded, EXAM, question, chat), question.options, strict=True):
            text = loaded.tokenizer.decode(head + tail)
            assert text.endswith(("Answer: " if not chat else "assistant\n") + option)
            assert loaded.tokenizer.decode(head).endswith("Answer:" if not chat else "assistant")
    head, _ = option_pairs(loaded, EXAM, question, chat=False, alone=True)[0]
    assert loaded.tokenizer.decode(head) == continued("", "", "en")


def test_the_likeliest_option_in_all_or_for_each_character() -> None:
    assert best([-4.0, -5.0], ("no", "a long answer")) == 0
    assert best([-4.0, -5.0], ("no", "a long answer"), normalised=True) == 1
    assert best([-4.0, -4.0], ("a", "b")) == 0


def test_a_model_without_a_letter_has_not_answered(language: Load) -> None:
    written = write_answers(language("llama"), EXAM, lambda n: None)
    assert [(answer.chosen, answer.unfinished) for answer in written] == [(None, False)] * 3


def test_a_thought_that_the_template_opens_has_to_end(language: Load) -> None:
    loaded = language("llama")
    assert thinks_aloud(loaded) == (False, WRITTEN)
    loaded.tokenizer.chat_template = str(loaded.tokenizer.chat_template).replace("assistant\n", "assistant\n<think>\n")
    assert thinks_aloud(loaded) == (True, 1024)
    loaded.model.config.max_position_embeddings = 64
    assert thinks_aloud(loaded) == (True, 32)
    written = write_answers(loaded, EXAM, lambda n: None)
    assert [(answer.chosen, answer.unfinished) for answer in written] == [(None, True)] * 3


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v4"])
def test_outputs_that_are_no_numbers_name_the_set(language: Load, architecture: str) -> None:
    loaded = language(architecture)
    with torch.no_grad():
        next(iter(loaded.model.get_decoder().layers[0].parameters())).fill_(float("nan"))
    with pytest.raises(FusionError, match="tiny: the model's likelihoods are not numbers"):
        score_options(loaded, EXAM, lambda n: None)
    with pytest.raises(FusionError, match="tiny: the model's outputs are not numbers"):
        write_answers(loaded, EXAM, lambda n: None)
