"""What every method of training on a frozen layer has in common.

Shape suffixes: I inputs, O outputs.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepseek_fusion.core.settings.adapters import LoraConfig


class Adapted(nn.Module, ABC):
    """A frozen layer with something trainable on it, in float32 whatever the base is.

    Attributes:
        trained: names of the parameters that train.
        enabled: whether the layer does what was trained; it does what the base does otherwise.
    """

    trained: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True

    @abstractmethod
    def folded(self) -> nn.Module:
        """The plain layer that does the same."""

    @abstractmethod
    def stored(self, share: float) -> dict[str, Tensor]:
        """What a file holds of this layer, by the end of PEFT's names, if only a share of the change is kept."""

    @abstractmethod
    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Train on from what a file holds."""

    @staticmethod
    def plain(config: LoraConfig) -> LoraConfig:
        """What is stored, as rank and alpha of a LoRA."""
        return config


class AdaptedLinear(Adapted):
    """The same for a linear layer."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(base.weight.detach(), requires_grad=False)
        self.bias = None if base.bias is None else nn.Parameter(base.bias.detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        return self.adapted(x) if self.enabled else F.linear(x, self.weight, self.bias)

    @abstractmethod
    def adapted(self, x: Tensor) -> Tensor:
        """The same with what was trained."""

    @abstractmethod
    def merged(self) -> Tensor:
        """The weight of the plain layer that does the same, [O, I], float32."""

    def folded(self) -> nn.Linear:
        """A linear layer with that weight, in the precision of the base."""
        outputs, inputs = self.weight.shape
        layer = nn.Linear(inputs, outputs, bias=self.bias is not None, device=torch.device("meta"))
        layer.weight = nn.Parameter(self.merged().to(self.weight.dtype), requires_grad=False)
        if self.bias is not None:
            layer.bias = self.bias
        return layer

    @staticmethod
    @abstractmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """Trainable parameters on a layer of this shape."""

    @staticmethod
    def most(outputs: int, inputs: int) -> float:
        """The highest rank on a layer of this shape."""
        return math.inf
