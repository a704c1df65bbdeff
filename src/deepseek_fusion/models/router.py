"""Whether a prompt is of the domain that an adapter was taught: one linear layer on the states of the base model.

Shape suffixes: P prompts, L tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional as F

from deepseek_fusion.core.artifacts import read_json, write_json, writing
from deepseek_fusion.models.loading import Language

ROUTER_FILE, ROUTER_CONFIG = "router.safetensors", "router.json"
TOKENS = 2048
"""Tokens read in one pass, padding included."""


@dataclass(frozen=True)
class Router:
    """A logistic regression on the mean state of a prompt.

    Attributes:
        layer: after which the states are read.
        threshold: a prompt is of the domain if its probability is at least this.
    """

    layer: int
    weight_D: Tensor
    bias: float
    threshold: float

    def probabilities(self, language: Language, questions: Sequence[str]) -> list[float]:
        """How likely each question is of the domain, between 0 and 1.

        Args:
            language: the base model, without its adapter.
        """
        return self.weigh(mean_states(language, questions, [self.layer])[self.layer]).tolist()

    def weigh(self, states_PD: Tensor) -> Tensor:
        """The same of mean states, [P]."""
        return torch.sigmoid(states_PD.double() @ self.weight_D.double() + self.bias)

    def takes(self, probability: float) -> bool:
        """Whether the adapter answers."""
        return probability >= self.threshold

    def save(self, folder: Path) -> None:
        """Write `router.safetensors` and `router.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        with writing(folder / ROUTER_FILE) as file:
            file.write(save({"weight": self.weight_D.contiguous(), "bias": torch.tensor([self.bias]).double()}))
        write_json(folder / ROUTER_CONFIG, {"layer": self.layer, "threshold": self.threshold})

    @classmethod
    def load(cls, folder: Path) -> Router:
        """Read what `save` wrote."""
        tensors, settings = load_file(folder / ROUTER_FILE), read_json(folder / ROUTER_CONFIG)
        return cls(settings["layer"], tensors["weight"], tensors["bias"].item(), settings["threshold"])


def depths(language: Language) -> list[int]:
    """A quarter, a half, three quarters and all of a model's layers."""
    layers = language.model.config.get_text_config().num_hidden_layers
    return sorted({max(1, round(layers * quarter / 4)) for quarter in (1, 2, 3, 4)})


@torch.inference_mode()
def mean_states(language: Language, questions: Sequence[str], layers: Sequence[int]) -> dict[int, Tensor]:
    """After each of some layers, the mean state [P, D] of each question as it is served.

    Tokens are brought to one scale first, or the first one, whose states are huge, would be most of the mean.
    """
    rows = [language.encode_question(question) for question in questions]
    found: dict[int, list[Tensor]] = {layer: [torch.empty(0)] * len(rows) for layer in layers}
    for part in _parts([len(row) for row in rows]):
        length_P = torch.tensor([len(rows[i]) for i in part], device=language.device)
        longest = int(length_P.max())
        ids_PL = torch.tensor([rows[i] + [language.end_of_turn] * (longest - len(rows[i])) for i in part])
        read = language.model.get_decoder()(
            input_ids=ids_PL.to(language.device), use_cache=False, output_hidden_states=True
        )
        inside_PL = torch.arange(longest, device=language.device) < length_P[:, None]
        for layer in layers:
            states_PLD = read.hidden_states[layer].float().flatten(2)
            states_PLD = F.layer_norm(states_PLD, states_PLD.shape[-1:]) * inside_PL[..., None]
            for i, state_D in zip(part, (states_PLD.sum(1) / length_P[:, None]).cpu(), strict=True):
                found[layer][i] = state_D
    return {layer: torch.stack(states) for layer, states in found.items()}


def _parts(lengths: Sequence[int]) -> list[list[int]]:
    """Indices in batches of like length."""
    parts: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):  # the newest is the longest
        if not parts or (len(parts[-1]) + 1) * lengths[index] > TOKENS:
            parts.append([])
        parts[-1].append(index)
    return parts
