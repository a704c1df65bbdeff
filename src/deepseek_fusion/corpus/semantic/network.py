"""The network that judges pairs and passages, in numpy: two small heads on one table of embeddings.

A token is the sum of its rows and of a vector that says whether it is matched; a convolution over three tokens follows.
A pair compares the pooled question with the pooled answer and with what is new in each, much as Wang and Jiang's
"compare-aggregate" (2017); a passage is its pools, its first and its last tokens. `training.py` learns the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.semantic.features import PAIR_COUNTS, PASSAGE_COUNTS, Pairs, Passages, Side
from deepseek_fusion.corpus.semantic.tokens import BUCKETS

Weights = Mapping[str, npt.NDArray[np.float32]]
Array = npt.NDArray[np.float32]

WIDTH, FILTERS, JOINT, HIDDEN = 24, 48, 48, 64
EDGE = 3
"""Tokens at either end of a passage that are looked at by themselves."""


def shapes() -> dict[str, tuple[int, ...]]:
    """The weights by name."""
    found: dict[str, tuple[int, ...]] = {"table": (BUCKETS, WIDTH)}
    for side in ("question", "answer", "passage"):
        found |= {f"{side}.matched": (2, WIDTH), f"{side}.filters": (3 * WIDTH, FILTERS), f"{side}.bias": (FILTERS,)}
    found |= {f"{side}.joint": (3 * FILTERS, JOINT) for side in ("question", "answer")}
    sizes = {"pair": 4 * JOINT + PAIR_COUNTS, "prose": 4 * FILTERS + PASSAGE_COUNTS}
    for head, size in sizes.items():
        found |= {f"{head}.in": (size, HIDDEN), f"{head}.in_bias": (HIDDEN,), f"{head}.out": (HIDDEN,)}
        found[f"{head}.out_bias"] = (1,)
    return found


def judge_pairs(weights: Weights, pairs: Pairs) -> Array:
    """[N] logits that the answer answers the question."""
    asked, said = (
        _relu(_pools(weights, side, name) @ weights[f"{name}.joint"])
        for side, name in ((pairs.question, "question"), (pairs.answer, "answer"))
    )
    return _head(weights, "pair", [asked, said, asked * said, np.abs(asked - said), pairs.counts])


def judge_passages(weights: Weights, passages: Passages) -> Array:
    """[N] logits that the passage is coherent prose."""
    side = passages.side
    states = _convolved(weights, side, "passage")
    starts = np.cumsum(side.counts) - side.counts
    place = np.arange(len(side.text)) - starts[side.text]
    ends = [place < EDGE, place >= (side.counts - EDGE)[side.text]]
    edges = [_mean(states * end[:, None], starts, np.minimum(side.counts, EDGE)) for end in ends]
    return _head(weights, "prose", [*_mean_and_most(states, side), *edges, passages.counts])


def _pools(weights: Weights, side: Side, name: str) -> Array:
    """[N, 3 F]: mean, maximum, and the mean of what the other side does not have."""
    states = _convolved(weights, side, name)
    starts = np.cumsum(side.counts) - side.counts
    new = np.add.reduceat(~side.matched, starts, dtype=np.int64)
    rest = _mean(states * ~side.matched[:, None], starts, np.maximum(new, 1))
    return np.concatenate([*_mean_and_most(states, side), rest], axis=1)


def _mean_and_most(states: Array, side: Side) -> tuple[Array, Array]:
    starts = np.cumsum(side.counts) - side.counts
    return _mean(states, starts, side.counts), np.maximum.reduceat(states, starts)


def _mean(states: Array, starts: npt.NDArray[Any], counts: npt.NDArray[Any]) -> Array:
    sums: Array = np.add.reduceat(states, starts)
    means: Array = np.divide(sums, counts[:, None], dtype=np.float32)
    return means


def _convolved(weights: Weights, side: Side, name: str) -> Array:
    """[T, F] each token with its neighbours of the same text."""
    rows = weights["table"][side.ids].sum(1) + weights[f"{name}.matched"][side.matched.astype(np.int64)]
    joined = (side.text[1:] == side.text[:-1])[:, None]
    around = np.zeros((len(rows), 3 * WIDTH), np.float32)
    around[:, WIDTH : 2 * WIDTH] = rows
    around[1:, :WIDTH] = rows[:-1] * joined
    around[:-1, 2 * WIDTH :] = rows[1:] * joined
    return _relu(around @ weights[f"{name}.filters"] + weights[f"{name}.bias"])


def _head(weights: Weights, name: str, parts: list[Array]) -> Array:
    hidden = _relu(np.concatenate(parts, axis=1) @ weights[f"{name}.in"] + weights[f"{name}.in_bias"])
    logits: Array = hidden @ weights[f"{name}.out"] + weights[f"{name}.out_bias"]
    return logits


def _relu(values: Array) -> Array:
    return np.maximum(values, 0)
