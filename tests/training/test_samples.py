"""What the loss sees of a lesson, and the order of a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import Language
from deepseek_fusion.training.samples import (
    WINDOW,
    Sample,
    chat_sample,
    check_lengths,
    plan_batches,
    text_sample,
)

Load = Callable[[str], Language]


def learned(sample: Sample) -> list[int]:
    return [token for token, flag in zip(sample.ids, sample.learned, strict=True) if flag]


@pytest.mark.parametrize(
    ("question", "answer"), [("What is the ICD-10 code of gout?", "M10.9"), ("痛风有哪些症状？", "关节痛、红肿")]
)
def test_of_a_chat_all_of_the_answer_and_its_end_is_learned(language: Load, question: str, answer: str) -> None:
    loaded = language("llama")
    sample = chat_sample(loaded, question, answer)
    *text, end = learned(sample)
    assert loaded.tokenizer.decode(text) == answer
    assert end == loaded.end_of_turn
    prompt = list(sample.ids[: -len(text) - 1])
    assert prompt == loaded.encode_question(question)
    assert not any(sample.learned[: len(prompt)])


@pytest.mark.parametrize(
    "parts",
    [
        [("The symptoms of gout are ", False), ("Joint Pain, Fever", True), (".", False)],
        [("痛风的症状是", False), ("关节痛、发烧", True), ("。", False)],
        [("Gout", False), ("痛风", True), (" is 痛", False), ("风", True), ("!", False)],
        [("all of it", True)],
        [("The capi", False), ("tal of Fran", True), ("ce", False)],  # in the middle of tokens
        [("症", False), ("状是", True)],
    ],
)
def test_of_a_text_the_tokens_that_touch_learned_characters_are_learned(
    language: Load, parts: list[tuple[str, bool]]
) -> None:
    loaded = language("llama")
    sample = text_sample(loaded, parts)
    start = loaded.text_start()
    assert list(sample.ids[: len(start)]) == start
    assert not any(sample.learned[: len(start)])
    wanted = bytes(flag for piece, flag in parts for _ in piece.encode())  # one flag a byte
    place = 0
    for token, flag in zip(sample.ids[len(start) :], sample.learned[len(start) :], strict=True):
        letters = len(loaded.tokenizer.convert_ids_to_tokens(token))  # byte level: one letter stands for one byte
        touched = any(wanted[place : place + letters])
        assert flag == touched, (loaded.tokenizer.convert_ids_to_tokens(token), place)
        place += letters
    assert place == len(wanted)


@given(lengths=st.lists(st.integers(1, 90), max_size=200), budget=st.integers(16, 128), seed=st.integers(0, 3))
def test_every_sample_is_in_exactly_one_batch_within_the_budget(lengths: list[int], budget: int, seed: int) -> None:
    batches = plan_batches(lengths, budget, seed)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(batches)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    assert batches == plan_batches(lengths, budget, seed)


def test_batches_stay_near_the_given_order_and_waste_little() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(8, 60, (2000,), generator=generator).tolist()
    batches = plan_batches(lengths, 512, seed=0)
    seen = [index for batch in batches for index in batch]
    far = max(abs(place - index) for place, index in enumerate(seen))
    assert far <= 2 * WINDOW * 512 / 30
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert sum(lengths) / padded > 0.93
    assert plan_batches(lengths, 512, seed=1) != batches
    firsts = [lengths[batch[0]] for batch in batches[:16]]
    assert firsts != sorted(firsts)  # not from short to long


def test_nothing_is_cut_in_silence() -> None:
    check_lengths([Sample((1, 2), (False, True))], 2)
    with pytest.raises(FusionError, match="a lesson has 3 tokens and would be cut at 2; set max_length to 3"):
        check_lengths([Sample((1,), (True,)), Sample((1, 2, 3), (False, True, True))], 2)
    for samples in ([], [Sample((1, 2), (False, False))]):
        with pytest.raises(FusionError, match="nothing in them is to be learned"):
            check_lengths(samples, 2)
