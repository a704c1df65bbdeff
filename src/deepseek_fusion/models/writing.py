"""What a model writes to prompts, as token ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.attention import reads_trees
from deepseek_fusion.models.loading import PLAIN, Language

BATCH = 32
"""Answers written at once."""


@torch.no_grad()
def write_answers(
    language: Language,
    prompts: Sequence[Sequence[int]],
    limit: int,
    temperature: float = 0.0,
    seed: int = 0,
    place: str = "training.distil",
) -> list[list[int]]:
    """Token ids of one answer to each prompt, up to and with the one that ends the turn.

    Args:
        limit: tokens at which an answer is cut.
        temperature: at which tokens are drawn, from the whole vocabulary; 0 takes the likeliest.
        seed: of the draws.
        place: of the phase in the configuration, for errors.

    Raises:
        FusionError: the model's outputs are not numbers.
    """
    ends = ends_of(language)
    drawn = {"do_sample": True, "top_k": 0, "temperature": temperature} if temperature else {"do_sample": False}
    written: dict[int, list[int]] = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for part in _together(language, prompts):
            width = max(len(prompts[i]) for i in part)
            rows = [[language.end_of_turn] * (width - len(prompts[i])) + list(prompts[i]) for i in part]
            mask = [[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in part]
            made: Tensor = language.model.generate(  # type: ignore[operator]
                torch.tensor(rows, device=language.device),
                attention_mask=torch.tensor(mask, device=language.device),
                **{**PLAIN, **drawn},
                max_new_tokens=limit,
                eos_token_id=sorted(ends),
                pad_token_id=language.end_of_turn,
                logits_processor=[_Numbers(language, place)],
            )
            for index, ids in zip(part, made[:, width:].tolist(), strict=True):
                end = next((place for place, token in enumerate(ids) if token in ends), limit - 1)
                written[index] = ids[: end + 1]
    return [written[index] for index in range(len(prompts))]


class _Numbers(LogitsProcessor):
    """Lets nothing pass but numbers."""

    def __init__(self, language: Language, place: str) -> None:
        self.language, self.place = language, place

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [B, V] of the tokens that could follow `input_ids` [B, L]."""
        if bool((scores.isnan() | scores.isposinf()).any()):
            begins = self.language.decode(input_ids[0].tolist())
            raise FusionError(
                f"{self.place}: the model's outputs are not numbers, in the batch with {begins!r}; lower "
                f"{self.place}.learning_rate and run again."
            )
        return scores


def ends_of(language: Language) -> set[int]:
    """Tokens that end an answer."""
    config = language.model.generation_config
    ends = config.eos_token_id if config is not None else None
    return {language.end_of_turn, *(ends if isinstance(ends, list) else [] if ends is None else [ends])}


def _together(language: Language, prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Prompts of like length, at most a batch of them; of one length where padding would change the answer."""
    padded = reads_trees(language.model)
    part: list[int] = []
    for index in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        if part and (len(part) == BATCH or not (padded or len(prompts[index]) == len(prompts[part[0]]))):
            yield part
            part = []
        part.append(index)
    if part:
        yield part
