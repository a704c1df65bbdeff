"""General text that the base model writes itself, with its own next-token distributions.

Training with a KL term on it holds the base's behaviour without any general corpus at hand (self-generated replay).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from deepseek_fusion.core.artifacts import Artifact, write_jsonl, writing
from deepseek_fusion.core.config import ReplayConfig, TrainingConfig
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.models.loading import PLAIN, Language, load_language
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.divergence import Teacher, divergence
from deepseek_fusion.training.prompts import PROMPTS

KEEP = 64
BATCH = 128
READ = 2048
"""Tokens that are read at one time."""


@dataclass(frozen=True)
class Replay:
    """Texts, and the base's distribution at the positions of each that count: all of a document, an answer's of a chat.

    Attributes:
        texts: token ids of each text; nothing is read after the last, so it is only a target.
        places: of each text, the positions with a distribution, all but the last from some place on.
        teachings: of each text, the distributions there, [len(places), K].
    """

    texts: Sequence[list[int]]
    places: Sequence[range]
    teachings: Sequence[Teacher]

    def teacher(self, texts: Iterable[int]) -> Teacher:
        """The base's distributions at the positions of some texts, flattened."""
        chosen = [self.teachings[text] for text in texts]
        tokens, probability = ([getattr(own, name) for own in chosen] for name in ("tokens_NK", "probability_NK"))
        return Teacher(torch.cat(tokens).long(), torch.cat(probability).float())


class Anchor:
    """KL from the base on its own texts, as many tokens of them as the configured share of all is."""

    name = "replay"

    def __init__(self, replay: Replay, language: Language, config: TrainingConfig, ahead: int) -> None:
        """`ahead`: tokens of others whose share of replay is read in advance, so that it starts at the first step."""
        self.replay, self.language, self.config, self.ahead = replay, language, config, ahead
        self.weight = config.replay_weight

    def batch(self, step: int, seen: Mapping[str, int]) -> AnchorBatch | None:
        """The texts that are due, if any."""
        others = sum(seen.values()) - seen[self.name]
        due = self.config.replay_share / (1 - self.config.replay_share) * (others + self.ahead)
        chosen, read = [], 0
        for text in self._after(seen[self.name]):
            read += len(self.replay.texts[text])
            if seen[self.name] + read > due:
                break
            chosen.append(text)
        return AnchorBatch(self, chosen) if chosen else None

    def _after(self, seen: int) -> Iterator[int]:
        """What follows the first `seen` tokens of an endless sequence of shuffled rounds through all texts."""
        sizes = list(map(len, self.replay.texts))
        rounds, left = divmod(seen, sum(sizes))
        for number in count(rounds):
            generator = torch.Generator().manual_seed(self.config.seed + number)
            for text in torch.randperm(len(sizes), generator=generator).tolist():
                if left <= 0:
                    yield text
                left -= sizes[text]


@dataclass(frozen=True)
class AnchorBatch:
    """Some texts; the loss looks at the positions for which the base said what comes next."""

    anchor: Anchor
    texts: Sequence[int]

    @property
    def rows(self) -> list[list[int]]:
        """Token ids of each text, all but the last, after which nothing comes."""
        return [self.anchor.replay.texts[text][:-1] for text in self.texts]

    @property
    def places(self) -> list[range]:
        """The positions of each text that count."""
        return [self.anchor.replay.places[text] for text in self.texts]

    @property
    def tokens(self) -> int:
        """Tokens of the texts."""
        return sum(len(self.anchor.replay.texts[text]) for text in self.texts)

    def loss(self, hidden_ND: Tensor, rows: Sequence[int]) -> Tensor:
        """Sum of KL(base || model) over some texts."""
        teacher = self.anchor.replay.teacher(self.texts[row] for row in rows)
        return divergence(hidden_ND, self.anchor.language.head.weight, teacher.to(hidden_ND.device))


