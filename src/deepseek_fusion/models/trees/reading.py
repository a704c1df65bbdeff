"""Reading many rows of tokens at once: beginnings are shared where the model allows it (`tree.py`), and the
head is computed only where somebody looks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache

from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.trees.attention import read_tree, reads_trees
from deepseek_fusion.models.trees.tree import Tree

T = TypeVar("T")

TOKENS = 512
"""Tokens read together: enough for matrix products at full speed."""


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


def read(language: Language, rows: Sequence[list[int]], starts: Sequence[int], keep: bool = False) -> Iterator[Reading]:
    """Read all rows, a part at a time, in an order that shares most.

    Args:
        rows: token ids.
        starts: position in each row from which on the model's predictions are wanted.
        keep: whether to return keys and values too.
    """
    reader = _read_tree if reads_trees(language.model) else _read_apart
    for part in language.parts(rows, TOKENS):
        yield reader(language, rows, starts, part, keep)


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Consecutive parts of at most `size`."""
    return [items[i : i + size] for i in range(0, len(items), size)]


def equal_lengths(rows: Sequence[Sequence[int]], size: int) -> Iterator[Sequence[int]]:
    """Indices of rows of one length, at most `size` of them: padding would change what some models answer."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[len(row)].append(index)
    return (part for length in sorted(groups) for part in chunks(groups[length], size))


def _read_tree(
    language: Language, rows: Sequence[list[int]], starts: Sequence[int], part: Sequence[int], keep: bool
) -> Reading:
    tree = Tree.of([rows[index] for index in part])
    output = read_tree(language.model, tree, keep)
    looked = [path[starts[index] :] for index, path in zip(part, tree.paths, strict=True)]
    wanted = sorted({node for own in looked for node in own})
    line = {node: number for number, node in enumerate(wanted)}
    return Reading(
        part,
        language.head(output.last_hidden_state[0, wanted]).float(),
        [[line[node] for node in own] for own in looked],
        tree.paths,
        output.past_key_values if keep else None,
    )


def _read_apart(
    language: Language, rows: Sequence[list[int]], starts: Sequence[int], part: Sequence[int], keep: bool
) -> Reading:
    looked = [range(starts[index], len(rows[index])) for index in part]
    hidden_MD, _ = language.states([rows[index] for index in part], looked)
    lines = iter(range(len(hidden_MD)))
    return Reading(part, language.head(hidden_MD).float(), [[next(lines) for _ in own] for own in looked])


def hidden_where(blocked: Tensor, language: Language) -> Tensor:
    """An additive attention mask from a boolean one: what is blocked gets no weight."""
    mask = torch.zeros(blocked.shape, dtype=language.model.dtype)
    return mask.masked_fill_(blocked.cpu(), torch.finfo(mask.dtype).min).to(language.device)
