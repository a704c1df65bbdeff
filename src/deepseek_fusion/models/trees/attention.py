"""Attention in a tree of rows: every token looks at its own row only, and each row is as long as it is.

Keys and values are gathered row by row and the rows' own tokens look at them in a few blocks of like size. Shared
beginnings are the own tokens of one row alone, so they are computed once. Works wherever a library model lets its
attention function be chosen and attention depends on mask and positions alone.

Shape suffixes: N nodes, B rows of a block, Q own tokens of a row, K tokens of a row, H heads, G query heads for each of
the J key heads, D width of a head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

from deepseek_fusion.models.trees.tree import Tree

NAME = "deepseek_fusion_tree"
EXACT = {"llama", "qwen2", "deepseek_v2", "deepseek_v3"}
"""Architectures on which it is tested to be exact. V3.2 and V4 go by what stands next to a token."""
UNEVEN = 1.5
"""How much a block may cost more than its rows would one by one, before it is cut in two."""
SHORT = 128
"""Keys up to which plain matrix products are faster than the fused kernel of a CPU (experiments/LOG.md)."""


@dataclass(frozen=True)
class Block:
    """Rows attended to together.

    Attributes:
        queries_BQ: nodes that look; places past the end of a row hold node 0 and are dropped afterwards.
        keys_BK: nodes looked at.
        mask_BQK: 0 where a query may look, minus infinity elsewhere.
    """

    queries_BQ: Tensor
    keys_BK: Tensor
    mask_BQK: Tensor


@dataclass(frozen=True)
class Blocks:
    """The blocks of a tree, and where in their stacked outputs each node's stands."""

    blocks: list[Block]
    order_N: Tensor

    @classmethod
    def of(cls, tree: Tree, device: torch.device) -> Blocks:
        """Plan the blocks of a tree."""
        blocks: list[Block] = []
        order = [0] * len(tree.ids)
        start = 0
        for rows in _alike(tree):
            own = [tree.paths[row][tree.shared[row] :] for row in rows]
            most, longest = max(map(len, own)), max(len(tree.paths[row]) for row in rows)
            queries_BQ = torch.zeros(len(rows), most, dtype=torch.long)
            keys_BK = torch.zeros(len(rows), longest, dtype=torch.long)
            mask_BQK = torch.full((len(rows), most, longest), float("-inf"))
            for number, (row, nodes) in enumerate(zip(rows, own, strict=True)):
                path, first = tree.paths[row], tree.shared[row]
                queries_BQ[number, : len(nodes)] = torch.tensor(nodes)
                keys_BK[number, : len(path)] = torch.tensor(path)
                mask_BQK[number, : len(nodes), : len(path)] = torch.full((len(nodes), len(path)), float("-inf")).triu_(
                    first + 1
                )
                mask_BQK[number, len(nodes) :, 0] = 0  # a softmax over nothing would not be a number
                for place, node in enumerate(nodes):
                    order[node] = start + number * most + place
            start += queries_BQ.numel()
            blocks.append(Block(queries_BQ.to(device), keys_BK.to(device), mask_BQK.to(device)))
        return cls(blocks, torch.tensor(order, device=device))


def reads_trees(model: PreTrainedModel) -> bool:
    """Whether rows of this model may share their beginnings."""
    kinds = set(getattr(model.config, "layer_types", None) or {"full_attention"})
    return model.config.model_type in EXACT and kinds == {"full_attention"}


def read_tree(model: PreTrainedModel, tree: Tree, keep: bool = False) -> Any:
    """Run a model's decoder over a tree.

    Args:
        keep: whether to return keys and values too.

    Returns:
        the decoder's output: `last_hidden_state` [1, N, D], and `past_key_values` if kept.
    """
    device = model.device
    with _chosen(model):
        return model.get_decoder()(
            input_ids=torch.tensor([tree.ids], device=device),
            position_ids=torch.tensor([tree.depths], device=device),
            attention_mask=torch.zeros(1, 1, 1, 1, device=device),  # the blocks know better; keeps one from being made
            use_cache=keep,
            blocks=Blocks.of(tree, device),
        )


def _alike(tree: Tree) -> Iterator[list[int]]:
    """Rows in groups of about the same number of own tokens, few enough to be worth a block each."""
    rows = [row for row, path in enumerate(tree.paths) if tree.shared[row] < len(path)]
    rows.sort(key=lambda row: (len(tree.paths[row]) - tree.shared[row], len(tree.paths[row])))
    group: list[int] = []
    needed = longest = 0
    for row in rows:
        own, length = len(tree.paths[row]) - tree.shared[row], len(tree.paths[row])
        longest = max(longest, length)
        if group and (len(group) + 1) * own * longest > UNEVEN * (needed + own * length) + SHORT * SHORT:
            yield group
            group, needed, longest = [], 0, length
        group.append(row)
        needed += own * length
    if group:
        yield group


@contextmanager
def _chosen(model: PreTrainedModel) -> Iterator[None]:
    config: Any = model.config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    blocks: Blocks,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """[1, H, N, D], [1, J, N, D], [1, J, N, Dv] -> [1, N, H, Dv]."""
    query, key, value = query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1)
    (nodes, heads, width), (own, deep) = query.shape, value.shape[1:]
    q_N, kv_N = query.reshape(nodes, -1), torch.cat([key.reshape(nodes, -1), value.reshape(nodes, -1)], 1)
    outputs = []
    for block in blocks.blocks:
        rows, looking = block.queries_BQ.shape
        keys, values = F.embedding(block.keys_BK, kv_N).split([own * width, own * deep], -1)
        seen_BJQD = _look(
            F.embedding(block.queries_BQ, q_N).view(rows, looking, own, heads // own, width).permute(0, 2, 3, 1, 4),
            keys.view(rows, -1, own, width).transpose(1, 2),
            values.view(rows, -1, own, deep).transpose(1, 2),
            block.mask_BQK,
            width**-0.5 if scaling is None else scaling,
        )
        outputs.append(seen_BJQD.permute(0, 3, 1, 2, 4).reshape(rows * looking, heads * deep))
    return F.embedding(blocks.order_N, torch.cat(outputs)).view(1, nodes, heads, deep), None


def _look(q_BJGQD: Tensor, k_BJKD: Tensor, v_BJKD: Tensor, mask_BQK: Tensor, scale: float) -> Tensor:
    """Softmax attention; the query heads of one key head are further queries to it. Returns [B, J, G, Q, Dv]."""
    rows, own, group, looking, _ = q_BJGQD.shape
    q = q_BJGQD.flatten(2, 3)
    if q.device.type == "cpu" and k_BJKD.shape[2] <= SHORT:
        scores = torch.bmm(q.flatten(0, 1) * scale, k_BJKD.flatten(0, 1).transpose(1, 2))
        scores = scores.view(rows, own * group, looking, -1) + mask_BQK[:, None].to(scores.dtype)
        seen = torch.bmm(scores.softmax(-1).view(rows * own, group * looking, -1), v_BJKD.flatten(0, 1))
    else:
        mask = mask_BQK.to(q.dtype).repeat(1, group, 1)[:, None]
        seen = F.scaled_dot_product_attention(q, k_BJKD, v_BJKD, attn_mask=mask, scale=scale)
    return seen.view(rows, own, group, looking, -1)


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, lambda *_, **__: None)
