"""Putting many prompts to a model at once: greedy answers, likelihoods of options and of texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import PLAIN, Language
from deepseek_fusion.models.trees.attention import reads_trees
from deepseek_fusion.models.trees.reading import Reading, chunks, equal_lengths, read
from deepseek_fusion.models.trees.writer import BATCH, Answer, Writer, write_rows

UNPADDED = {"deepseek_v32", "deepseek_v4"}
"""Padding on the left changes what these answer: one selects tokens by an index that sees it, the other compresses
blocks of neighbours."""
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
    place: str = "exam",
) -> list[str]:
    """Greedy answers.

    The expected answer is read together with its prompt, as a draft: as far as each of its tokens is the model's own
    first choice, greedy decoding would write exactly that, and goes on from there. A draft confirmed to its end is
    taken as it is with the token after it.

    Args:
        prompts: token ids of each prompt.
        expected: answer to try first; an answer may become `slack` tokens longer than it.
        draft: whether to try at all; wasted on a model that nobody taught.
        place: what is examined, for errors.

    Raises:
        FusionError: the model's outputs are not numbers.
    """
    drafts = [language.encode(text) for text in expected]
    limits = [len(ids) + slack for ids in drafts]
    made = _greedy(language, prompts, drafts if draft else [[] for _ in prompts], limits, advance, place)
    return [language.decode(ids) for ids in made]


@torch.inference_mode()
def complete_all(language: Language, prompts: Sequence[list[int]], limit: int) -> list[list[int]]:
    """Greedy token ids, up to and with the one that ends the turn, at most `limit` of them."""
    return _greedy(language, prompts, [[] for _ in prompts], [limit] * len(prompts))


@torch.inference_mode()
def likelihoods(
    language: Language,
    prompts: Sequence[list[int]],
    continuations: Sequence[Sequence[list[int]]],
    advance: Callable[[int], None] = lambda n: None,
    place: str = "exam",
) -> list[list[float]]:
    """Log-likelihood of each continuation of each prompt, summed over its tokens.

    Args:
        prompts: token ids, at least one each.
        continuations: token ids of one or more continuations for each prompt, at least one token each.
        place: what is examined, for errors.

    Raises:
        FusionError: the model's likelihoods are not numbers.
    """
    owners = [(i, ids) for i, own in enumerate(continuations) for ids in own]
    rows = [prompts[i] + ids[:-1] for i, ids in owners]
    sums, unread = [0.0] * len(owners), [len(own) for own in continuations]
    for reading in read(language, rows, [len(prompts[i]) - 1 for i, _ in owners]):
        total_M = reading.logits_MV.logsumexp(-1)
        for row, lines in zip(reading.rows, reading.places, strict=True):
            targets = torch.tensor(owners[row][1], device=total_M.device)
            sums[row] = (reading.logits_MV[lines, targets] - total_M[lines]).sum().item()
            unread[owners[row][0]] -= 1
            advance(unread[owners[row][0]] == 0)
    if not all(map(math.isfinite, sums)):
        raise FusionError(f"{place}: the model's likelihoods are not numbers; teach with a lower learning rate.")
    found = iter(sums)
    return [[next(found) for _ in own] for own in continuations]


def choose_all(
    language: Language,
    prompts: Sequence[list[int]],
    options: Sequence[Sequence[str]],
    advance: Callable[[int], None] = lambda n: None,
) -> list[int]:
    """Index of the option with the highest mean log-likelihood per token."""
    return [own.index(max(own)) for own in score_all(language, prompts, options, advance)]


def score_all(
    language: Language,
    prompts: Sequence[list[int]],
    options: Sequence[Sequence[str]],
    advance: Callable[[int], None] = lambda n: None,
) -> list[list[float]]:
    """Mean log-likelihood per token of each option after its prompt.

    Raises:
        FusionError: a score is not a number.
    """
    encoded = [[language.encode(option) for option in own] for own in options]
    sums = likelihoods(language, prompts, encoded, advance)
    return [[s / len(ids) for s, ids in zip(*pair, strict=True)] for pair in zip(sums, encoded, strict=True)]


@torch.inference_mode()
def surprises(language: Language, texts: Sequence[str], tokens: int, window: int = 256) -> list[tuple[float, int]]:
    """How unlikely the first `tokens` tokens of `texts` are, in separate windows, each begun as a document.

    Returns:
        for each window its negative log-likelihood in nats and its number of predicted tokens; the exponential of
        their ratio, summed over windows, is the perplexity.
    """
    windows: list[list[int]] = []
    left = tokens
    for text in texts:
        ids = language.encode(text)[:left]
        windows += [language.text_start() + ids[i : i + window] for i in range(0, len(ids), window)]
        left -= len(ids)
        if left <= 0:
            break
    sums = [0.0] * len(windows)
    for indices in equal_lengths(windows, BATCH):
        ids_BL = torch.tensor([windows[i] for i in indices], device=language.device)
        hidden = language.hidden(ids_BL)[:, :-1].flatten(0, 1)
        losses = [
            torch.nn.functional.cross_entropy(language.head(part).float(), targets, reduction="none")
            for part, targets in zip(hidden.split(256), ids_BL[:, 1:].flatten().split(256), strict=True)
        ]
        for index, total in zip(indices, torch.cat(losses).view(len(indices), -1).sum(1).tolist(), strict=True):
            sums[index] = total
    return [(total, len(row) - 1) for total, row in zip(sums, windows, strict=True)]


def _greedy(
    language: Language,
    prompts: Sequence[list[int]],
    drafts: Sequence[list[int]],
    limits: Sequence[int],
    advance: Callable[[int], None] = lambda n: None,
    place: str = "exam",
) -> list[list[int]]:
    """Token ids of each answer, its end included; a draft that is not confirmed costs only its reading."""
    rows = [prompt + ids for prompt, ids in zip(prompts, drafts, strict=True)]

    def begun(reading: Reading) -> list[Answer]:
        return [
            _begin(language, index, _first_choices(reading.logits_MV[lines], place), rows[index], limits[index])
            for index, lines in zip(reading.rows, reading.places, strict=True)
        ]

    trees = reads_trees(language.model)
    readings = read(language, rows, [len(prompt) - 1 for prompt in prompts], keep=trees)
    if trees:
        writer = Writer(language, lambda logits_MV, _: _first_choices(logits_MV, place))
        done = write_rows(writer, readings, begun, prompts)
    else:
        done = _generate(language, [answer for reading in readings for answer in begun(reading)], prompts)
    written: dict[int, list[int]] = {}
    for answer in done:
        written[answer.index] = answer.ids
        advance(1)
    return [written[index] for index in range(len(prompts))]


def _first_choices(logits_MV: Tensor, place: str) -> list[int]:
    """The most probable token of each line.

    Raises:
        FusionError: a logit is not a number; names `place`.
    """
    best = logits_MV.max(-1)
    if not best.values.isfinite().all():
        raise FusionError(f"{place}: the model's outputs are not numbers; teach with a lower learning rate.")
    chosen: list[int] = best.indices.tolist()
    return chosen


def _begin(language: Language, index: int, choices: list[int], row: list[int], limit: int) -> Answer:
    """An answer as far as the draft at the end of the row is the model's own choice, with the token that follows."""
    draft = row[len(row) - len(choices) + 1 :]
    agreed = next((i for i, token in enumerate(draft) if token != choices[i]), len(draft))
    made = choices[: agreed + 1]
    if draft and agreed == len(draft):
        # `J45.` may go on as `J45.9`, which is another answer: look one token further.
        limit = len(made) + language.decode(made).endswith(".")
    return Answer(index, made, limit, _ends(language))


