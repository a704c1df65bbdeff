"""Fused pieces are what they replace."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from deepseek_fusion.core.config import LoraConfig
from deepseek_fusion.models.fused import FusedMLP, FusedNorm, fuse
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import attach_lora, enable_lora, lora_parameters, merge_lora

Load = Callable[[str], Language]
IDS = torch.tensor([[5, 6, 7, 8, 9, 10, 11]])


def adapted(language: Language, targets: tuple[str, ...] = ("all-linear",)) -> dict[str, torch.nn.Parameter]:
    attach_lora(language.model, LoraConfig(rank=4, targets=targets), seed=0)
    parameters = lora_parameters(language.model)
    generator = torch.Generator().manual_seed(1)
    for parameter in parameters.values():
        parameter.data.normal_(0, 0.1, generator=generator)
    return parameters


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "deepseek_v2", "deepseek_v3"])
def test_logits_and_gradients_stay(language: Load, architecture: str) -> None:
    loaded = language(architecture)
    parameters = adapted(loaded)
    before = loaded.model(IDS).logits
    before.sin().sum().backward()
    expected = [parameter.grad for parameter in parameters.values()]
    names = list(parameters)
    fuse(loaded.model)
    assert list(lora_parameters(loaded.model)) == names
    for parameter in parameters.values():
        parameter.grad = None
    after = loaded.model(IDS).logits
    after.sin().sum().backward()
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    for parameter, gradient in zip(parameters.values(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-3)
    assert any(isinstance(module, FusedNorm) for module in loaded.model.modules())
    dense = architecture in {"llama", "qwen2"}
    assert any(isinstance(module, FusedMLP) for module in loaded.model.modules()) == dense


@torch.inference_mode()
def test_adapters_can_be_switched_off_and_merged(language: Load) -> None:
    loaded = language("llama")
    base = loaded.model(IDS).logits
    adapted(loaded)
    fuse(loaded.model)
    taught = loaded.model(IDS).logits
    assert not torch.allclose(taught, base, atol=1e-2)
    enable_lora(loaded.model, False)
    torch.testing.assert_close(loaded.model(IDS).logits, base, rtol=1e-4, atol=1e-4)
    enable_lora(loaded.model, True)
    merge_lora(loaded.model)
    torch.testing.assert_close(loaded.model(IDS).logits, taught, rtol=1e-3, atol=1e-3)


def test_what_has_no_adapters_on_all_three_stays(language: Load) -> None:
    loaded = language("llama")
    adapted(loaded, ("gate_proj", "q_proj"))
    fuse(loaded.model)
    assert not any(isinstance(module, FusedMLP) for module in loaded.model.modules())
