"""Phase `multitask`: every head learns, texts are shared, and nothing held out is trained on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.config import LoraConfig, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.phases import MultitaskConfig, TaskConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.models.heads import Heads
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import attach_lora, load_adapter, lora_parameters
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.loop import Loop
from deepseek_fusion.training.multitask import task_course

Load = Callable[[str], Language]
KINDS = {"kind": "classification", "score": "rating", "tags": "labelling", "notes": "text"}


def write_rows(folder: Path, count: int = 120) -> None:
    """Small texts of which everything asked can be read off, in two languages, and one file a task."""
    rng = random.Random(0)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in KINDS}
    for number in range(count):
        fever, degree = rng.random() < 0.5, rng.randint(1, 3)
        words = [str(number), *(["fever"] if fever else ["疲劳"]), ("轻", "中", "重")[degree - 1]]
        text = " ".join(words)
        rows["kind"].append({"text": text, "label": "发热" if fever else "other"})
        rows["score"].append({"text": text, "rating": degree})
        rows["tags"].append({"text": text, "words": words, "tags": ["N", "S", "D"]})
        rows["notes"].append({"text": text})
    for name, own in rows.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in own)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


def section(names: Iterable[str] = KINDS, **settings: Any) -> TrainingConfig:
    tasks = {name: TaskConfig(kind=KINDS[name], files=(f"{name}.jsonl",)) for name in names}  # type: ignore[arg-type]
    settings = {"epochs": 6, "learning_rate": 1e-2, "replay_share": 0.0, "batch_tokens": 128, **settings}
    own = MultitaskConfig(tasks=tasks, **settings)
    return TrainingConfig(phases=("multitask",), lora=LoraConfig(rank=8), multitask=own).of_phase(0)


def labels(folder: Path, names: Iterable[str] = KINDS) -> Source:
    return Source(tuple(f"{name}.jsonl" for name in names), folder)


def test_every_head_learns_and_is_measured_on_texts_that_were_held_out(
    run: Run, source: Callable[[str], ModelSource], language: Load, tmp_path: Path
) -> None:
    write_rows(tmp_path)
    model = source("llama")
    adapter = run.step(train_adapter, section(epochs=20), model, None, None, None, None, labels(tmp_path))
    report = read_json(adapter.path / "training.json")
    assert report["heads"].keys() == {"kind", "score", "tags"}
    assert report["heads"]["kind"]["accuracy"] >= 0.9
    assert report["heads"]["tags"]["accuracy"] >= 0.9
    assert report["heads"]["score"]["mean_error"] <= 0.3
    assert 4 <= report["heads"]["kind"]["n"] <= 24
    assert {"loss", "score_loss", "tags_loss", "notes_loss"} <= report["curve"][-1].keys()
    loaded = language("llama")
    load_adapter(loaded.model, adapter.path / "adapter")
    (answers,) = Heads.load(adapter.path / "adapter").predict(loaded, ["777 fever 重"])
    assert answers["kind"]["label"] == "发热"
    assert [row["label"] for row in answers["tags"]] == ["N", "S", "D"]


def test_tasks_on_the_same_texts_cost_one_reading(
    run: Run, source: Callable[[str], ModelSource], tmp_path: Path
) -> None:
    write_rows(tmp_path, 40)
    model = source("llama")
    computed = [
        read_json(
            run.step(train_adapter, section(names), model, None, None, None, None, labels(tmp_path, names)).path
            / "training.json"
        )["computed_tokens"]
        for names in (KINDS, ["kind"])
    ]
    assert computed[0] == computed[1]


def test_nothing_that_is_held_out_is_read(language: Load, tmp_path: Path) -> None:
    write_rows(tmp_path)
    loaded = language("llama")
    course = task_course(loaded, section(), labels(tmp_path))
    read: dict[str, set[str]] = {objective.name: set() for objective in course.objectives}
    for step in range(course.steps):
        for objective in course.objectives:
            batch = objective.batch(step, {})
            read[objective.name] |= {loaded.decode(list(row)) for row in batch.rows} if batch else set()
    assert len(set(map(frozenset, read.values()))) == 1  # of all tasks the same texts
    assert 90 <= len(read["kind"]) < 120


def test_a_task_that_is_unsure_loses_weight(language: Load, tmp_path: Path) -> None:
    """Labels drawn by lot cannot be learned; Kendall's variance of that task grows, those of the others fall."""
    write_rows(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "kind.jsonl").read_text("utf-8").splitlines()]
    rng = random.Random(1)
    lots = "".join(json.dumps({**row, "label": rng.choice("abcdefgh")}) + "\n" for row in rows)
    (tmp_path / "kind.jsonl").write_text(lots, encoding="utf-8")
    loop = loop_of(language("llama"), section(epochs=3), labels(tmp_path))
    while loop.progress.step < loop.steps:
        loop.step()
    variances = {name: own.item() for name, own in loop.parameters.items() if name.startswith("variances.")}
    assert variances["variances.kind"] > 0 > variances["variances.tags"]


def loop_of(loaded: Language, config: TrainingConfig, rows: Source) -> Loop:
    course = task_course(loaded, config, rows)
    attach_lora(loaded.model, config.lora, config.seed)
    parameters = {**lora_parameters(loaded.model), **course.parameters}
    return Loop(loaded, config, course.objectives, parameters, course.steps)


def test_heads_and_variances_resume_to_the_bit(language: Load, tmp_path: Path) -> None:
    write_rows(tmp_path, 40)
    few = (tmp_path / "kind.jsonl").read_text("utf-8").splitlines(keepends=True)[-6:]
    (tmp_path / "kind.jsonl").write_text("".join(few), encoding="utf-8")  # a task that many steps do not touch
    config, rows = section(epochs=1), labels(tmp_path)
    whole = loop_of(language("llama"), config, rows)
    whole.run(tmp_path / "unused")
    first = loop_of(language("llama"), config, rows)
    for _ in range(first.steps // 2):
        first.step()
    first.save(tmp_path / "checkpoint")
    second = loop_of(language("llama"), config, rows)
    second.resume(tmp_path / "checkpoint")
    second.run(tmp_path / "unused")
    assert second.progress.curve == whole.progress.curve
    assert same(second.parameters, whole.parameters)


def same(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_text_that_is_too_long_is_refused_with_its_line(language: Load, tmp_path: Path) -> None:
    write_rows(tmp_path, 40)
    with (tmp_path / "kind.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"text": "fever " * 300, "label": "other"}) + "\n")
    with pytest.raises(FusionError, match=r"kind\.jsonl, line 41: has \d+ tokens and would be cut at 512; shorten it"):
        task_course(language("llama"), section(), labels(tmp_path))
