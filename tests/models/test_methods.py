"""Every method against PEFT's own, against the base it stands on, and against what is left of it on disk."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig as PeftLora
from peft import MissConfig, OSFConfig, PeftModel, get_peft_model
from torch import Tensor

from deepseek_fusion.core.config import LoraConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.fused import FusedMLP, fuse
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import (
    METHODS,
    attach_lora,
    begin_lora,
    enable_lora,
    load_adapter,
    lora_layers,
    lora_parameters,
    merge_lora,
    save_adapter,
    trainable_map,
)
from deepseek_fusion.models.methods.moved import OsfLinear, PissaLinear

Load = Callable[[str], Language]
ARCHITECTURES = ("llama", "qwen2", "deepseek_v3")
EVERY = tuple(METHODS)
IDS = torch.tensor([[5, 6, 7, 8, 9, 10, 11, 40, 41]])
WIDE = ("o_proj", "up_proj", "down_proj")
"""Layers of the tiny Llama that are square, tall and wide; the smaller side of each is 32."""


def config(method: str, **fields: object) -> LoraConfig:
    return LoraConfig(**{"method": method, "rank": 4, "alpha": 8, **fields})


@torch.inference_mode()
def logits(model: torch.nn.Module) -> Tensor:
    return model(IDS).logits


def taught(language: Language, section: LoraConfig) -> Language:
    """The model with an adapter that says something."""
    attach_lora(language.model, section, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in lora_parameters(language.model).values():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return language


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", EVERY)
def test_a_new_adapter_changes_nothing_and_a_disabled_one_never_does(
    language: Load, method: str, architecture: str
) -> None:
    base = language(architecture)
    expected = logits(base.model)
    attach_lora(base.model, config(method), seed=0)
    torch.testing.assert_close(logits(base.model), expected, rtol=0, atol=2e-4)
    changed = taught(language(architecture), config(method)).model
    assert (logits(changed) - expected).abs().max() > 0.05
    enable_lora(changed, False)
    assert torch.equal(logits(changed), expected)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", EVERY)
def test_adapter_is_reloaded_is_merged_is_what_peft_loads(
    language: Load, method: str, architecture: str, tmp_path: Path
) -> None:
    section = config(method)
    model = taught(language(architecture), section).model
    expected = logits(model)
    save_adapter(model, section, "base", tmp_path)
    loaded, other = language(architecture).model, language(architecture).model
    load_adapter(loaded, tmp_path)
    torch.testing.assert_close(logits(loaded), expected, rtol=0, atol=1e-4)
    merge_lora(loaded)
    assert not list(lora_layers(loaded))
    torch.testing.assert_close(logits(loaded), expected, rtol=0, atol=2e-4)
    torch.testing.assert_close(logits(PeftModel.from_pretrained(other, str(tmp_path))), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("method", EVERY)
def test_training_goes_on_from_what_was_saved(language: Load, method: str, tmp_path: Path) -> None:
    section = config(method)
    model = taught(language("llama"), section).model
    expected = logits(model)
    save_adapter(model, section, "base", tmp_path / "first")
    again = language("llama").model
    begin_lora(again, section, 7, tmp_path / "first")
    torch.testing.assert_close(logits(again), expected, rtol=0, atol=1e-4)
    assert list(lora_parameters(again)) == list(lora_parameters(model))
    save_adapter(again, section, "base", tmp_path / "second")  # no wider than before
    files = [(tmp_path / name / "adapter_model.safetensors").stat().st_size for name in ("first", "second")]
    assert files[0] == files[1]


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
@pytest.mark.parametrize("method", EVERY)
def test_a_share_of_the_change_is_stored_whatever_the_method(
    language: Load, method: str, architecture: str, tmp_path: Path
) -> None:
    section, base = config(method), language(architecture).model.state_dict()
    model = taught(language(architecture), section).model
    save_adapter(model, section, "base", tmp_path, scale=0.4)
    half = language(architecture).model
    load_adapter(half, tmp_path)
    merge_lora(half)
    merge_lora(model)
    for (name, whole), part in zip(model.state_dict().items(), half.state_dict().values(), strict=True):
        torch.testing.assert_close(part, torch.lerp(base[name], whole, 0.4), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", EVERY)
def test_the_map_counts_what_really_trains(language: Load, method: str) -> None:
    model = language("llama").model
    rows = trainable_map(model, config(method))
    before = model.num_parameters()
    attach_lora(model, config(method), seed=0)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert sum(row.trainable for row in rows) == sum(parameter.numel() for parameter in trained)
    assert sum(row.parameters for row in rows) == before
    assert {id(parameter) for parameter in lora_parameters(model).values()} == {id(own) for own in trained}


# --- the same as PEFT's own ----------------------------------------------------------------------------------------


def step(model: torch.nn.Module) -> Tensor:
    """One step of plain gradient descent on everything that trains, and the logits after it."""
    model(IDS).logits.sin().sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None and parameter.requires_grad:
                parameter.sub_(parameter.grad, alpha=1e-3)
                parameter.grad = None
    return logits(model)


PEFT = {
    "lora": PeftLora(r=4, lora_alpha=8, target_modules=list(WIDE)),
    "rslora": PeftLora(r=4, lora_alpha=8, target_modules=list(WIDE), use_rslora=True),
    "dora": PeftLora(r=4, lora_alpha=8, target_modules=list(WIDE), use_dora=True),
    "pissa": PeftLora(r=4, lora_alpha=8, target_modules=list(WIDE), init_lora_weights="pissa"),
    "miss": MissConfig(r=4, target_modules=list(WIDE)),
    "osf": OSFConfig(effective_rank=28, target_modules=list(WIDE)),
}


@pytest.mark.parametrize("method", PEFT)
def test_three_steps_are_those_of_peft(language: Load, method: str) -> None:
    ours, base = language("llama").model, language("llama").model
    expected = logits(base)
    attach_lora(ours, config(method, targets=WIDE), seed=0)
    theirs = get_peft_model(base, PEFT[method])
    if method in {"lora", "rslora", "dora"}:  # their random beginning is another
        for name, layer in lora_layers(ours):
            theirs.get_submodule(f"base_model.model.{name}").lora_A["default"].weight.data.copy_(layer.lora_A)
    for _ in range(3):
        mine, right = step(ours), step(theirs)
        torch.testing.assert_close(mine, right, rtol=0, atol=5e-4)
    assert (right - expected).abs().max() > 0.01


def test_pissa_takes_the_principal_directions() -> None:
    torch.manual_seed(0)
    for shape in ((24, 40), (40, 24), (24, 24)):
        base = torch.nn.Linear(shape[1], shape[0])
        layer = PissaLinear(base, config("pissa"), torch.Generator().manual_seed(0))
        u, s, v = torch.linalg.svd(base.weight.detach(), full_matrices=False)
        taken = layer.scale * layer.lora_B.detach() @ layer.lora_A.detach()
        torch.testing.assert_close(taken, u[:, :4] * s[:4] @ v[:4], rtol=0, atol=2e-3)
        torch.testing.assert_close(layer.update(), torch.zeros(shape), rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (24, 24)])
def test_osf_moves_outside_of_the_principal_directions(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    base = torch.nn.Linear(shape[1], shape[0])
    layer = OsfLinear(base, config("osf"), torch.Generator().manual_seed(0))
    u, s, v = torch.linalg.svd(base.weight.detach(), full_matrices=False)
    torch.testing.assert_close(layer.osf_S.detach(), s[-4:])
    layer(torch.randn(9, shape[1])).sin().sum().backward()
    assert layer.osf_U.grad is not None
    assert layer.osf_V.grad is not None
    assert layer.osf_U.grad.abs().max() > 1e-3
    assert (u[:, :-4].t() @ layer.osf_U.grad).abs().max() < 1e-5
    assert (layer.osf_V.grad @ v[:-4].t()).abs().max() < 1e-5


@pytest.mark.parametrize("method", EVERY)
def test_a_bfloat16_base_trains_in_float32(method: str) -> None:
    torch.manual_seed(0)
    base = torch.nn.Linear(16, 16, dtype=torch.bfloat16)
    layer = METHODS[method](base, config(method), torch.Generator().manual_seed(0))
    x = torch.randn(4, 16, dtype=torch.bfloat16)
    out = layer(x)
    torch.testing.assert_close(out.float(), base(x).float(), rtol=0.05, atol=0.05)
    out.float().pow(2).sum().backward()
    trained = [getattr(layer, name) for name in layer.trained]
    assert {parameter.dtype for parameter in trained} == {torch.float32}
    assert any(parameter.grad.abs().max() > 0 for parameter in trained)
    assert layer.weight.grad is None


# --- fused, chosen, refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v3"])
@pytest.mark.parametrize("method", EVERY)
def test_fusing_keeps_logits_and_gradients(language: Load, method: str, architecture: str) -> None:
    model = taught(language(architecture), config(method)).model
    parameters = lora_parameters(model)
    before = model(IDS).logits
    before.sin().sum().backward()
    expected = [parameter.grad for parameter in parameters.values()]
    fuse(model)
    for parameter in parameters.values():
        parameter.grad = None
    after = model(IDS).logits
    after.sin().sum().backward()
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    for parameter, gradient in zip(parameters.values(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=2e-3)
    fused = any(isinstance(module, FusedMLP) for module in model.modules())
    assert fused == (architecture == "llama" and method not in {"dora", "full"})


@pytest.mark.parametrize("method", ["lora", "full", "dora"])
def test_the_last_layers_alone(language: Load, method: str, tmp_path: Path) -> None:
    section = config(method, last_layers=1, targets=("o_proj", "down_proj"))
    model = taught(language("llama"), section).model
    assert {name for name, _ in lora_layers(model)} == {
        "model.layers.1.self_attn.o_proj",
        "model.layers.1.mlp.down_proj",
    }
    expected = logits(model)
    save_adapter(model, section, "base", tmp_path)
    loaded, other = language("llama").model, language("llama").model
    load_adapter(loaded, tmp_path)
    torch.testing.assert_close(logits(loaded), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(logits(PeftModel.from_pretrained(other, str(tmp_path))), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("method", "most"), [("pissa", 16), ("osf", 16), ("miss", 32)])
def test_a_rank_beyond_the_layer_is_one_sentence(language: Load, method: str, most: int) -> None:
    attach_lora(language("llama").model, config(method, rank=most), seed=0)
    with pytest.raises(FusionError) as failure:
        attach_lora(language("llama").model, config(method, rank=most + 1), seed=0)
    assert f"with method {method} the rank can be {most} at most; it is {most + 1}." in str(failure.value)


@pytest.mark.parametrize(("before", "now"), [("lora", "dora"), ("dora", "full"), ("full", "lora"), ("lora", "pissa")])
def test_another_method_than_before_is_refused(language: Load, before: str, now: str, tmp_path: Path) -> None:
    model = taught(language("llama"), config(before)).model
    save_adapter(model, config(before), "base", tmp_path)
    with pytest.raises(FusionError, match=f"the phase before left {before} of rank 4"):
        begin_lora(language("llama").model, config(now), 0, tmp_path)


def test_rank_stabilised_is_plain_lora_of_a_larger_alpha(language: Load, tmp_path: Path) -> None:
    model = taught(language("llama"), config("rslora")).model
    assert next(layer for _, layer in lora_layers(model)).scale == pytest.approx(8 / math.sqrt(4))
    save_adapter(model, config("rslora"), "base", tmp_path)
    assert '"lora_alpha": 16.0' in (tmp_path / "adapter_config.json").read_text()
