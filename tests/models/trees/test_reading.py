"""A tree of rows says what each row says alone, and reads what they share once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.trees.attention import EXACT, reads_trees
from deepseek_fusion.models.trees.reading import TOKENS, read

Load = Callable[[str], Language]
TEXTS = (
    "What is the capital of France?",
    "What is the capital of Spain?",
    "What is the capital",
    "What is the capital of France?",
    "痛风有哪些症状？",
    "W",
)


@pytest.mark.parametrize("architecture", [*sorted(EXACT), "deepseek_v32", "deepseek_v4"])
@torch.inference_mode()
def test_each_row_is_read_as_if_alone(language: Load, architecture: str) -> None:
    loaded = language(architecture)
    rows = [loaded.encode(text)[:9] for text in TEXTS]  # V3.2 looks at 8 tokens, from 10 on it sees what comes later
    starts = [0, 3, 1, len(rows[3]) - 1, 2, 0]
    seen = set()
    for reading in read(loaded, rows, starts):
        for index, lines in zip(reading.rows, reading.places, strict=True):
            alone = loaded.model(torch.tensor([rows[index]])).logits[0, starts[index] :].float()
            torch.testing.assert_close(reading.logits_MV[lines], alone, rtol=1e-3, atol=1e-3)
            seen.add(index)
    assert seen == set(range(len(rows)))
    assert reads_trees(loaded.model) == (architecture in EXACT)


@torch.inference_mode()
def test_what_rows_share_is_read_once(language: Load) -> None:
    loaded = language("llama")
    rows = [loaded.encode(text) for text in TEXTS]
    (reading,) = read(loaded, rows, [len(row) - 1 for row in rows], keep=True)
    assert reading.cache is not None
    distinct = {tuple(row[: place + 1]) for row in rows for place in range(len(row))}
    assert reading.cache.get_seq_length() == len(distinct) < sum(map(len, rows))
    assert len(reading.logits_MV) == len({tuple(row) for row in rows})


@torch.inference_mode()
def test_many_rows_are_read_in_parts_and_a_long_one_alone(language: Load) -> None:
    loaded = language("llama")
    rows = [loaded.encode(f"{number} is a number") for number in range(120)] + [[5] * (TOKENS + 40)]
    readings = list(read(loaded, rows, [len(row) - 1 for row in rows], keep=True))
    assert sorted(index for reading in readings for index in reading.rows) == list(range(121))
    sizes = [reading.cache.get_seq_length() for reading in readings if reading.cache is not None]
    assert sorted(sizes)[-1] == TOKENS + 40
    assert len(sizes) > 2
    assert all(size <= TOKENS for size in sorted(sizes)[:-1])


def test_models_with_windows_read_no_trees(language: Load) -> None:
    loaded = language("qwen2")
    assert reads_trees(loaded.model)
    loaded.model.config.layer_types = ["full_attention", "sliding_attention"]
    assert not reads_trees(loaded.model)
