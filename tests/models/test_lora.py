"""Adapters against the plain formula, against PEFT, and against the base they stand on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from deepseek_fusion.core.config import LoraConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import (
    attach_lora,
    enable_lora,
    load_adapter,
    lora_layers,
    lora_parameters,
    merge_lora,
    save_adapter,
    target_layers,
    trainable_map,
)
from deepseek_fusion.models.methods.low_rank import LoraLinear, LowRank

Load = Callable[[str], Language]
ARCHITECTURES = ("llama", "qwen2", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4")
CONFIG = LoraConfig(rank=4, alpha=8)


@torch.inference_mode()
def logits(language: Language, model: torch.nn.Module | None = None) -> Tensor:
    ids = torch.tensor([language.encode_question("What is the ICD-10 code of 痛风?")])
    return (model or language.model)(ids).logits


def adapted(language: Language, config: LoraConfig = CONFIG) -> Language:
    """The model with an adapter that says something."""
    attach_lora(language.model, config, seed=0)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in lora_parameters(language.model).items():
        if name.endswith("lora_B"):
            parameter.data.normal_(std=0.1, generator=generator)
    return language


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_new_adapter_changes_nothing_and_a_disabled_one_never_does(language: Load, architecture: str) -> None:
    base = language(architecture)
    expected = logits(base)
    attach_lora(base.model, CONFIG, seed=0)
    assert torch.equal(logits(base), expected)
    taught = adapted(language(architecture))
    assert (logits(taught) - expected).abs().max() > 0.1
    enable_lora(taught.model, False)
    assert torch.equal(logits(taught), expected)
    enable_lora(taught.model, True)
    assert not torch.equal(logits(taught), expected)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_those_of_the_formula(dtype: torch.dtype, bias: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 6, dtype=dtype, requires_grad=True)
    weight = torch.randn(7, 6, dtype=dtype)
    offset = torch.randn(7, dtype=dtype) if bias else None
    a = torch.randn(3, 6, dtype=dtype, requires_grad=True)
    b = torch.randn(7, 3, dtype=dtype, requires_grad=True)
    pull = torch.randn(2, 5, 7, dtype=dtype)

    ours = LowRank.apply(x, weight, offset, a, b, 1.75)
    plain = F.linear(x, weight, offset) + 1.75 * (x @ a.t()) @ b.t()
    torch.testing.assert_close(ours, plain)
    expected = torch.autograd.grad((plain * pull).sum(), (x, a, b))
    for mine, right in zip(torch.autograd.grad((ours * pull).sum(), (x, a, b)), expected, strict=True):
        torch.testing.assert_close(mine.to(dtype), right, rtol=1e-5, atol=1e-5)  # factors' gradients are float32


def test_a_bfloat16_base_has_float32_factors_and_gradients() -> None:
    torch.manual_seed(0)
    base = torch.nn.Linear(16, 16, dtype=torch.bfloat16)
    layer = LoraLinear(base, CONFIG, torch.Generator().manual_seed(0))
    layer.lora_B.data.normal_()
    x = torch.randn(4, 16, dtype=torch.bfloat16)
    out = layer(x)
    out.float().pow(2).sum().backward()
    assert out.dtype == torch.bfloat16
    assert layer.lora_A.grad is not None
    assert layer.lora_A.grad.dtype == layer.lora_A.dtype == torch.float32
    assert layer.weight.grad is None
    exact = F.linear(x.float(), base.weight.float() + layer.update(), base.bias.float())
    torch.testing.assert_close(out.float(), exact, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "deepseek_v4"])
def test_peft_loads_the_saved_adapter_and_gives_the_same_logits(
    language: Load, architecture: str, tmp_path: Path
) -> None:
    taught = adapted(language(architecture))
    save_adapter(taught.model, CONFIG, "base", tmp_path)
    other = language(architecture)
    through_peft = logits(other, PeftModel.from_pretrained(other.model, str(tmp_path)))
    torch.testing.assert_close(through_peft, logits(taught), rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["deepseek_v2", "deepseek_v3", "deepseek_v32"])
def test_peft_loads_attention_adapters_of_mixtures_of_experts(
    language: Load, architecture: str, tmp_path: Path
) -> None:
    config = LoraConfig(rank=4, alpha=8, targets=("q_b_proj", "kv_b_proj", "o_proj"))
    taught = adapted(language(architecture), config)
    save_adapter(taught.model, config, "base", tmp_path)
    other = language(architecture)
    through_peft = logits(other, PeftModel.from_pretrained(other.model, str(tmp_path)))
    torch.testing.assert_close(through_peft, logits(taught), rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_adapter_comes_back_from_disk_and_merges_into_the_weights(
    language: Load, architecture: str, tmp_path: Path
) -> None:
    taught = adapted(language(architecture))
    expected = logits(taught)
    save_adapter(taught.model, CONFIG, "base", tmp_path)
    loaded = language(architecture)
    load_adapter(loaded.model, tmp_path)
    assert torch.equal(logits(loaded), expected)
    merge_lora(loaded.model)
    assert not list(lora_layers(loaded.model))
    torch.testing.assert_close(logits(loaded), expected, rtol=0, atol=1e-4)
    assert loaded.model.state_dict().keys() == language(architecture).model.state_dict().keys()


def test_a_scaled_adapter_is_scaled_for_every_loader(language: Load, tmp_path: Path) -> None:
    taught = adapted(language("llama"))
    save_adapter(taught.model, CONFIG, "base", tmp_path, scale=0.5)
    loaded = language("llama")
    load_adapter(loaded.model, tmp_path)
    halves = dict(lora_layers(loaded.model))
    for name, layer in lora_layers(taught.model):
        torch.testing.assert_close(halves[name].update(), layer.update() / 2)


def test_the_adapter_of_another_model_is_refused(language: Load, tmp_path: Path) -> None:
    save_adapter(adapted(language("qwen2")).model, CONFIG, "base", tmp_path / "qwen2")
    with pytest.raises(FusionError, match="linear layer"):
        load_adapter(language("deepseek_v3").model, tmp_path / "qwen2")
    few = load_file(tmp_path / "qwen2" / "adapter_model.safetensors")
    few.popitem()
    save_file(few, tmp_path / "qwen2" / "adapter_model.safetensors")
    with pytest.raises(FusionError, match="belongs to another model"):
        load_adapter(language("llama").model, tmp_path / "qwen2")
    save_adapter(adapted(language("llama")).model, CONFIG, "base", tmp_path / "wide")
    wide = load_file(tmp_path / "wide" / "adapter_model.safetensors")
    name = next(name for name in wide if "lora_B" in name)
    wide[name] = torch.cat([wide[name], wide[name]])
    save_file(wide, tmp_path / "wide" / "adapter_model.safetensors")
    with pytest.raises(FusionError, match="has shape"):
        load_adapter(language("llama").model, tmp_path / "wide")


def test_an_unknown_target_is_answered_with_the_layers_there_are(language: Load) -> None:
    with pytest.raises(FusionError) as failure:
        attach_lora(language("llama").model, LoraConfig(targets=("q_proj", "wq")), seed=0)
    assert "`wq`" in str(failure.value)
    assert "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj" in str(failure.value)


@pytest.mark.parametrize(
    ("architecture", "targets"),
    [*((name, ("all-linear",)) for name in ARCHITECTURES), ("llama", ("o_proj", "up_proj")), ("qwen2", ("q_proj",))],
)
def test_the_map_counts_what_really_trains(language: Load, architecture: str, targets: tuple[str, ...]) -> None:
    model = language(architecture).model
    config = LoraConfig(rank=3, targets=targets)
    rows = trainable_map(model, config)
    assert sum(row.parameters for row in rows) == model.num_parameters()
    attach_lora(model, config, seed=0)
    trained: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            kind = name.split(".")[-2]
            trained[kind] = trained.get(kind, 0) + parameter.numel()
    assert {row.name: row.trainable for row in rows if row.trainable} == trained
    assert trained


def test_routed_experts_and_the_router_are_listed_and_frozen(language: Load) -> None:
    model = language("deepseek_v3").model
    rows = {row.name: row for row in trainable_map(model, CONFIG)}
    assert rows["experts"].parameters == 8 * 3 * 32 * 32
    assert rows["experts"].trainable == rows["gate"].trainable == rows["lm_head"].trainable == 0
    assert rows["gate_proj"].layers == 2  # the dense layer and the shared expert
    assert rows["gate_proj"].trainable == 0  # PEFT would read it as an adapter on the routed experts
    assert rows["o_proj"].trainable > 0
    assert "lm_head" not in target_layers(model, ("all-linear",))


def test_the_same_seed_gives_the_same_adapter(language: Load) -> None:
    first, again, other = (language("llama").model for _ in range(3))
    for model, seed in ((first, 5), (again, 5), (other, 6)):
        attach_lora(model, CONFIG, seed)
    name = "model.layers.1.mlp.up_proj.lora_A"
    assert torch.equal(lora_parameters(first)[name], lora_parameters(again)[name])
    assert not torch.equal(lora_parameters(first)[name], lora_parameters(other)[name])
