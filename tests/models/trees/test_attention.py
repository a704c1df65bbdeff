"""A tree gives every row the states and the gradients that it has alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from deepseek_fusion.core.config import LoraConfig
from deepseek_fusion.models.fused import fuse
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import attach_lora, lora_parameters
from deepseek_fusion.models.trees.attention import EXACT, SHORT, Blocks, reads_trees
from deepseek_fusion.models.trees.tree import Tree

Load = Callable[[str], Language]
DOCUMENT = [7 + number % 90 for number in range(SHORT + 30)]
ROWS = [
    [*DOCUMENT, 11, 12, 13],
    [*DOCUMENT, 11, 12, 14, 15],
    [*DOCUMENT, 21],
    [5, 6, 7],
    [5, 6, 8, 9],
    [5],
    [5, 6, 7],
    DOCUMENT[:40],
]


def trainable(language: Language) -> dict[str, torch.nn.Parameter]:
    attach_lora(language.model, LoraConfig(rank=4), seed=0)
    parameters = lora_parameters(language.model)
    generator = torch.Generator().manual_seed(1)
    for parameter in parameters.values():
        parameter.data.normal_(0, 0.1, generator=generator)
    return parameters


def gradients(language: Language, rows: list[list[int]], parameters: dict[str, torch.nn.Parameter]) -> torch.Tensor:
    """Of a sum over every state with fixed weights, row by row or together."""
    for parameter in parameters.values():
        parameter.grad = torch.zeros_like(parameter)
    hidden, _ = language.states(rows, [range(len(row)) for row in rows])
    weights = torch.linspace(-1, 1, hidden.shape[1])
    (hidden * weights).sin().sum().backward()
    return torch.cat([parameter.grad.flatten() for parameter in parameters.values() if parameter.grad is not None])


@pytest.mark.parametrize("architecture", [*sorted(EXACT), "deepseek_v4"])
def test_states_and_gradients_are_those_of_each_row_alone(language: Load, architecture: str) -> None:
    loaded = language(architecture)
    parameters = trainable(loaded)
    rows = ROWS if architecture in EXACT else [row[:6] for row in ROWS]
    alone = torch.stack([gradients(loaded, [row], parameters) for row in rows]).sum(0)
    single = [loaded.model.get_decoder()(torch.tensor([row]), use_cache=False).last_hidden_state[0] for row in rows]
    fuse(loaded.model)
    together = gradients(loaded, rows, parameters)
    hidden, computed = loaded.states(rows, [range(len(row)) for row in rows])
    torch.testing.assert_close(hidden, torch.cat(single), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(together, alone, rtol=2e-2, atol=1e-3 * alone.abs().max().item())
    assert reads_trees(loaded.model) == (architecture in EXACT)
    assert (computed < sum(map(len, rows))) == (architecture in EXACT)


@torch.inference_mode()
def test_states_come_in_the_order_asked_for(language: Load) -> None:
    loaded = language("llama")
    places = [[1, 0], [], [2], [2, 2], [0], [0], [1], []]
    everything, _ = loaded.states(ROWS, [range(len(row)) for row in ROWS])
    starts = [sum(map(len, ROWS[:number])) for number in range(len(ROWS))]
    wanted = [start + place for start, own in zip(starts, places, strict=True) for place in own]
    torch.testing.assert_close(loaded.states(ROWS, places)[0], everything[wanted])


def test_every_node_is_looked_from_once() -> None:
    tree = Tree.of(ROWS)
    blocks = Blocks.of(tree, torch.device("cpu"))
    looked = torch.cat([block.queries_BQ.flatten() for block in blocks.blocks])[blocks.order_N]
    assert looked.tolist() == list(range(len(tree.ids)))
    assert len(blocks.blocks) < len(ROWS)


def test_the_way_of_attending_is_left_as_it_was(language: Load) -> None:
    loaded = language("llama")
    before = loaded.model.config._attn_implementation
    loaded.states([[1, 2]], [[0]])
    assert loaded.model.config._attn_implementation == before
    with pytest.raises(IndexError):
        loaded.states([[10**6]], [[0]])
    assert loaded.model.config._attn_implementation == before
