"""Putting many prompts to a model at once: greedy answers, likelihoods of options, perplexity.

Prompts are decoded together with padding on the left, which is exact under a mask. Where it is not (DeepSeek V3.2
selects tokens by an index that sees padding, V4 compresses blocks of neighbours), only prompts of equal length meet.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import PLAIN, Language

T = TypeVar("T")

BATCH = 64
UNPADDED = {"deepseek_v32", "deepseek_v4"}
SLACK = 16
"""Tokens an answer may be longer than the expected one. It also bounds what over-listing can gain."""


@torch.inference_mode()
def answer_all(
    language: Language,
    prompts: Sequence[list[int]],
    expected: Sequence[str],
    advance: Callable[[int], None] = lambda n: None,
    slack: int = SLACK,
    draft: bool = True,
) -> list[str]:
    """Greedy answers.

    The expected answer is tried first as a draft: if each of its tokens is the model's own first choice, greedy
    decoding would write exactly it, and one forward pass has shown so. Only other prompts are decoded.

    Args:
        prompts: token ids of each prompt.
        expected: answer to try first; an answer may become `slack` tokens longer than it.
        draft: whether to try at all; wasted on a model that nobody taught.
    """
    drafts = [language.encode(text) for text in expected]
    confirmed = _confirmed(language, prompts, {i: ids for i, ids in enumerate(drafts) if ids and draft})
    # `J45.` may go on as `J45.9`, which is another answer: look one token further.
    open_ended = {i: ids for i, ids in confirmed.items() if ids[-1] != language.end_of_turn}
    dotted = {i: ids for i, ids in open_ended.items() if language.decode(ids).endswith(".")}
    confirmed |= _confirmed(language, prompts, dotted)
    advance(len(confirmed))
    answers = [language.decode(confirmed.get(i, [])) for i in range(len(prompts))]
    open_ = [i for i in range(len(prompts)) if i not in confirmed]
    for indices in _decodable(language, open_, [len(prompt) for prompt in prompts], [len(d) for d in drafts]):
        limit = max(len(drafts[i]) for i in indices) + slack
        made = _decode(language, [prompts[i] for i in indices], limit)
        for i, ids in zip(indices, made, strict=True):
            answers[i] = language.decode(ids[: len(drafts[i]) + slack])
        advance(len(indices))
    return answers


def choose_all(
    language: Language,
    prompts: Sequence[list[int]],
    options: Sequence[Sequence[str]],
    advance: Callable[[int], None] = lambda n: None,
) -> list[int]:
    """Index of the option with the highest mean log-likelihood per token."""
    scores = score_all(language, prompts, options, advance)
    return [max(range(len(own)), key=own.__getitem__) for own in scores]


@torch.inference_mode()
def score_all(
    language: Language,
    prompts: Sequence[list[int]],
    options: Sequence[Sequence[str]],
    advance: Callable[[int], None] = lambda n: None,
) -> list[list[float]]:
    """Mean log-likelihood per token of each option after its prompt. A prompt that stands before several sets of
    options is read once.

    Raises:
        FusionError: a score is not a number.
    """
    owners: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        owners[tuple(prompt)].append(index)
    found: list[list[float]] = [[] for _ in prompts]
    for shared, indices in owners.items():
        candidates = [language.encode(option) for i in indices for option in options[i]]
        scores = _option_scores(language, list(shared), candidates)
        for i in indices:
            found[i], scores = scores[: len(options[i])], scores[len(options[i]) :]
            if not all(map(math.isfinite, found[i])):
                raise FusionError("exam: the model's likelihoods are not numbers; teach with a lower learning rate.")
        advance(len(indices))
    return found


@torch.inference_mode()
def complete_all(language: Language, prompts: Sequence[list[int]], limit: int) -> list[list[int]]:
    """Greedy token ids, up to and with the one that ends the turn, at most `limit` of them."""
    found: list[list[int]] = [[] for _ in prompts]
    lengths = [len(prompt) for prompt in prompts]
    for indices in _decodable(language, range(len(prompts)), lengths, [limit] * len(prompts)):
        for i, ids in zip(indices, _decode(language, [prompts[i] for i in indices], limit), strict=True):
            end = ids.index(language.end_of_turn) + 1 if language.end_of_turn in ids else len(ids)
            found[i] = ids[:end]
    return found


@torch.inference_mode()
def perplexity(language: Language, texts: Sequence[str], tokens: int, window: int = 256) -> tuple[float, int]:
    """Perplexity over the first `tokens` tokens of `texts`, in separate windows, each begun as a document.

    Returns:
        perplexity, number of predicted tokens.
    """
    windows: list[list[int]] = []
    left = tokens
    for text in texts:
        ids = language.encode(text)[:left]
        windows += [language.text_start() + ids[i : i + window] for i in range(0, len(ids), window)]
        left -= len(ids)
        if left <= 0:
            break
    total, count = 0.0, 0
    for indices in _equal_lengths(list(range(len(windows))), [len(row) for row in windows]):
        ids_BL = torch.tensor([windows[i] for i in indices], device=language.device)
        hidden = language.hidden(ids_BL)[:, :-1].flatten(0, 1)
        for part, targets in zip(hidden.split(256), ids_BL[:, 1:].flatten().split(256), strict=True):
            total += torch.nn.functional.cross_entropy(language.head(part).float(), targets, reduction="sum").item()
        count += hidden.shape[0]
    return math.exp(total / max(1, count)), count


def _confirmed(
    language: Language, prompts: Sequence[list[int]], drafts: Mapping[int, list[int]]
) -> dict[int, list[int]]:
    """The drafts (by index of their prompt) that greedy decoding would write, each with the token it writes next."""
    found: dict[int, list[int]] = {}
    for indices in _chunks(sorted(drafts, key=lambda i: len(prompts[i]) + len(drafts[i]))):
        pairs = [(prompts[i], drafts[i]) for i in indices]
        for i, made in zip(indices, _first_choices(language, pairs), strict=True):
            if made[:-1] == drafts[i]:
                found[i] = made
    return found


def _first_choices(language: Language, pairs: Sequence[tuple[list[int], list[int]]]) -> list[list[int]]:
    """The model's first choice for each token of the second of a pair, read after the first, and for one more."""
    rows = [prompt + draft for prompt, draft in pairs]
    length = max(map(len, rows))
    ids_BL = torch.tensor([row + [language.end_of_turn] * (length - len(row)) for row in rows], device=language.device)
    hidden_BLD = language.hidden(ids_BL)
    wanted = [hidden_BLD[row, len(prompt) - 1 : len(prompt) + len(draft)] for row, (prompt, draft) in enumerate(pairs)]
    choices = torch.cat([language.head(part).argmax(-1) for part in torch.cat(wanted).split(256)])
    return [part.tolist() for part in choices.split([len(part) for part in wanted])]


