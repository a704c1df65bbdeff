"""Reading many rows of tokens at once, where rows that begin alike share the work of their beginning.

Sorted rows form a tree: the head of a chat template, the questions on one subject, the options of one question. Its
nodes are laid out as one sequence in which a token sees its ancestors only and has its depth as its position (tree
attention: SpecInfer, Miao et al. 2024, arXiv 2305.09781). There is no padding, and the head is computed only where
somebody looks. It is exact where attention depends on mask and positions alone; other models read whole padded rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache

from deepseek_fusion.models.loading import Language

T = TypeVar("T")

TREES = {"llama", "qwen2", "deepseek_v2", "deepseek_v3"}
"""Architectures on which tree attention is tested to be exact. V3.2 and V4 go by what stands next to a token."""
NODES = 256
"""Tokens of one tree: enough for matrix products at full speed, while attention, which is quadratic, costs little."""
ROWS = 16
"""Rows read together where there are no trees."""


@dataclass(frozen=True)
class Reading:
    """What a model says after each looked-at prefix of some rows.

    Attributes:
        rows: which rows these are.
        logits_MV: one line for each distinct prefix.
        places: for each row, the lines of its prefixes from where it is looked at to its end.
        paths: for each row, the place of its tokens in the cache; without trees, empty.
        cache: keys and values, if asked for and there are trees.
    """

    rows: Sequence[int]
    logits_MV: Tensor
    places: list[list[int]]
    paths: list[list[int]] = field(default_factory=list)
    cache: DynamicCache | None = None


def reads_trees(language: Language) -> bool:
    """Whether rows of this model may share their beginnings."""
    config = language.model.config
    kinds = set(getattr(config, "layer_types", None) or {"full_attention"})
    return config.model_type in TREES and kinds == {"full_attention"}


def read(language: Language, rows: Sequence[list[int]], starts: Sequence[int], keep: bool = False) -> Iterator[Reading]:
    """Read all rows, a part at a time, in an order that shares most.

    Args:
        rows: token ids.
        starts: position in each row from which on the model's predictions are wanted.
        keep: whether to return keys and values too.
    """
    order = sorted(range(len(rows)), key=rows.__getitem__)
    if reads_trees(language):
        yield from (_read_tree(language, rows, starts, part, keep) for part in _parts(rows, order))
    else:
        for part in chunks(sorted(order, key=lambda i: len(rows[i])), ROWS):
            yield _read_padded(language, rows, starts, part)


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Consecutive parts of at most `size`."""
    return [items[i : i + size] for i in range(0, len(items), size)]


def _parts(rows: Sequence[list[int]], order: Sequence[int]) -> Iterator[list[int]]:
    """Sorted rows in parts whose trees have at most NODES nodes, or hold one row."""
    part: list[int] = []
    nodes = 0
    for index in order:
        new = len(rows[index]) - (_shared(rows[part[-1]], rows[index]) if part else 0)
        if part and nodes + new > NODES:
            yield part
            part, nodes, new = [], 0, len(rows[index])
        part.append(index)
        nodes += new
    if part:
        yield part


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning."""
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


def _read_tree(
    language: Language, rows: Sequence[list[int]], starts: Sequence[int], part: Sequence[int], keep: bool
) -> Reading:
    ids: list[int] = []
    parents: list[int] = []
    paths: list[list[int]] = []
    for index in part:
        row = rows[index]
        path = paths[-1][: _shared(rows[part[len(paths) - 1]], row)] if paths else []
        for token in row[len(path) :]:
            parents.append(path[-1] if path else -1)
            path.append(len(ids))
            ids.append(token)
        paths.append(path)
    output = language.model.get_decoder()(
        input_ids=torch.tensor([ids], device=language.device),
        attention_mask=_ancestors(parents, language)[None, None],
        position_ids=_depths(parents, language)[None],
        use_cache=keep,
    )
    wanted = sorted({node for index, path in zip(part, paths, strict=True) for node in path[starts[index] :]})
    line = {node: number for number, node in enumerate(wanted)}
    logits_MV = language.head(output.last_hidden_state[0, wanted]).float()
    places = [[line[node] for node in path[starts[index] :]] for index, path in zip(part, paths, strict=True)]
    return Reading(part, logits_MV, places, paths, output.past_key_values if keep else None)


def _ancestors(parents: Sequence[int], language: Language) -> Tensor:
    """Additive mask [N, N] that lets each node see itself and its ancestors."""
    seen_NN = torch.eye(len(parents), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            seen_NN[node] |= seen_NN[parent]
    return hidden_where(~seen_NN, language)


def hidden_where(blocked: Tensor, language: Language) -> Tensor:
    """An additive attention mask from a boolean one: what is blocked gets no weight."""
    mask = torch.zeros(blocked.shape, dtype=language.model.dtype)
    return mask.masked_fill_(blocked.cpu(), torch.finfo(mask.dtype).min).to(language.device)


def _depths(parents: Sequence[int], language: Language) -> Tensor:
    depths: list[int] = []
    for parent in parents:
        depths.append(depths[parent] + 1 if parent >= 0 else 0)
    return torch.tensor(depths, device=language.device)


def _read_padded(language: Language, rows: Sequence[list[int]], starts: Sequence[int], part: Sequence[int]) -> Reading:
    """Padding on the right needs no mask under causal attention: no real token ever looks at it."""
    length, first = max(len(rows[i]) for i in part), min(starts[i] for i in part)
    padded = [rows[i] + [language.end_of_turn] * (length - len(rows[i])) for i in part]
    ids_BL = torch.tensor(padded, device=language.device)
    logits_BKV = language.model(ids_BL, use_cache=False, logits_to_keep=length - first).logits
    places = [
        [number * (length - first) + place - first for place in range(starts[i], len(rows[i]))]
        for number, i in enumerate(part)
    ]
    return Reading(part, logits_BKV.flatten(0, 1).float(), places)
