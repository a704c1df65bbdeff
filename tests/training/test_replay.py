"""Text that the base writes, with its own distributions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from deepseek_fusion.core.artifacts import read_jsonl
from deepseek_fusion.core.config import ReplayConfig, TrainingConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.divergence import divergence
from deepseek_fusion.training.prompts import PROMPTS
from deepseek_fusion.training.replay import KEEP, Anchor, read_replay, write_replay


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v3"])
def test_the_base_is_its_own_teacher(
    run: Run, source: Callable[[str], ModelSource], language: Callable[[str], Language], architecture: str
) -> None:
    made = run.step(write_replay, ReplayConfig(texts=6, max_tokens=24), source(architecture))
    replay = read_replay(made)
    base = language(architecture)
    assert len(replay.texts) == 6
    for text, places, teacher in zip(replay.texts, replay.places, replay.teachings, strict=True):
        assert len(text) <= 24
        assert places[-1] == len(text) - 2
        assert teacher.tokens_NK.shape == teacher.probability_NK.shape == (len(places), KEEP)
        hidden = base.hidden(torch.tensor([text]))[0, list(places)]
        assert divergence(hidden, base.head.weight, teacher).item() / len(hidden) < 1e-3
        expected = base.head(hidden).softmax(-1).gather(1, teacher.tokens_NK.long())
        torch.testing.assert_close(teacher.probability_NK.float(), expected, rtol=1e-2, atol=1e-4)


def test_three_in_four_are_answers_and_the_same_each_time(
    run: Run, source: Callable[[str], ModelSource], language: Callable[[str], Language]
) -> None:
    model, base = source("llama"), language("llama")
    made = run.step(write_replay, ReplayConfig(texts=8, max_tokens=40), model)
    replay = read_replay(made)
    prompts = {tuple(base.encode_question(prompt)) for prompt in PROMPTS}
    begins = [places[0] + 1 for places in replay.places]
    asked = [tuple(text[:begin]) for text, begin in zip(replay.texts, begins, strict=True)]
    assert [begin in prompts for begin in asked] == [True] * 6 + [False] * 2
    assert len(set(asked[:6])) == 6
    assert begins[6:] == [1, 1]
    for text, begin in zip(replay.texts[:6], begins, strict=False):
        greedy = base.hidden(torch.tensor([text]))[0, begin - 1 : -1] @ base.head.weight.T
        assert greedy.argmax(-1).tolist() == text[begin:], "an answer is what the base would say"
    again = made.path.parent / "again"
    again.mkdir()
    write_replay(again, ReplayConfig(texts=8, max_tokens=40), model)
    assert read_jsonl(again / "replay.jsonl") == read_jsonl(made.path / "replay.jsonl")


def test_a_share_of_all_tokens_is_replay_and_every_text_has_its_turn(
    run: Run, source: Callable[[str], ModelSource], language: Callable[[str], Language]
) -> None:
    replay = read_replay(run.step(write_replay, ReplayConfig(texts=12, max_tokens=40), source("llama")))
    anchor = Anchor(replay, language("llama"), TrainingConfig(replay_share=0.25), ahead=0)
    seen, turns = {"lessons": 0, "replay": 0}, []
    for step in range(40):
        seen["lessons"] += 100
        if (batch := anchor.batch(step, seen)) is not None:
            seen["replay"] += batch.tokens
            turns += batch.texts
            assert batch.tokens == sum(len(row) + 1 for row in batch.rows)
    longest = max(map(len, replay.texts))
    assert 0.25 * sum(seen.values()) - longest <= seen["replay"] <= 0.25 * sum(seen.values())
    rounds = [turns[i : i + 12] for i in range(0, len(turns) - 11, 12)]
    assert len(rounds) > 1
    assert all(sorted(own) == list(range(12)) for own in rounds)
    assert rounds[0] != rounds[1]
