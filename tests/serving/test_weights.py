"""The gates: a good adapter passes, a bad one is stopped, and what is released loads with plain transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import LoraConfig, ServingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import attach_lora, load_adapter, lora_parameters, save_adapter
from deepseek_fusion.models.source import ModelSource, find_model
from deepseek_fusion.serving.answer import answer
from deepseek_fusion.serving.weights import check_weights, export_weights

Load = Callable[[str], Language]
Find = Callable[[str], ModelSource]


@pytest.fixture
def adapter(language: Load, tmp_path: Path) -> Callable[..., Artifact]:
    """A folder as `train_adapter` leaves it, with an adapter of the given strength."""

    def make(architecture: str = "llama", strength: float = 0.1, **config: object) -> Artifact:
        section = LoraConfig(rank=4, alpha=8, **config)
        model = language(architecture).model
        attach_lora(model, section, seed=0)
        generator = torch.Generator().manual_seed(1)
        for name, parameter in lora_parameters(model).items():
            if name.endswith("lora_B"):
                parameter.data.normal_(std=1, generator=generator).mul_(strength)
        folder = tmp_path / f"{architecture}-{strength}"
        save_adapter(model, section, "base", folder / "adapter")
        return Artifact(folder, folder.name, "adapter")

    return make


def gates(weights: Path) -> dict[str, bool]:
    return {gate["name"]: gate["passed"] for gate in read_json(weights / "gates.json")["gates"]}


@pytest.mark.parametrize(
    "architecture", ["llama", "qwen2", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4"]
)
def test_a_good_adapter_passes_every_gate(
    run: Run, source: Find, adapter: Callable[..., Artifact], architecture: str
) -> None:
    made = run.step(export_weights, ServingConfig(), source(architecture), adapter(architecture))
    assert len(gates(made.path)) == 5
    assert all(gates(made.path).values())


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Found missing adapter keys")
@pytest.mark.parametrize("architecture", ["deepseek_v2", "deepseek_v3", "deepseek_v32"])
def test_an_adapter_that_peft_would_put_on_other_layers_is_stopped(
    run: Run, source: Find, adapter: Callable[..., Artifact], architecture: str
) -> None:
    misread = adapter(architecture, targets=("gate_proj", "up_proj", "down_proj"))
    with pytest.raises(FusionError, match="through PEFT"):
        run.step(export_weights, ServingConfig(), source(architecture), misread)


def test_the_merged_folder_is_any_model_to_transformers(
    run: Run, source: Find, language: Load, adapter: Callable[..., Artifact]
) -> None:
    taught = adapter()
    merged = run.step(export_weights, ServingConfig(), source("llama"), taught).path / "merged"
    ours = language("llama")
    load_adapter(ours.model, taught.path / "adapter")
    tokenizer = AutoTokenizer.from_pretrained(merged)
    model = AutoModelForCausalLM.from_pretrained(merged)
    served = tokenizer.apply_chat_template(
        [{"role": "user", "content": "痛风？"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    assert served[0].tolist() == ours.encode_question("痛风？")
    torch.testing.assert_close(model(served).logits, ours.model(served).logits, rtol=0, atol=1e-3)
    assert not [name for name in load_file(merged / "model.safetensors") if "lora" in name]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_merged_model_can_be_stored_in_16_bits(
    run: Run, source: Find, adapter: Callable[..., Artifact], dtype: str
) -> None:
    made = run.step(export_weights, ServingConfig(merged_dtype=dtype), source("llama"), adapter())
    assert {str(tensor.dtype) for tensor in load_file(made.path / "merged" / "model.safetensors").values()} == {
        f"torch.{dtype}"
    }
    assert all(gates(made.path).values())


def test_an_adapter_that_does_nothing_is_stopped(run: Run, source: Find, adapter: Callable[..., Artifact]) -> None:
    with pytest.raises(
        FusionError, match=r"release stopped: gate `merged is not the base` measured 0 and needs > 0.02"
    ):
        run.step(export_weights, ServingConfig(), source("llama"), adapter(strength=0.0))
    assert not list((run.work / "weights").glob("*/merged"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("spoilt", [False, True])
def test_a_merged_model_that_lost_its_weak_adapter_is_told_from_a_rounded_one(
    run: Run, source: Find, adapter: Callable[..., Artifact], tmp_path: Path, dtype: str, spoilt: bool
) -> None:
    section, base = ServingConfig(merged_dtype=dtype), load_language(source("llama"))
    taught = adapter(strength=0.01)
    folder = run.step(export_weights, section, source("llama"), taught).path
    if spoilt:
        base.model.to(getattr(torch, dtype)).save_pretrained(folder / "merged")
    failed = [gate["name"] for gate in check_weights(folder, section, source("llama")) if not gate["passed"]]
    assert failed == [
        *(["reloaded = adapter"] if spoilt and dtype == "float32" else []),  # 16 bits allow for more than it changes
        *(["update lost in reloading"] if spoilt else []),
    ]


def test_an_adapter_of_numbers_that_are_none_is_stopped(
    run: Run, source: Find, adapter: Callable[..., Artifact]
) -> None:
    taught = adapter()
    file = taught.path / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    next(iter(tensors.values()))[0, 0] = torch.nan
    save_file(tensors, file)
    with pytest.raises(FusionError, match=r"release stopped: .* measured nan"):
        run.step(export_weights, ServingConfig(), source("llama"), taught)


def test_an_adapter_that_peft_reads_otherwise_is_stopped(
    run: Run, source: Find, adapter: Callable[..., Artifact]
) -> None:
    taught = adapter()
    file = taught.path / "adapter" / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "use_rslora": True}))  # another scale, to PEFT alone
    with pytest.raises(FusionError, match="gate `adapter through PEFT = adapter`"):
        run.step(export_weights, ServingConfig(), source("llama"), taught)


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")
def test_a_tampered_adapter_is_stopped(run: Run, source: Find, adapter: Callable[..., Artifact]) -> None:
    taught = adapter()
    file = taught.path / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors.popitem()
    save_file(tensors, file)
    with pytest.raises(FusionError, match="belongs to another model"):
        run.step(export_weights, ServingConfig(), source("llama"), taught)


def test_asking_a_merged_model(run: Run, source: Find, adapter: Callable[..., Artifact], tmp_path: Path) -> None:
    weights = run.step(export_weights, ServingConfig(), source("llama"), adapter()).path
    said = answer(weights, "痛风有哪些症状？")
    loaded = load_language(weights / "merged")
    ids = torch.tensor([loaded.encode_question("痛风有哪些症状？")])
    made = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=256)
    assert said == loaded.decode(made[0, ids.shape[1] :].tolist()).strip()
    with pytest.raises(FusionError, match="the question is empty"):
        answer(weights, "  \n")
    with pytest.raises(FusionError, match="has no merged/ model; give a release folder"):
        answer(tmp_path, "痛风？")


def test_the_base_may_be_kept_in_bfloat16(
    run: Run, models: Callable[[str], Path], adapter: Callable[..., Artifact], tmp_path: Path
) -> None:
    half = load_language(models("llama"), torch.bfloat16)
    half.model.save_pretrained(tmp_path / "half")
    half.tokenizer.save_pretrained(tmp_path / "half")
    made = run.step(export_weights, ServingConfig(), find_model("half", tmp_path, "float32"), adapter())
    assert all(gates(made.path).values())
    stored = load_file(made.path / "merged" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
