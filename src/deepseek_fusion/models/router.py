"""Whether a prompt is of the domain that an adapter was taught: one linear layer on the states of the base model.

Shape suffixes: P prompts, L tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional as F

from deepseek_fusion.core.artifacts import read_json, write_json, writing
from deepseek_fusion.models.loading import Language

ROUTER_FILE, ROUTER_CONFIG = "router.safetensors", "router.json"
Pooling = Literal["mean", "last"]
TOKENS = 2048
"""Tokens read in one pass, padding included."""


@dataclass(frozen=True)
class View:
    """What of a prompt is looked at: the states after a layer, of all its tokens or of the last one."""

    layer: int
    pooling: Pooling


@dataclass(frozen=True)
class Router:
    """A logistic regression on pooled states.

    Attributes:
        threshold: a prompt is of the domain if its probability is at least this.
    """

    view: View
    weight_D: Tensor
    bias: float
    threshold: float

    def probabilities(self, language: Language, questions: Sequence[str]) -> list[float]:
        """How likely each question is of the domain, between 0 and 1.

        Args:
            language: the base model, without its adapter.
        """
        return self.weigh(pooled(language, questions, [self.view])[self.view]).tolist()  # type: ignore[no-any-return]

    def weigh(self, states_PD: Tensor) -> Tensor:
        """The same of pooled states, [P]."""
        return torch.sigmoid(states_PD.double() @ self.weight_D.double() + self.bias)

    def takes(self, probability: float) -> bool:
        """Whether the adapter answers."""
        return probability >= self.threshold

    def save(self, folder: Path) -> None:
        """Write `router.safetensors` and `router.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        with writing(folder / ROUTER_FILE) as file:
            file.write(save({"weight": self.weight_D.contiguous(), "bias": torch.tensor([self.bias]).double()}))
        write_json(folder / ROUTER_CONFIG, {**vars(self.view), "threshold": self.threshold})

    @classmethod
    def load(cls, folder: Path) -> Router:
        """Read what `save` wrote."""
        tensors, settings = load_file(folder / ROUTER_FILE), read_json(folder / ROUTER_CONFIG)
        view = View(settings["layer"], settings["pooling"])
        return cls(view, tensors["weight"], tensors["bias"].item(), settings["threshold"])


def depths(language: Language) -> list[int]:
    """A quarter, a half, three quarters and all of a model's layers."""
    layers = language.model.config.get_text_config().num_hidden_layers
    return sorted({max(1, round(layers * quarter / 4)) for quarter in (1, 2, 3, 4)})


@torch.inference_mode()
def pooled(language: Language, questions: Sequence[str], views: Sequence[View]) -> dict[View, Tensor]:
    """States [P, D] of each question as it is served, each token brought to one scale before they are averaged."""
    rows = [language.encode_question(question) for question in questions]
    found: dict[View, list[Tensor]] = {view: [torch.empty(0)] * len(rows) for view in views}
    for part in _parts([len(row) for row in rows]):
        length_P = torch.tensor([len(rows[i]) for i in part], device=language.device)
        longest = int(length_P.max())
        ids_PL = torch.tensor([rows[i] + [language.end_of_turn] * (longest - len(rows[i])) for i in part])
        read = language.model.get_decoder()(
            input_ids=ids_PL.to(language.device), use_cache=False, output_hidden_states=True
        )
        for view in views:
            states_PLD = read.hidden_states[view.layer].float().flatten(2)
            states_PLD = F.layer_norm(states_PLD, states_PLD.shape[-1:])
            for i, states_D in zip(part, _pool(states_PLD, length_P, view.pooling).cpu(), strict=True):
                found[view][i] = states_D
    return {view: torch.stack(states) for view, states in found.items()}


def _pool(states_PLD: Tensor, length_P: Tensor, pooling: Pooling) -> Tensor:
    if pooling == "last":
        return states_PLD[torch.arange(len(length_P), device=length_P.device), length_P - 1]
    inside_PL = torch.arange(states_PLD.shape[1], device=length_P.device) < length_P[:, None]
    return (states_PLD * inside_PL[..., None]).sum(1) / length_P[:, None]


def _parts(lengths: Sequence[int]) -> list[list[int]]:
    """Indices in batches of like length."""
    parts: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):  # the newest is the longest
        if not parts or (len(parts[-1]) + 1) * lengths[index] > TOKENS:
            parts.append([])
        parts[-1].append(index)
    return parts