def _ends(language: Language) -> frozenset[int]:
    """Tokens that end an answer."""
    config = language.model.generation_config
    ends = config.eos_token_id if config is not None else None
    if ends is None:
        return frozenset([language.end_of_turn])
    return frozenset([ends] if isinstance(ends, int) else ends)


def _generate(language: Language, answers: Sequence[Answer], prompts: Sequence[list[int]]) -> Iterator[Answer]:
    """The same by the library, for models that read no trees: rows together that end at about the same time."""
    yield from (answer for answer in answers if answer.done)
    left = sorted((a for a in answers if not a.done), key=lambda a: (a.limit - len(a.ids), len(prompts[a.index])))
    rows = [prompts[answer.index] + answer.ids for answer in left]
    unpadded = language.model.config.model_type in UNPADDED
    for indices in equal_lengths(rows, BATCH) if unpadded else chunks(range(len(rows)), BATCH):
        limit = max(left[i].limit - len(left[i].ids) for i in indices)
        for i, made in zip(indices, _decode(language, [rows[i] for i in indices], limit), strict=True):
            left[i].ids = (left[i].ids + made)[: left[i].limit]
        yield from (left[i] for i in indices)


def _decode(language: Language, rows: Sequence[list[int]], limit: int) -> list[list[int]]:
    width = max(map(len, rows))
    ids_BL = torch.tensor([[language.end_of_turn] * (width - len(row)) + row for row in rows], device=language.device)
    mask_BL = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=language.device)
    made: Tensor = language.model.generate(  # type: ignore[operator]
        ids_BL, attention_mask=mask_BL, **PLAIN, do_sample=False, max_new_tokens=limit
    )
    return [list(row) for row in made[:, width:].tolist()]
