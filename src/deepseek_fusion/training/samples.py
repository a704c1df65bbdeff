"""Lessons as token ids, and the order in which a run sees them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import Language

WINDOW = 16
"""Batches that are sorted by length together: enough for little padding, few enough to stay well mixed."""


@dataclass(frozen=True)
class Sample:
    """Token ids and, for each, whether the loss sees it."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)


def chat_sample(language: Language, question: str, answer: str) -> Sample:
    """A question as served, then the answer and the end of the turn, all of which is learned."""
    prompt = language.encode_question(question)
    completion = [*language.encode(answer), language.end_of_turn]
    return Sample((*prompt, *completion), (False,) * len(prompt) + (True,) * len(completion))


def text_sample(language: Language, parts: Sequence[tuple[str, bool]]) -> Sample:
    """Plain text; a token is learned if any of its characters is."""
    text = "".join(piece for piece, _ in parts)
    learned = [flag for piece, flag in parts for _ in piece]
    encoded = language.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    start = language.text_start()
    return Sample(
        (*start, *encoded["input_ids"]),
        (False,) * len(start) + tuple(any(learned[a:b]) for a, b in encoded["offset_mapping"]),
    )


def check_lengths(samples: Sequence[Sample], limit: int) -> None:
    """Refuse silent truncation.

    Raises:
        FusionError: a sample is longer than `limit` tokens, or none has anything to learn.
    """
    longest = max((len(sample) for sample in samples), default=0)
    if longest > limit:
        raise FusionError(
            f"training.max_length: a lesson has {longest} tokens and would be cut at {limit}; "
            f"set max_length to {longest} or shorten the longest answer."
        )
    if not any(any(sample.learned) for sample in samples):
        raise FusionError("lessons: nothing in them is to be learned; check the knowledge files.")


def batch_tokens_for(tokens: int, steps: int = 200) -> int:
    """Tokens a step when nothing is configured: about so many steps, but neither so few tokens that the processor idles
    nor more than a pass through the model takes at once."""
    return min(512, max(128, tokens // steps))


def plan_batches(lengths: Sequence[int], batch_tokens: int, seed: int) -> list[list[int]]:
    """Indices of the samples of each batch, in training order.

    Samples stay within a window of their given order; in a window they are grouped by length, so that padding is
    rare, and the groups are shuffled. A batch has at most `batch_tokens` tokens, padding included, unless a single
    sample is longer.
    """
    rng = random.Random(seed)
    batches: list[list[int]] = []
    for window in _windows(lengths, WINDOW * batch_tokens):
        cut = list(_cut(sorted(window, key=lambda i: lengths[i]), lengths, batch_tokens))
        rng.shuffle(cut)
        batches += cut
    return batches


def _windows(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    window: list[int] = []
    filled = 0
    for index, length in enumerate(lengths):
        window.append(index)
        filled += length
        if filled >= tokens:
            yield window
            window, filled = [], 0
    if window:
        yield window


def _cut(indices: list[int], lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in indices:  # ascending lengths: the newest is the longest
        if batch and (len(batch) + 1) * lengths[index] > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
