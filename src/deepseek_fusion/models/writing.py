"""What a model writes to prompts, as token ids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import PLAIN, Language
from deepseek_fusion.models.trees.attention import reads_trees
from deepseek_fusion.models.trees.reading import Reading, equal_lengths, read
from deepseek_fusion.models.trees.writer import Answer, Choose, Writer, write_rows

BATCH = 32
"""Answers that the library writes at once."""


@torch.no_grad()
def write_answers(
    language: Language,
    prompts: Sequence[list[int]],
    limit: int,
    temperature: float = 0.0,
    seed: int = 0,
    place: str = "training.distil",
) -> list[list[int]]:
    """Token ids of one answer to each prompt, up to and with the one that ends the turn.

    What prompts share is read once, and a finished answer leaves, so several answers to one prompt cost a few times
    less than the library takes. It writes for models that read no trees.

    Args:
        prompts: token ids, at least one each.
        limit: tokens at which an answer is cut.
        temperature: at which tokens are drawn, from the whole vocabulary; 0 takes the likeliest.
        seed: of the draws.
        place: of the phase in the configuration, for errors.

    Raises:
        FusionError: the model's outputs are not numbers.
    """

    def choose(logits_MV: Tensor, numbers: Sequence[int]) -> list[int]:
        _check(language, logits_MV, prompts[numbers[0]], place)
        if not temperature:
            return logits_MV.argmax(-1).tolist()
        return torch.multinomial((logits_MV / temperature).softmax(-1), 1)[:, 0].tolist()

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if reads_trees(language.model):
            return _in_trees(language, prompts, limit, choose)
        return _by_library(language, prompts, limit, temperature, place)


def _in_trees(language: Language, prompts: Sequence[list[int]], limit: int, choose: Choose) -> list[list[int]]:
    ends = frozenset(ends_of(language))

    def begun(reading: Reading) -> list[Answer]:
        return [
            Answer(number, choose(reading.logits_MV[lines], [number]), limit, ends)
            for number, lines in zip(reading.rows, reading.places, strict=True)
        ]

    readings = read(language, prompts, [len(prompt) - 1 for prompt in prompts], keep=True)
    written = {answer.index: answer.ids for answer in write_rows(Writer(language, choose), readings, begun, prompts)}
    return [written[number] for number in range(len(prompts))]


def _by_library(
    language: Language, prompts: Sequence[list[int]], limit: int, temperature: float, place: str
) -> list[list[int]]:
    ends = ends_of(language)
    drawn = {"do_sample": True, "top_k": 0, "temperature": temperature} if temperature else {"do_sample": False}
    written: dict[int, list[int]] = {}
    for part in equal_lengths(prompts, BATCH):
        rows_BL = torch.tensor([prompts[number] for number in part], device=language.device)
        made: Tensor = language.model.generate(  # type: ignore[operator]
            rows_BL,
            attention_mask=torch.ones_like(rows_BL),
            **{**PLAIN, **drawn},
            max_new_tokens=limit,
            eos_token_id=sorted(ends),
            pad_token_id=language.end_of_turn,
            logits_processor=[_Numbers(language, place)],
        )
        for number, ids in zip(part, made[:, rows_BL.shape[1] :].tolist(), strict=True):
            end = next((place for place, token in enumerate(ids) if token in ends), limit - 1)
            written[number] = ids[: end + 1]
    return [written[number] for number in range(len(prompts))]


class _Numbers(LogitsProcessor):
    """Lets nothing pass but numbers."""

    def __init__(self, language: Language, place: str) -> None:
        self.language, self.place = language, place

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [B, V] of the tokens that could follow `input_ids` [B, L]."""
        _check(self.language, scores, input_ids[0].tolist(), self.place)
        return scores


def _check(language: Language, logits_BV: Tensor, row: list[int], place: str) -> None:
    if bool((logits_BV.isnan() | logits_BV.isposinf()).any()):
        raise FusionError(
            f"{place}: the model's outputs are not numbers, in the batch with {language.decode(row)!r}; lower "
            f"{place}.learning_rate and run again."
        )


def ends_of(language: Language) -> set[int]:
    """Tokens that end an answer."""
    config = language.model.generation_config
    ends = config.eos_token_id if config is not None else None
    return {language.end_of_turn, *(ends if isinstance(ends, list) else [] if ends is None else [ends])}
