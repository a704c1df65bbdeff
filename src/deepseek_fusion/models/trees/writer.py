"""Continuing many rows, one token a step; finished rows make room for waiting ones between two steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.trees.reading import Reading, hidden_where

BATCH = 128
"""Rows up to which more are taken in."""
ROOM = 1 << 15
"""Tokens whose keys and values are held at once: fewer rows where answers may be long."""
Choose = Callable[[Tensor, Sequence[int]], list[int]]
"""Takes a token from each line of logits [M, V]; told to which prompts they belong, so that errors can name one."""


@dataclass
class Answer:
    """An answer as far as it is written.

    Attributes:
        index: which prompt it belongs to.
        ids: its tokens; the last one may not have been read by the model yet.
        limit: tokens at which it is cut.
    """

    index: int
    ids: list[int]
    limit: int
    ends: frozenset[int]

    @property
    def done(self) -> bool:
        """Ended by the model, or cut."""
        return len(self.ids) >= self.limit or self.ids[-1] in self.ends


@dataclass
class Writer:
    """The rows in work, aligned at their ends: keys and values [B, H, W, D] of each layer, and which columns count."""

    language: Language
    choose: Choose
    answers: list[Answer] = field(default_factory=list)
    cache: DynamicCache = field(default_factory=DynamicCache)
    seen_BW: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.bool))

    @property
    def tokens(self) -> int:
        """Tokens whose keys and values the rows may come to hold."""
        longest = max((answer.limit - len(answer.ids) for answer in self.answers), default=0)
        return len(self.answers) * (self.seen_BW.shape[1] + longest)

    def admit(self, answers: Sequence[Answer], reading: Reading, paths: Sequence[list[int]]) -> None:
        """Take in rows whose tokens, all but the last of the answer, stand at `paths` in the cache of a reading."""
        assert reading.cache is not None
        width = max(self.seen_BW.shape[1], *map(len, paths))
        gather_BW = torch.tensor([[0] * (width - len(path)) + path for path in paths], device=self.language.device)
        seen_BW = torch.tensor([[False] * (width - len(path)) + [True] * len(path) for path in paths])
        widen = width - self.seen_BW.shape[1]
        held = _states(self.cache)
        for number, states in enumerate(_states(reading.cache)):
            new = [state[0][:, gather_BW].transpose(0, 1) for state in states]
            if self.answers:
                old = [pad(state, (0, 0, widen, 0)) for state in held[number]]
                new = [torch.cat(pair) for pair in zip(old, new, strict=True)]
            self._hold(number, *new)
        self.seen_BW = torch.cat([pad(self.seen_BW, (widen, 0)), seen_BW]) if self.answers else seen_BW
        self.answers += answers

    def step(self) -> list[Answer]:
        """Write one token in every row; returns the answers that are done, which leave."""
        self.seen_BW = pad(self.seen_BW, (0, 1), value=True)
        lengths = self.seen_BW.sum(1, keepdim=True).to(self.language.device)
        hidden_BLD = self.language.model.get_decoder()(
            input_ids=torch.tensor([[answer.ids[-1]] for answer in self.answers], device=self.language.device),
            attention_mask=hidden_where(~self.seen_BW, self.language)[:, None, None],
            position_ids=lengths - 1,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        logits_BV = self.language.head(hidden_BLD[:, -1]).float()
        chosen = self.choose(logits_BV, [answer.index for answer in self.answers])
        for answer, token in zip(self.answers, chosen, strict=True):
            answer.ids.append(token)
        done = [answer for answer in self.answers if answer.done]
        if done:
            self._release()
        return done

    def _release(self) -> None:
        """Drop finished rows, and the columns that only they used."""
        kept = [row for row, answer in enumerate(self.answers) if not answer.done]
        self.answers = [self.answers[row] for row in kept]
        self.seen_BW = self.seen_BW[kept]
        used = int(self.seen_BW.any(0).int().argmax()) if kept else self.seen_BW.shape[1]
        self.seen_BW = self.seen_BW[:, used:]
        rows = torch.tensor(kept, dtype=torch.long, device=self.language.device)
        for number, states in enumerate(_states(self.cache)):
            self._hold(number, *(state[rows, :, used:] for state in states))

    def _hold(self, number: int, keys: Tensor, values: Tensor) -> None:
        if number == len(self.cache.layers):
            self.cache.update(keys, values, number)
        else:
            layer: Any = self.cache.layers[number]
            layer.keys, layer.values = keys, values


def write_rows(
    writer: Writer,
    readings: Iterator[Reading],
    begun: Callable[[Reading], list[Answer]],
    prompts: Sequence[list[int]],
) -> Iterator[Answer]:
    """Answers as they are done: read on while there is room for more rows, write one token in each of them otherwise.

    Args:
        readings: of the prompts, with keys and values.
        begun: answers as far as a reading tells them, a token at least.
        prompts: token ids.
    """
    reading = next(readings, None)
    while reading is not None or writer.answers:
        if reading is not None and len(writer.answers) < BATCH and writer.tokens < ROOM:
            answers = begun(reading)
            yield from (answer for answer in answers if answer.done)
            open_ = [(answer, path) for answer, path in zip(answers, reading.paths, strict=True) if not answer.done]
            if open_:
                paths = [path[: len(prompts[answer.index]) + len(answer.ids) - 1] for answer, path in open_]
                writer.admit([answer for answer, _ in open_], reading, paths)
            reading = next(readings, None)
        else:
            yield from writer.step()


def _states(cache: DynamicCache) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of each layer."""
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]
