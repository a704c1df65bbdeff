"""Answers written by tiny models."""

from __future__ import annotations

from collections.abc import Callable

from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.writing import write_answers


def test_greedy_answers_do_not_depend_on_company(language: Callable[[str], Language]) -> None:
    """Prompts of other lengths beside it change nothing, on models that padding would disturb either."""
    for architecture in ("llama", "deepseek_v32"):
        model = language(architecture)
        prompts = [model.encode_question(text) for text in ("Name it.", "What is the code of Gout?", "Who?")]
        together = write_answers(model, prompts, 6)
        assert together == [write_answers(model, [prompt], 6)[0] for prompt in prompts]
    assert write_answers(model, prompts, 6, 1.0, seed=3) == write_answers(model, prompts, 6, 1.0, seed=3)
    assert write_answers(model, prompts, 6, 1.0, seed=3) != write_answers(model, prompts, 6, 1.0, seed=4)
