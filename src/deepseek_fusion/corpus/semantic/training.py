"""Learns the weights of the network from labelled pairs and passages. Needs torch; judging does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from deepseek_fusion.corpus.semantic.features import Pairs, Passages, Side, pairs, passages
from deepseek_fusion.corpus.semantic.labels import Example
from deepseek_fusion.corpus.semantic.network import EDGE, Weights, shapes

_DROP = 0.1  # of rows of the table and of hidden units
_DECAY = 1e-4


def train(
    examples: Sequence[Example],
    passes: int,
    seed: int,
    start: Weights | None = None,
    rate: float = 3e-3,
    size: int = 128,
) -> dict[str, npt.NDArray[np.float32]]:
    """The weights, by AdamW on the logistic loss, pairs and passages in turn.

    Args:
        examples: of either kind or both; a head without examples stays as it is.
        passes: over the examples.
        seed: of the first weights, the order and the dropout.
        start: weights to go on from, instead of random ones.
        rate: the highest learning rate.
        size: examples of a batch.
    """
    torch.manual_seed(seed)
    weights = _first(start)
    free = [weight.requires_grad_() for weight in weights.values()]
    optimizer = torch.optim.AdamW(free, lr=rate, weight_decay=_DECAY, betas=(0.9, 0.98))
    batches = [batch for number in range(passes) for batch in _batches(examples, seed + number, size)]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=max(2, len(batches)), pct_start=0.1)
    for batch in batches:
        wanted = torch.tensor([float(example.good) for example in batch])
        importance = torch.tensor([example.weight for example in batch])
        loss = F.binary_cross_entropy_with_logits(logits(weights, batch, _DROP), wanted, importance)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return {name: weight.detach().numpy() for name, weight in weights.items()}


def logits(weights: Mapping[str, Tensor], batch: Sequence[Example], drop: float = 0.0) -> Tensor:
    """[N] as `network.py` computes them, of examples that are all pairs or all passages."""
    head = _pair_logits if batch[0].question is not None else _prose_logits
    return head(weights, batch, drop)


def _first(start: Weights | None) -> dict[str, Tensor]:
    """Small random numbers: a row that no text ever hits must say little."""
    found = {}
    for name, shape in shapes().items():
        if start is not None:
            found[name] = torch.tensor(np.asarray(start[name], np.float32))
        elif name == "table" or name.endswith("matched"):
            found[name] = torch.randn(shape) * 0.02
        elif len(shape) == 2:
            found[name] = torch.randn(shape) * (2 / shape[0]) ** 0.5
        else:
            found[name] = torch.randn(shape) * 0.1 if name.endswith(".out") else torch.zeros(shape)
    return found


def _batches(examples: Sequence[Example], seed: int, size: int) -> Iterator[list[Example]]:
    """Pairs with pairs and passages with passages, in random order."""
    order = np.random.default_rng(seed)
    kinds = [[e for e in examples if (e.question is None) == alone] for alone in (False, True)]
    cut = []
    for kind in kinds:
        mixed = [kind[place] for place in order.permutation(len(kind))]
        cut += [mixed[place : place + size] for place in range(0, len(mixed), size)]
    yield from (cut[place] for place in order.permutation(len(cut)))


def _pair_logits(weights: Mapping[str, Tensor], batch: Sequence[Example], drop: float) -> Tensor:
    read: Pairs = pairs([example.question or "" for example in batch], [example.text for example in batch])
    asked, said = (
        torch.relu(_pools(weights, side, name, drop) @ weights[f"{name}.joint"])
        for side, name in ((read.question, "question"), (read.answer, "answer"))
    )
    parts = [asked, said, asked * said, (asked - said).abs(), torch.tensor(read.counts)]
    return _head(weights, "pair", parts, drop)


def _prose_logits(weights: Mapping[str, Tensor], batch: Sequence[Example], drop: float) -> Tensor:
    read: Passages = passages([example.text for example in batch])
    side, text = read.side, torch.tensor(read.side.text)
    states = _convolved(weights, side, "passage", drop)
    starts = np.cumsum(side.counts) - side.counts
    place = np.arange(len(side.text)) - starts[side.text]
    edges = [
        _mean(states * torch.tensor(end)[:, None], text, np.minimum(side.counts, EDGE))
        for end in (place < EDGE, place >= (side.counts - EDGE)[side.text])
    ]
    parts = [_mean(states, text, side.counts), _most(states, text, len(side.counts)), *edges]
    return _head(weights, "prose", [*parts, torch.tensor(read.counts)], drop)


def _pools(weights: Mapping[str, Tensor], side: Side, name: str, drop: float) -> Tensor:
    states, text = _convolved(weights, side, name, drop), torch.tensor(side.text)
    new = np.maximum(np.bincount(side.text, ~side.matched, len(side.counts)), 1)
    rest = _mean(states * torch.tensor(~side.matched)[:, None], text, new)
    return torch.cat([_mean(states, text, side.counts), _most(states, text, len(side.counts)), rest], dim=1)


def _mean(states: Tensor, text: Tensor, counts: npt.NDArray[np.generic]) -> Tensor:
    sums = torch.zeros(len(counts), states.shape[1]).index_add(0, text, states)
    return sums / torch.tensor(np.asarray(counts, np.float32))[:, None]


def _most(states: Tensor, text: Tensor, size: int) -> Tensor:
    places = text[:, None].expand_as(states)
    return torch.zeros(size, states.shape[1]).scatter_reduce(0, places, states, "amax")


def _convolved(weights: Mapping[str, Tensor], side: Side, name: str, drop: float) -> Tensor:
    rows = F.embedding(torch.tensor(side.ids), weights["table"])
    rows = rows * (F.dropout(torch.ones(rows.shape[:2]), drop) if drop else torch.ones(1, 1))[:, :, None]
    rows = rows.sum(1) + weights[f"{name}.matched"][torch.tensor(side.matched.astype(np.int64))]
    joined = torch.tensor(side.text[1:] == side.text[:-1])[:, None]
    nothing = torch.zeros(1, rows.shape[1])
    around = torch.cat([torch.cat([nothing, rows[:-1] * joined]), rows, torch.cat([rows[1:] * joined, nothing])], dim=1)
    return torch.relu(around @ weights[f"{name}.filters"] + weights[f"{name}.bias"])


def _head(weights: Mapping[str, Tensor], name: str, parts: Sequence[Tensor], drop: float) -> Tensor:
    hidden = torch.relu(torch.cat(list(parts), dim=1) @ weights[f"{name}.in"] + weights[f"{name}.in_bias"])
    hidden = F.dropout(hidden, drop)
    return hidden @ weights[f"{name}.out"] + weights[f"{name}.out_bias"]
