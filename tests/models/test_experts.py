"""Adapters on routed experts: against the plain formula, against PEFT, and through a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig as PeftConfig
from peft import PeftModel, get_peft_model
from torch import Tensor
from torch.nn import functional as F

from deepseek_fusion.core.config import LoraConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import (
    ADAPTER_CONFIG,
    attach_lora,
    enable_lora,
    load_adapter,
    lora_layers,
    lora_parameters,
    merge_lora,
    save_adapter,
    trainable_map,
)
from deepseek_fusion.models.methods.experts import LoraExperts

Load = Callable[[str], Language]
MIXTURES = ("deepseek_v2", "deepseek_v3")
CONFIG = LoraConfig(rank=3, alpha=6, targets=("all-linear", "experts"))
ONLY = CONFIG.model_copy(update={"targets": ("experts",)})


@torch.inference_mode()
def logits(language: Language, model: torch.nn.Module | None = None) -> Tensor:
    ids = torch.tensor([language.encode_question("What is the ICD-10 code of 痛风?")])
    return (model or language.model)(ids).logits


def taught(language: Language, config: LoraConfig = CONFIG) -> Language:
    """The model with adapters that say something."""
    attach_lora(language.model, config, seed=0)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in lora_parameters(language.model).items():
        if name.endswith("_B"):
            parameter.data.normal_(std=0.2, generator=generator)
    return language


def blocks(language: Language) -> list[LoraExperts]:
    return [layer for _, layer in lora_layers(language.model) if isinstance(layer, LoraExperts)]


@pytest.mark.parametrize("architecture", MIXTURES)
def test_a_new_adapter_changes_nothing_and_a_disabled_one_never_does(language: Load, architecture: str) -> None:
    base = language(architecture)
    expected = logits(base)
    attach_lora(base.model, ONLY, seed=0)
    torch.testing.assert_close(logits(base), expected)
    changed = taught(language(architecture), ONLY)
    assert (logits(changed) - expected).abs().max() > 0.01
    enable_lora(changed.model, False)
    assert torch.equal(logits(changed), expected)


@pytest.mark.parametrize("architecture", MIXTURES)
def test_output_and_gradients_are_those_of_every_expert_on_its_own(language: Load, architecture: str) -> None:
    (block,) = blocks(taught(language(architecture), ONLY))
    torch.manual_seed(2)
    x = torch.randn(17, 32, requires_grad=True)
    weights = torch.rand(17, 2, requires_grad=True)
    chosen = torch.stack([torch.randperm(7)[:2] for _ in range(17)])  # the eighth expert gets nothing

    def plain() -> Tensor:
        rows = []
        for i in range(17):
            total = torch.zeros(32)
            for expert, weight in zip(chosen[i].tolist(), weights[i], strict=True):
                parts = {}
                for part in ("gate_up", "down"):
                    a, b = block.factors(part)
                    parts[part] = getattr(block.base_layer, f"{part}_proj")[expert] + 2 * b[expert] @ a[expert]
                gate, up = (parts["gate_up"] @ x[i]).chunk(2)
                total = total + weight * (parts["down"] @ (F.silu(gate) * up))
            rows.append(total)
        return torch.stack(rows)

    trained = [getattr(block, name) for name in block.trained]
    pull = torch.randn(17, 32)
    ours, theirs = block(x, chosen, weights), plain()
    torch.testing.assert_close(ours, theirs)
    expected = torch.autograd.grad((theirs * pull).sum(), [x, weights, *trained])
    found = torch.autograd.grad((ours * pull).sum(), [x, weights, *trained])
    torch.testing.assert_close(found, expected)
    assert not found[2][7].any()
    assert block.base_layer.gate_up_proj.grad is None


@pytest.mark.parametrize("config", [CONFIG, ONLY, CONFIG.model_copy(update={"method": "rslora", "last_layers": 1})])
@pytest.mark.parametrize("architecture", MIXTURES)
def test_the_file_says_the_same_to_peft_and_to_us(
    language: Load, tmp_path: Path, architecture: str, config: LoraConfig
) -> None:
    changed = taught(language(architecture), config)
    expected = logits(changed)
    save_adapter(changed.model, config, "base", tmp_path)
    theirs = language(architecture)
    loaded = PeftModel.from_pretrained(theirs.model, str(tmp_path))
    torch.testing.assert_close(logits(theirs, loaded), expected)
    again = language(architecture)
    assert load_adapter(again.model, tmp_path).rank == 3
    torch.testing.assert_close(logits(again), expected)
    merge_lora(again.model)
    assert not list(lora_layers(again.model))
    torch.testing.assert_close(logits(again), expected)
    names = {name for name, _ in again.model.named_parameters()}
    assert names == {name for name, _ in language(architecture).model.named_parameters()}


def test_an_adapter_of_peft_is_read_as_it_is(language: Load, tmp_path: Path) -> None:
    base = language("deepseek_v3")
    named = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
    theirs = get_peft_model(base.model, PeftConfig(r=2, lora_alpha=8, target_modules=[], target_parameters=named))
    for name, parameter in theirs.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.2)
    expected = logits(base, theirs)
    theirs.save_pretrained(tmp_path)
    ours = language("deepseek_v3")
    load_adapter(ours.model, tmp_path)
    torch.testing.assert_close(logits(ours), expected)


def test_half_the_update_is_half_of_it_in_every_weight(language: Load, tmp_path: Path) -> None:
    changed = taught(language("deepseek_v3"), ONLY)
    save_adapter(changed.model, ONLY, "base", tmp_path, scale=0.5)
    half = language("deepseek_v3")
    load_adapter(half.model, tmp_path)
    base = dict(language("deepseek_v3").model.named_parameters())
    merge_lora(half.model)
    merge_lora(changed.model)
    whole = dict(changed.model.named_parameters())
    for name, weight in half.model.named_parameters():
        torch.testing.assert_close(weight - base[name], (whole[name] - base[name]) / 2)


@pytest.mark.parametrize("architecture", MIXTURES)
def test_the_map_counts_what_really_trains(language: Load, architecture: str) -> None:
    model = language(architecture).model
    rows = {row.name: row for row in trainable_map(model, CONFIG)}
    attach_lora(model, CONFIG, seed=0)
    experts = sum(parameter.numel() for name, parameter in lora_parameters(model).items() if "experts" in name)
    assert rows["experts"].trainable == experts == 3 * 8 * (64 + 32 + 32 + 32)
    assert sum(row.trainable for row in rows.values()) == sum(own.numel() for own in lora_parameters(model).values())


def test_models_without_experts_and_methods_for_linear_layers_say_so(language: Load) -> None:
    with pytest.raises(FusionError, match="this model has no routed experts"):
        attach_lora(language("llama").model, ONLY, seed=0)
    with pytest.raises(FusionError, match=r"method lora or rslora, and training.lora.method is dora"):
        attach_lora(language("deepseek_v3").model, ONLY.model_copy(update={"method": "dora"}), seed=0)


def test_the_description_names_every_block(language: Load, tmp_path: Path) -> None:
    changed = taught(language("deepseek_v3"))
    save_adapter(changed.model, CONFIG, "base", tmp_path)
    described = json.loads((tmp_path / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    assert described["target_parameters"] == [
        "model.layers.1.mlp.experts.gate_up_proj",
        "model.layers.1.mlp.experts.down_proj",
    ]
    assert "experts" not in described["target_modules"]
