"""Heads on a taught model: a class or a rating for a text, a label for each of its words.

A head is one linear layer on the last hidden states. A class and a rating are read at the end of the text, a label at
the last token of its word, so it knows what stands before the word and not what follows.

Shape suffixes: N positions, D hidden size, C classes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from deepseek_fusion.core.artifacts import writing
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import Language

HEADS_FILE = "heads.safetensors"
WORD = re.compile(r"[㐀-鿿]|[^\W㐀-鿿]+|[^\w\s]")
"""A Chinese character, a word of another script, or a mark."""
TOKENS = 2048
"""Tokens read in one pass."""


@dataclass(frozen=True)
class Task:
    """What a head answers: one of `labels`, or for a rating a number, learned as (number - mean) / spread."""

    name: str
    kind: Literal["classification", "rating", "labelling"]
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    spread: float = 1.0


class Head(nn.Module):
    """One linear layer; it begins at zero, so that at first every answer is as likely."""

    def __init__(self, task: Task, width: int) -> None:
        super().__init__()
        self.task = task
        self.weight = nn.Parameter(torch.zeros(len(task.labels) or 1, width))
        self.bias = nn.Parameter(torch.zeros(len(task.labels) or 1))

    def forward(self, hidden_ND: Tensor) -> Tensor:
        """[N, D] -> [N, C], in float32; the states are brought to one scale, whatever the model's is."""
        return F.linear(
            F.layer_norm(hidden_ND.to(self.weight.device).float(), hidden_ND.shape[-1:]), self.weight, self.bias
        )

    def answers(self, hidden_ND: Tensor) -> list[dict[str, Any]]:
        """For each position the likeliest label and its probability, or the rating."""
        scores_NC = self(hidden_ND)
        if self.task.kind == "rating":
            return [{"rating": self.task.mean + self.task.spread * score} for score in scores_NC[:, 0].tolist()]
        best = scores_NC.softmax(-1).max(-1)
        return [
            {"label": self.task.labels[index], "probability": probability}
            for probability, index in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class Read:
    """A text as it is read for heads: as a document, with its end.

    Attributes:
        words: position of the last token of each of some words.
    """

    ids: tuple[int, ...]
    words: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """The position at which all of the text has been seen."""
        return len(self.ids) - 1


def read_text(language: Language, text: str, words: Sequence[str] = ()) -> Read:
    """Token ids of a text, and where its words end.

    Raises:
        ValueError: the words do not stand in the text in this order; the argument is the first that does not.
    """
    encoded = language.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    start = language.text_start()
    places, cursor, token = [], 0, 0
    offsets = encoded["offset_mapping"]
    for word in words:
        at = text.find(word, cursor)
        if at < 0 or not word.strip():
            raise ValueError(word)
        cursor = at + len(word)
        while token + 1 < len(offsets) and offsets[token + 1][0] < cursor:
            token += 1
        places.append(len(start) + token)
    return Read((*start, *encoded["input_ids"], *start), tuple(places))


class Heads:
    """The heads of one adapter, to be used on the model that has it."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = tuple(heads)

    def save(self, folder: Path) -> None:
        """Write `heads.safetensors`; tasks and labels are in its metadata."""
        tensors = {
            f"{head.task.name}.{part}": tensor.detach().cpu().contiguous()
            for head in self.heads
            for part, tensor in head.named_parameters()
        }
        tasks = json.dumps([asdict(head.task) for head in self.heads], ensure_ascii=False)
        with writing(folder / HEADS_FILE) as file:
            file.write(save(tensors, metadata={"tasks": tasks}))

    @classmethod
    def load(cls, folder: Path) -> Heads:
        """Read what `save` wrote.

        Raises:
            FusionError: the folder has none.
        """
        if not (folder / HEADS_FILE).is_file():
            raise FusionError(f"{folder}: has no {HEADS_FILE}; only an adapter of phase `multitask` has heads.")
        heads = []
        with safe_open(folder / HEADS_FILE, "pt") as file, torch.no_grad():
            for fields in json.loads(file.metadata()["tasks"]):
                task = Task(**{**fields, "labels": tuple(fields["labels"])})
                weight = file.get_tensor(f"{task.name}.weight")
                head = Head(task, weight.shape[1])
                head.weight.copy_(weight)
                head.bias.copy_(file.get_tensor(f"{task.name}.bias"))
                heads.append(head)
        return cls(heads)

    @torch.inference_mode()
    def predict(
        self, language: Language, texts: Sequence[str], words: Sequence[Sequence[str]] | None = None
    ) -> list[dict[str, Any]]:
        """Every head's answer to each text, by task.

        Args:
            language: the model that has the adapter, attached or merged.
            words: what to label in each text; if absent, words, marks and Chinese characters.
        """
        split = words or [WORD.findall(text) for text in texts]
        reads = [read_text(language, text, own) for text, own in zip(texts, split, strict=True)]
        found: list[dict[str, Any]] = [{} for _ in texts]
        rows = [read.ids for read in reads]
        for part in language.parts(rows, TOKENS):
            places = [[*reads[i].words, reads[i].end] for i in part]
            hidden_ND, _ = language.states([rows[i] for i in part], places)
            for i, states in zip(part, hidden_ND.split([len(own) for own in places]), strict=True):
                found[i] = self._of(states, split[i])
        return found

    def _of(self, states_ND: Tensor, words: Sequence[str]) -> dict[str, Any]:
        """Answers from the states at the ends of the words, and at the end of the text."""
        answers: dict[str, Any] = {}
        for head in self.heads:
            if head.task.kind == "labelling":
                tags = head.answers(states_ND[:-1])
                answers[head.task.name] = [{"word": word, **tag} for word, tag in zip(words, tags, strict=True)]
            else:
                (answers[head.task.name],) = head.answers(states_ND[-1:])
        return answers
