"""Answers written by tiny models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.trees.attention import EXACT
from deepseek_fusion.models.writing import write_answers

Load = Callable[[str], Language]
TEXTS = ("Name it.", "What is the code of Gout?", "痛风有哪些症状？", "Who?")


@pytest.mark.parametrize("architecture", [*sorted(EXACT), "deepseek_v32"])
def test_greedy_answers_are_those_of_the_library_to_each_prompt_alone(language: Load, architecture: str) -> None:
    """Prompts of other lengths beside it change nothing, on models that padding would disturb either."""
    model = language(architecture)
    prompts = [model.encode_question(text) for text in (*TEXTS, TEXTS[1])]
    together = write_answers(model, prompts, 6)
    for prompt, answer in zip(prompts, together, strict=True):
        ids = torch.tensor([prompt])
        made = model.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6)  # type: ignore[operator]
        assert made[0, len(prompt) :].tolist() == answer


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v32"])
def test_draws_repeat_with_their_seed(language: Load, architecture: str) -> None:
    model = language(architecture)
    prompts = [model.encode_question(text) for text in TEXTS for _ in range(3)]
    before = torch.random.get_rng_state()
    drawn = write_answers(model, prompts, 6, 3.0, seed=3)
    assert drawn == write_answers(model, prompts, 6, 3.0, seed=3) != write_answers(model, prompts, 6, 3.0, seed=4)
    assert drawn[0] != drawn[1]
    assert all(0 < len(ids) <= 6 for ids in drawn)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_tokens_are_drawn_as_often_as_they_are_likely(language: Load, temperature: float) -> None:
    """The first and, after the likeliest first, the second of 600 answers to one prompt."""
    model = language("llama")
    prompt = model.encode_question(TEXTS[0])
    drawn = write_answers(model, [prompt] * 600, 2, temperature, seed=0)
    first, _ = Counter(ids[0] for ids in drawn).most_common(1)[0]
    for row, found in (
        (prompt, [ids[0] for ids in drawn]),
        ([*prompt, first], [ids[1] for ids in drawn if ids[0] == first and len(ids) > 1]),
    ):
        with torch.no_grad():
            likely_V = (model.model(torch.tensor([row])).logits[0, -1] / temperature).softmax(-1)
        counts_V = torch.bincount(torch.tensor(found), minlength=len(likely_V)) / len(found)
        spread_V = (likely_V * (1 - likely_V) / len(found)).sqrt()
        assert ((counts_V - likely_V).abs() <= 5 * spread_V + 1 / len(found)).all()


def test_a_finished_answer_holds_nothing_up(language: Load) -> None:
    """Answers end at different places, in whatever company."""
    model = language("llama")
    prompts = [model.encode_question(text) for text in TEXTS for _ in range(40)]
    ends = {model.end_of_turn}
    drawn = write_answers(model, prompts, 40, 10.0, seed=1)
    assert len({len(ids) for ids in drawn}) > 1
    assert all(not ends.intersection(ids[:-1]) for ids in drawn)
    assert all(len(ids) == 40 or ids[-1] in ends for ids in drawn)


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v32"])
def test_a_broken_model_is_named_with_what_it_was_asked(language: Load, architecture: str) -> None:
    model = language(architecture)
    with torch.no_grad():
        model.head.weight.fill_(float("nan"))
    with pytest.raises(FusionError, match=r"training\.reinforce: .*not numbers.*Name it.*training\.reinforce\.learn"):
        write_answers(model, [model.encode_question("Name it.")], 6, 1.0, 0, "training.reinforce")
