"""General text that the base model writes itself, with its own next-token distributions.

Training with a KL term on it holds the base's behaviour without any general corpus at hand (self-generated replay).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Replay:
    """Texts of equal length [T, L] and the base's distribution [T, L - 1, K] at every position but the last."""

    ids_TL: Tensor
    tokens_TLK: Tensor
    probability_TLK: Tensor

    def teacher(self, texts: Tensor) -> Teacher:
        """The base's distributions at all positions of some texts, flattened."""
        return Teacher(self.tokens_TLK[texts].flatten(0, 1).long(), self.probability_TLK[texts].flatten(0, 1).float())


class Anchor:
    """KL from the base on its own texts, as many tokens of them as the configured share of all is."""

    name = "replay"

    def __init__(self, replay: Replay, language: Language, config: TrainingConfig, ahead: int) -> None:
        """`ahead`: tokens of others whose share of replay is read in advance, so that it starts at the first step."""
        self.replay, self.language, self.config, self.ahead = replay, language, config, ahead
        self.weight = config.replay_weight

    def batch(self, step: int, seen: Mapping[str, int]) -> AnchorBatch | None:
        """The texts that are due, if any."""
        share, length = self.config.replay_share, self.replay.ids_TL.shape[1]
        others = sum(seen.values()) - seen[self.name]
        due = share / (1 - share) * (others + self.ahead)
        count = int((due - seen[self.name]) // length)
        return AnchorBatch(self, self._texts(seen[self.name] // length, count)) if count >= 1 else None

    def _texts(self, start: int, count: int) -> Tensor:
        """Texts start .. start + count of an endless sequence of shuffled rounds through all."""
        texts = len(self.replay.ids_TL)
        rounds = {
            number: torch.randperm(texts, generator=torch.Generator().manual_seed(self.config.seed + number))
            for number in range(start // texts, (start + count - 1) // texts + 1)
        }
        return torch.stack([rounds[i // texts][i % texts] for i in range(start, start + count)])


@dataclass(frozen=True)
class AnchorBatch:
    """Some texts; the loss looks at every position but the last."""

    anchor: Anchor
    texts: Tensor

    @property
    def rows(self) -> list[list[int]]:
        """Token ids of each text, all but the last, after which nothing comes."""
        rows: list[list[int]] = self.anchor.replay.ids_TL[self.texts, :-1].tolist()
        return rows

    @property
    def places(self) -> list[range]:
        """All positions that have a next token."""
        return [range(self.anchor.replay.ids_TL.shape[1] - 1)] * len(self.texts)

    @property
    def tokens(self) -> int:
        """Tokens of the texts."""
        return len(self.texts) * self.anchor.replay.ids_TL.shape[1]

    def loss(self, hidden_ND: Tensor, rows: Sequence[int]) -> Tensor:
        """Sum of KL(base || model) over some texts."""
        teacher = self.anchor.replay.teacher(self.texts[list(rows)])
        return divergence(hidden_ND, self.anchor.language.head.weight, teacher.to(hidden_ND.device))


@stage("replay", version=3)
def write_replay(out: Path, section: ReplayConfig, model: ModelSource) -> None:
    """Sample texts from the base, half of them answers to general prompts, and keep its distributions on them."""
    language = load_language(model, model.torch_dtype)
    prompts = [language.encode_question(prompt) for prompt in PROMPTS]
    starts = [prompts[i % len(prompts)] for i in range(section.texts // 2)]
    starts += [language.text_start()] * (section.texts - len(starts))
    with torch.random.fork_rng(), track("writing replay", section.texts) as progress:
        torch.manual_seed(section.seed)
        rows: list[list[int]] = []
        for first in range(0, len(starts), BATCH):
            rows += _sample(language, starts[first : first + BATCH], section.max_tokens)
            progress.advance(len(rows) - first)
    ids_TL = torch.tensor(rows)
    teachers = [_distribution(language, ids_TL[i : i + BATCH]) for i in range(0, len(ids_TL), BATCH)]
    shape = (len(rows), section.max_tokens - 1, KEEP)
    tensors = {
        "ids": ids_TL,
        "tokens": torch.cat([teacher.tokens_NK for teacher in teachers]).view(shape).int(),
        "probability": torch.cat([teacher.probability_NK for teacher in teachers]).view(shape).half(),
    }
    with writing(out / "replay.safetensors") as file:
        file.write(save(tensors))
    write_jsonl(out / "replay.jsonl", [{"text": language.tokenizer.decode(row)} for row in rows])


def read_replay(artifact: Artifact) -> Replay:
    """Read what `write_replay` wrote."""
    tensors = load_file(artifact.path / "replay.safetensors")
    return Replay(tensors["ids"], tensors["tokens"], tensors["probability"])


@torch.inference_mode()
def _sample(language: Language, starts: list[list[int]], length: int) -> list[list[int]]:
    """Continue each start to `length` tokens, by sampling from the base as it is."""
    starts = [start[: length - 1] for start in starts]
    width = max(map(len, starts))
    fill = language.end_of_turn
    ids_BL = torch.tensor([[fill] * (width - len(start)) + start for start in starts], device=language.device)
    mask_BL = torch.tensor([[0] * (width - len(start)) + [1] * len(start) for start in starts], device=language.device)
    new = length - min(map(len, starts))
    made = language.model.generate(  # type: ignore[operator]
        ids_BL, attention_mask=mask_BL, **PLAIN, do_sample=True, top_k=100, min_new_tokens=new, max_new_tokens=new
    )
    return [row[width - len(start) :][:length] for row, start in zip(made.tolist(), starts, strict=True)]


@torch.inference_mode()
def _distribution(language: Language, ids_TL: Tensor) -> Teacher:
    hidden = language.hidden(ids_TL.to(language.device))[:, :-1].flatten(0, 1)
    kept = [Teacher.of_logits(language.head(chunk), KEEP) for chunk in hidden.split(256)]
    return Teacher(torch.cat([t.tokens_NK for t in kept]).cpu(), torch.cat([t.probability_NK for t in kept]).cpu())
