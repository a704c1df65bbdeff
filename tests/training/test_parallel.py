"""However several processes hold a model, they teach it what one process teaches."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import processes
from deepseek_fusion.core.config import LoraConfig, Parallel, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.settings.section import as_tree
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import ADAPTER_FILE, save_adapter
from deepseek_fusion.models.parallel import check_parallel, held, load_spread
from deepseek_fusion.models.ranks import next_job, together
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.adapter import teaching
from deepseek_fusion.training.loop import Loop
from deepseek_fusion.training.samples import Sample, chat_sample

STEPS = 4
WAYS: list[tuple[str, Parallel, float]] = [
    ("llama", "data", 1.0),
    ("llama", "sharded", 0.5),
    ("llama", "tensor", 0.51),
    ("qwen2", "tensor", 0.51),
    ("deepseek_v2", "tensor", 0.54),
    ("deepseek_v3", "sharded", 0.5),
    ("deepseek_v3", "expert", 0.5),
    ("deepseek_v3", "tensor", 0.61),
]
"""Architecture, way, and the share of the decoder layers that each of two processes then holds, at most. The library's
plan leaves norms and some projections whole, in V3 the attention."""


@pytest.mark.parametrize(("architecture", "way", "share"), WAYS, ids=lambda value: str(value))
def test_two_processes_have_the_gradients_of_one(
    source: Callable[[str], ModelSource], tmp_path: Path, architecture: str, way: Parallel, share: float
) -> None:
    model = source(architecture)
    take_steps(tmp_path / "one", model, way, 0, None)
    both = [tmp_path / f"two-{number}" for number in range(2)]
    port = processes.free_port()
    started = [
        processes.start(take_steps, folder, model, way, number, port, output=folder)
        for number, folder in enumerate(both)
    ]
    for process in started:
        process.join(120)
        process.kill()  # one that still waits for another would wait for days
    for process, folder in zip(started, both, strict=True):
        assert process.exitcode == 0, folder.with_suffix(".err").read_text()[-3000:]

    one, two, other = (load_file(folder / "last.safetensors") for folder in (tmp_path / "one", *both))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.equal(two[name], other[name]), name
        if name.endswith(".exp_avg"):  # a sum of the gradients of all steps
            assert (two[name] - tensor).norm() <= 1e-4 * tensor.norm(), name
            assert tensor.norm() > 0, name
    resumed = load_file(both[0] / "resumed.safetensors")
    assert all(torch.equal(resumed[name], tensor) for name, tensor in two.items())
    one, two = (load_file(folder / ADAPTER_FILE) for folder in (tmp_path / "one", both[0]))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-5)

    whole, parts = report(tmp_path / "one"), [report(folder) for folder in both]
    for part in parts:
        for key in ("tokens", "parameters", "trainable"):
            assert part[key] == whole[key], key
        assert [row["loss"] for row in part["curve"]] == pytest.approx(
            [row["loss"] for row in whole["curve"]], rel=1e-4
        )
        assert part["layers_held"] <= share * whole["layers_held"]
        assert part["parameters_held"] - part["layers_held"] == whole["parameters_held"] - whole["layers_held"]


def take_steps(folder: Path, model: ModelSource, way: Parallel, number: int, port: int | None) -> None:
    """A few steps in one of two processes, or in the only one if there is no port."""
    folder.mkdir()
    if port is not None:
        os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2"}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    section = TrainingConfig(lora=LoraConfig(rank=4), batch_tokens=2048, learning_rate=1e-3, parallel=way)
    with together() as leads:
        loop = fresh_loop(model, section)
        while loop.progress.step < STEPS:
            loop.step()
            if loop.progress.step == 1:
                loop.save(folder / "first.safetensors")
        loop.save(folder / "last.safetensors")
        save_adapter(loop.language.model, section.lora, model.path, folder)
        layers: Any = loop.language.model.get_decoder().layers
        told = {**loop.report(), "layers_held": held(layers)}
        (folder / "report.json").write_text(json.dumps(told), encoding="utf-8")

        again = fresh_loop(model, section)
        again.resume(folder / "first.safetensors")
        while again.progress.step < STEPS:
            again.step()
        again.save(folder / "resumed.safetensors")
        if not leads:
            assert next_job() is None


def fresh_loop(model: ModelSource, section: TrainingConfig) -> Loop:
    language = load_spread(model, section.parallel)
    loop = teaching(language, section, samples(language))
    wake(loop.parameters)
    language.model.train()
    return loop


def wake(factors: Mapping[str, nn.Parameter]) -> None:
    """A fresh adapter has no update, and so no gradient of its first factors."""
    dice = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, factor in factors.items():
            if name.endswith("lora_B"):
                factor.normal_(std=0.05, generator=dice)


def samples(language: Language) -> list[Sample]:
    """Questions, and texts so long that one process goes through the model more often than the other, or alone."""
    dice = torch.Generator().manual_seed(0)
    asked = [("What is the code of Gout?", "M10.9"), ("感冒的症状是什么？", "发烧、咳嗽")]
    texts = [
        torch.randint(3, len(language.tokenizer), (length,), generator=dice).tolist()
        for length in (590, 600, 610, 900, 1800)
    ]
    return [
        *(chat_sample(language, question, answer) for question, answer in asked * 3),
        *(Sample(tuple(ids), (False,) * 9 + (True,) * (len(ids) - 9)) for ids in texts),
    ]


def report(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return told


def test_the_way_is_no_part_of_a_key() -> None:
    assert as_tree(TrainingConfig(parallel="sharded")) == as_tree(TrainingConfig())


@pytest.mark.parametrize(
    ("architecture", "way", "size", "message"),
    [
        ("deepseek_v3", "sharded", 1, "`sharded` divides .* the only one; start them with `torchrun"),
        ("llama", "expert", 2, "has no routed experts that could be divided; choose `sharded`"),
        ("deepseek_v3", "expert", 3, "n_routed_experts of deepseek_v3, 8, and 3 processes .* divides 8"),
        ("llama", "tensor", 4, "num_key_value_heads of llama, 2, and 4 processes .* divides 2"),
        ("deepseek_v3", "tensor", 3, "intermediate_size of deepseek_v3, 64, and 3 processes .* divides 64"),
        ("deepseek_v4", "tensor", 2, "and deepseek_v4 is deepseek_v4; choose `sharded`"),
    ],
)
def test_what_cannot_be_divided_is_refused(
    source: Callable[[str], ModelSource], architecture: str, way: Parallel, size: int, message: str
) -> None:
    with pytest.raises(FusionError, match=f"^training.parallel: .*{message}"):
        check_parallel(TrainingConfig(parallel=way), source(architecture), size)


def test_only_plain_adapters_are_divided(source: Callable[[str], ModelSource]) -> None:
    section = TrainingConfig(parallel="sharded", lora=LoraConfig(method="dora"))
    with pytest.raises(FusionError, match=r"^training.parallel: .* training.lora.method is `dora`; choose `data`"):
        check_parallel(section, source("llama"), 2)
    check_parallel(section.model_copy(update={"parallel": "data"}), source("llama"), 2)


@pytest.mark.parametrize("way", ["expert", "tensor"])
def test_experts_that_are_divided_take_no_adapters(source: Callable[[str], ModelSource], way: Parallel) -> None:
    section = TrainingConfig(parallel=way, lora=LoraConfig(targets=("all-linear", "experts")))
    with pytest.raises(FusionError, match=r"^training.parallel: .*targets puts adapters on them; choose `sharded`"):
        check_parallel(section, source("deepseek_v3"), 2)
    check_parallel(section.model_copy(update={"parallel": "sharded"}), source("deepseek_v3"), 2)


@pytest.mark.parametrize(("architecture", "way"), [("deepseek_v3", "expert"), ("llama", "tensor")])
def test_what_can_be_divided_is_not(source: Callable[[str], ModelSource], architecture: str, way: Parallel) -> None:
    check_parallel(TrainingConfig(parallel=way), source(architecture), 2)


def test_nobody_else_divides_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(FusionError, match="leave out --use_fsdp"), together():
        pass