def _decode(language: Language, rows: Sequence[list[int]], limit: int) -> list[list[int]]:
    width = max(map(len, rows))
    ids_BL = torch.tensor([[language.end_of_turn] * (width - len(row)) + row for row in rows], device=language.device)
    mask_BL = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=language.device)
    made: Tensor = language.model.generate(  # type: ignore[operator]
        ids_BL, attention_mask=mask_BL, **PLAIN, do_sample=False, max_new_tokens=limit
    )
    return [list(row) for row in made[:, width:].tolist()]


def _option_scores(language: Language, prompt: list[int], candidates: Sequence[list[int]]) -> list[float]:
    if language.model.config.model_type in UNPADDED:
        return [score for part in _chunks(candidates) for score in _whole_scores(language, prompt, part)]
    first = language.model(torch.tensor([prompt], device=language.device), use_cache=True, logits_to_keep=1)
    first_V = first.logits[0, -1].float().log_softmax(-1)
    scores: list[float] = []
    for start in range(0, len(candidates), BATCH):
        part = candidates[start : start + BATCH]
        length = max(map(len, part))
        rows = [row + [language.end_of_turn] * (length - len(row)) for row in part]
        ids_BL = torch.tensor(rows, device=language.device)
        cache = _repeated(language, prompt, len(part)) if start or len(candidates) > BATCH else first.past_key_values
        if cache is first.past_key_values:
            cache.batch_repeat_interleave(len(part))
        logits = language.model(ids_BL, past_key_values=cache, use_cache=True).logits.float().log_softmax(-1)
        for row, ids in enumerate(part):
            rest = sum(logits[row, j, ids[j + 1]].item() for j in range(len(ids) - 1))
            scores.append((first_V[ids[0]].item() + rest) / len(ids))
    return scores


def _whole_scores(language: Language, prompt: list[int], candidates: Sequence[list[int]]) -> list[float]:
    """The same without a shared prefix, for models whose cache cannot be repeated (DeepSeek V4)."""
    length = max(map(len, candidates))
    rows = [prompt + ids + [language.end_of_turn] * (length - len(ids)) for ids in candidates]
    hidden_BLD = language.hidden(torch.tensor(rows, device=language.device))[:, len(prompt) - 1 : -1]
    scores = language.head(hidden_BLD).float().log_softmax(-1)
    return [
        sum(scores[row, j, token].item() for j, token in enumerate(ids)) / len(ids)
        for row, ids in enumerate(candidates)
    ]


def _repeated(language: Language, prompt: list[int], times: int) -> object:
    cache = language.model(torch.tensor([prompt], device=language.device), use_cache=True).past_key_values
    cache.batch_repeat_interleave(times)
    return cache


def _decodable(
    language: Language, indices: Sequence[int], lengths: Sequence[int], limits: Sequence[int]
) -> list[Sequence[int]]:
    """Batches to decode together: answers of about one length, so that few rows wait for the others."""
    if language.model.config.model_type in UNPADDED:
        return _equal_lengths(indices, lengths)
    return _chunks(sorted(indices, key=lambda i: (limits[i], lengths[i])))


def _chunks(indices: Sequence[T]) -> list[Sequence[T]]:
    return [indices[i : i + BATCH] for i in range(0, len(indices), BATCH)]


def _equal_lengths(indices: Sequence[int], lengths: Sequence[int]) -> list[Sequence[int]]:
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in indices:
        groups[lengths[index]].append(index)
    return [chunk for length in sorted(groups) for chunk in _chunks(groups[length])]
