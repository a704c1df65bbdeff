"""Text that the base writes, with its own distributions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from deepseek_fusion.core.artifacts import read_jsonl
from deepseek_fusion.core.config import ReplayConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.divergence import divergence
from deepseek_fusion.training.replay import KEEP, read_replay, write_replay


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v3"])
def test_the_base_is_its_own_teacher(
    run: Run, source: Callable[[str], ModelSource], language: Callable[[str], Language], architecture: str
) -> None:
    made = run.step(write_replay, ReplayConfig(texts=6, max_tokens=24), source(architecture))
    replay = read_replay(made)
    assert replay.ids_TL.shape == (6, 24)
    assert replay.tokens_TLK.shape == replay.probability_TLK.shape == (6, 23, KEEP)
    base = language(architecture)
    rows = torch.tensor([4, 1])
    hidden = base.hidden(replay.ids_TL[rows])[:, :-1].flatten(0, 1)
    assert divergence(hidden, base.head.weight, replay.teacher(rows)).item() / len(hidden) < 1e-3
    teacher = replay.teacher(rows)
    expected = base.head(hidden).softmax(-1).gather(1, teacher.tokens_NK)
    torch.testing.assert_close(teacher.probability_NK, expected, rtol=1e-2, atol=1e-4)


def test_half_are_chats_and_half_are_documents_and_the_same_each_time(
    run: Run, source: Callable[[str], ModelSource], language: Callable[[str], Language]
) -> None:
    model = source("llama")
    made = run.step(write_replay, ReplayConfig(texts=5, max_tokens=40), model)
    texts = [row["text"] for row in read_jsonl(made.path / "replay.jsonl")]
    assert [text.startswith("<|im_start|>user\n") for text in texts] == [True, True, False, False, False]
    assert all(text.startswith("<|endoftext|>") for text in texts[2:])
    assert len(set(texts)) == 5
    again = made.path.parent / "again"
    again.mkdir()
    write_replay(again, ReplayConfig(texts=5, max_tokens=40), model)
    assert (again / "replay.jsonl").read_bytes() == (made.path / "replay.jsonl").read_bytes()