@stage("replay", version=4)
def write_replay(out: Path, section: ReplayConfig, model: ModelSource) -> None:
    """Let the base answer general prompts and go on from nothing, and keep its distributions on what it wrote.

    Three in four texts are answers, as it would give them (greedy), where there are prompts enough; an answer that is
    longer than a text may be is cut. The others are sampled.
    """
    language = load_language(model, model.torch_dtype)
    chats = min(3 * section.texts // 4, len(PROMPTS))
    chosen = [PROMPTS[(i * len(PROMPTS) // chats + section.seed) % len(PROMPTS)] for i in range(chats)]
    starts = [language.encode_question(prompt) for prompt in chosen]
    starts = sorted(start for start in starts if len(start) < section.max_tokens)
    documents = [language.text_start()] * (section.texts - len(starts))
    texts: list[list[int]] = []
    with torch.random.fork_rng(), track("writing replay", section.texts) as progress:
        torch.manual_seed(section.seed)
        for group, sampling in ((starts, {"do_sample": False}), (documents, {"do_sample": True, "top_k": 100})):
            for first in range(0, len(group), BATCH):
                written = _written(language, group[first : first + BATCH], section.max_tokens, sampling)
                progress.advance(len(written))
                texts += written
    begins = [*map(len, starts), *map(len, documents)]
    teachings = _teachings(language, texts, begins)
    tensors = {
        "ids": torch.tensor([token for text in texts for token in text]),
        "lengths": torch.tensor([len(text) for text in texts]),
        "begins": torch.tensor(begins),
        "tokens": torch.cat([own.tokens_NK for own in teachings]).int(),
        "probability": torch.cat([own.probability_NK for own in teachings]).half(),
    }
    with writing(out / "replay.safetensors") as file:
        file.write(save(tensors))
    write_jsonl(out / "replay.jsonl", [{"text": language.tokenizer.decode(text)} for text in texts])


def read_replay(artifact: Artifact) -> Replay:
    """Read what `write_replay` wrote."""
    tensors = load_file(artifact.path / "replay.safetensors")
    lengths, begins = tensors["lengths"].tolist(), tensors["begins"].tolist()
    places = [range(begin - 1, length - 1) for begin, length in zip(begins, lengths, strict=True)]
    sizes = list(map(len, places))
    tokens, probability = tensors["tokens"].split(sizes), tensors["probability"].split(sizes)
    texts = [text.tolist() for text in tensors["ids"].split(lengths)]
    return Replay(texts, places, [Teacher(*own) for own in zip(tokens, probability, strict=True)])


@torch.inference_mode()
def _written(language: Language, starts: list[list[int]], length: int, sampling: Mapping[str, Any]) -> list[list[int]]:
    """Let the base continue each start to the end of what it has to say, or to `length` tokens."""
    width = max(map(len, starts))
    fill = language.end_of_turn
    ids_BL = torch.tensor([[fill] * (width - len(start)) + start for start in starts], device=language.device)
    mask_BL = torch.tensor([[0] * (width - len(start)) + [1] * len(start) for start in starts], device=language.device)
    new = length - min(map(len, starts))
    made = language.model.generate(  # type: ignore[operator]
        ids_BL, attention_mask=mask_BL, **PLAIN, **sampling, max_new_tokens=new
    )
    return [[*start, *_turn(row[width:], fill)][:length] for row, start in zip(made.tolist(), starts, strict=True)]


def _turn(written: list[int], end: int) -> list[int]:
    """What was written up to the end of the turn, which belongs to it."""
    return written[: written.index(end) + 1] if end in written else written


def _teachings(language: Language, texts: Sequence[list[int]], begins: Sequence[int]) -> list[Teacher]:
    """The base's distributions at the positions of each text that count."""
    found: dict[int, Teacher] = {}
    rows = [text[:-1] for text in texts]
    with torch.inference_mode():
        for part in language.parts(rows, READ):
            places = [range(begins[i] - 1, len(rows[i])) for i in part]
            hidden_ND, _ = language.states([rows[i] for i in part], places)
            for i, own_ND in zip(part, hidden_ND.split(list(map(len, places))), strict=True):
                kept = Teacher.of_logits(language.head(own_ND), KEEP)
                found[i] = kept.to(torch.device("cpu"))
    return [found[i] for i in range(len(texts))]
