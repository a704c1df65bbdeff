"""Tunes the encoder to read mentions: the upper layers and the heads, on labelled texts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from deepseek_fusion.evaluation.consistency.encoder.e5 import E5
from deepseek_fusion.evaluation.consistency.encoder.masking import Masked
from deepseek_fusion.evaluation.consistency.encoder.network import base_weights, head_shapes, outputs, tokens
from deepseek_fusion.evaluation.consistency.encoder.revision import SAID
from deepseek_fusion.models.source import multiplies_bfloat16

_SIZE = 24
"""Texts of a batch."""
_NEARBY = 8
"""Batches among which texts are sorted by length."""
_DROP, _DECAY, _CLIP = 0.1, 0.01, 1.0
_WARM_UP = 40
_HEAD_RATE = 1e-3
_LAST_RATE = 0.02
_NOTHING = SAID.index("nothing")


@dataclass(frozen=True)
class Example:
    """A masked text with the truth.

    Attributes:
        said: of each mention, an index of `SAID`.
        subjects: of each mention, whom it is said of; None for nobody known; ignored where nothing is said.
    """

    text: Masked
    said: tuple[int, ...]
    subjects: tuple[str | None, ...]


def train(
    e5: E5,
    groups: Sequence[Sequence[Example]],
    passes: int = 6,
    rate: float = 1e-4,
    frozen: int = 4,
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> dict[str, Tensor]:
    """All weights, by AdamW on the losses of what is said and (half) of whom; the products are in bfloat16 where the
    processor has them.

    Args:
        groups: examples that are one form filled several times; each pass takes one of each.
        passes: over the groups.
        rate: the highest learning rate of the encoder.
        frozen: lowest layers that stay as they are, as the table of tokens does.
        tell: is told of each pass.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    weights = base_weights(e5)
    heads = {name: _first(name, shape) for name, shape in head_shapes(e5.sizes.hidden).items()}
    tuned = [w for name, w in weights.items() if name[0] == "l" and int(name[1 : name.index(".")]) >= frozen]
    weights |= heads
    free = [weight.requires_grad_() for weight in [*tuned, *heads.values()]]
    others: dict[str, Any] = {"params": list(heads.values()), "lr": _HEAD_RATE, "weight_decay": 0.0}
    optimizer = torch.optim.AdamW([{"params": tuned}, others], lr=rate, weight_decay=_DECAY)
    steps = passes * (len(groups) // _SIZE + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / _WARM_UP) * max(_LAST_RATE, 1 - step / steps)
    )
    half = multiplies_bfloat16()
    for number in range(passes):
        losses = []
        for batch in _batches([rng.choice(group) for group in groups], rng):
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = _loss(weights, e5, batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(free, _CLIP)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        tell(f"pass {number + 1} of {passes}: loss {sum(losses) / len(losses):.3f}")
    return {name: weight.detach() for name, weight in weights.items()}


def _first(name: str, shape: tuple[int, ...]) -> Tensor:
    """Small random matrices, all else zero."""
    weight = torch.zeros(shape)
    return torch.nn.init.kaiming_uniform_(weight, a=5**0.5) if name.endswith(".w") else weight


def _batches(examples: list[Example], rng: random.Random) -> Iterator[list[Example]]:
    """In a random order, texts of about one length together."""
    rng.shuffle(examples)
    width = _SIZE * _NEARBY
    sorted_: list[Example] = []
    for start in range(0, len(examples), width):
        sorted_ += sorted(examples[start : start + width], key=lambda example: len(example.text.text))
    batches = [sorted_[start : start + _SIZE] for start in range(0, len(sorted_), _SIZE)]
    rng.shuffle(batches)
    for batch in batches:
        if kept := [example for example in batch if example.said]:
            yield kept


def _loss(weights: dict[str, Tensor], e5: E5, batch: Sequence[Example]) -> Tensor:
    said, chosen = outputs(weights, e5, [tokens(e5, example.text) for example in batch], _DROP)
    loss = F.cross_entropy(said, torch.tensor([label for example in batch for label in example.said]))
    missed = []
    for example, rows in zip(batch, chosen, strict=True):
        names = [None, *(name for name, _ in example.text.subjects)]
        for row, label, subject in zip(rows.log_softmax(-1), example.said, example.subjects, strict=True):
            if label == _NOTHING:
                continue
            right = [place for place, name in enumerate(names) if name == subject] or [0]
            missed.append(-row[right].logsumexp(0))
    return loss + 0.5 * torch.stack(missed).mean() if missed else loss
