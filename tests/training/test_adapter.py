"""Training on a tiny model: it learns, keeps its promises, and survives being killed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import processes
from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl
from deepseek_fusion.core.config import CurriculumConfig, LoraConfig, ReplayConfig, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import Event, listen
from deepseek_fusion.core.run import Run
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.replay import write_replay

FACTS = """
Gout | symptom | fever
Gout | code | M10.9
Asthma | symptom | cough
Asthma | code | J45
Anemia | symptom | fatigue
Anemia | code | D64
"""
CONFIG = TrainingConfig(
    lora=LoraConfig(rank=8), batch_tokens=128, learning_rate=1e-2, checkpoint_seconds=0, replay_share=0.2
)


@dataclass(frozen=True)
class Course:
    """All that a training run reads."""

    run: Run
    model: ModelSource
    lessons: Artifact
    replay: Artifact | None

    def train(self, section: TrainingConfig = CONFIG) -> Artifact:
        return self.run.step(train_adapter, section, self.model, self.lessons, self.replay)


@pytest.fixture
def course(run: Run, graph: Callable[..., Artifact], source: Callable[[str], ModelSource]) -> Course:
    model = source("llama")
    lessons = run.step(write_lessons, CurriculumConfig(exposures=12), graph(FACTS), None)
    return Course(run, model, lessons, run.step(write_replay, ReplayConfig(texts=8, max_tokens=24), model))


def result(adapter: Artifact) -> tuple[bytes, bytes, list[dict[str, float]]]:
    """What must not depend on interruptions."""
    folder = adapter.path / "adapter"
    training = read_json(adapter.path / "training.json")
    tensors = (folder / "adapter_model.safetensors").read_bytes()
    return tensors, (folder / "adapter_config.json").read_bytes(), training["curve"]


def test_training_lowers_the_loss_and_reports_what_it_did(course: Course) -> None:
    adapter = course.train()
    report = read_json(adapter.path / "training.json")
    losses = [row["loss"] for row in report["curve"]]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert report["steps"] == len(losses) == report["curve"][-1]["step"]
    assert report["tokens"] == report["lesson_tokens"] + report["replay_tokens"] == report["curve"][-1]["tokens"]
    assert report["tflop"] > 0
    factors = load_file(adapter.path / "adapter" / "adapter_model.safetensors")
    assert report["trainable"] == sum(tensor.numel() for tensor in factors.values())
    assert all(tensor.abs().sum() > 0 for tensor in factors.values())
    assert {file.name for file in adapter.path.iterdir()} == {"adapter", "training.json", "manifest.json"}


def test_the_learning_rate_rises_and_falls(course: Course) -> None:
    adapter = course.train(CONFIG.model_copy(update={"warmup": 0.2}))
    rates = [row["learning_rate"] for row in read_json(adapter.path / "training.json")["curve"]]
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(1e-2)
    assert peak == round(0.2 * len(rates)) - 1
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(1e-3, rel=0.1)


def test_every_step_tells_how_it_went(course: Course) -> None:
    heard: list[Event] = []
    with listen(heard.append):
        curve = read_json(course.train().path / "training.json")["curve"]
    steps = [event for event in heard if event.kind == "advance" and event.label == "teaching"]
    assert [event.done for event in steps] == [point["step"] for point in curve]
    for event, point in zip(steps, curve, strict=True):
        assert {"tokens_per_second", "seconds_left"} < event.fields.keys()
        assert event.fields["loss"] == pytest.approx(point["loss"], abs=1e-4)
        assert [event.fields[name] for name in ("learning_rate", "gradient_norm")] == [
            point[name] for name in ("learning_rate", "gradient_norm")
        ]
    assert steps[0].fields["seconds_left"] > 0
    assert steps[-1].fields["seconds_left"] == 0


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_the_replay_share_is_honoured(course: Course, share: float) -> None:
    adapter = course.train(CONFIG.model_copy(update={"replay_share": share}))
    report = read_json(adapter.path / "training.json")
    assert abs(report["replay_tokens"] - share * report["tokens"]) <= CONFIG.batch_tokens
    assert any(row["replay_loss"] > 0 for row in report["curve"])


def test_replay_holds_the_base(course: Course) -> None:
    """The same lessons drift further from the base without the anchor."""
    weighted = course.train(CONFIG.model_copy(update={"replay_share": 0.5, "replay_weight": 5.0}))
    light = course.train(CONFIG.model_copy(update={"replay_share": 0.5, "replay_weight": 1e-6}))
    anchored, loose = (
        [row["replay_loss"] for row in read_json(adapter.path / "training.json")["curve"][-8:]]
        for adapter in (weighted, light)
    )
    assert sum(anchored) < 0.7 * sum(loose)


def test_the_same_inputs_give_the_same_adapter_to_the_bit(course: Course, tmp_path: Path) -> None:
    with Run(tmp_path / "elsewhere") as other:
        assert result(replace(course, run=other).train()) == result(course.train())
    assert result(course.train(CONFIG.model_copy(update={"seed": 1}))) != result(course.train())


def test_a_loss_that_is_no_number_is_one_sentence(course: Course) -> None:
    with pytest.raises(FusionError, match=r"not a number at step \d+; lower training.learning_rate \(it is 1e\+30\)"):
        course.train(CONFIG.model_copy(update={"learning_rate": 1e30}))


def test_a_lesson_that_is_too_long_is_refused(course: Course) -> None:
    with pytest.raises(FusionError, match="would be cut at 16"):
        course.train(CONFIG.model_copy(update={"max_length": 16}))


# --- interruptions -------------------------------------------------------------------------------------------------


def partial(work: Path) -> Path:
    (folder,) = (work / "adapter").glob("*.partial")
    return folder


def steps_done(work: Path) -> int:
    """Steps in the newest checkpoint; 0 if there is none."""
    for checkpoint in (work / "adapter").glob("*.partial/checkpoint.safetensors"):
        with safe_open(checkpoint, "pt") as file:
            return int(json.loads(file.metadata()["progress"])["step"])
    return 0


@pytest.fixture
def started(course: Course, tmp_path: Path) -> Iterator[Callable[..., ForkServerProcess]]:
    """Start the same training in a process of its own, in the work folder `interrupted`."""
    running: list[ForkServerProcess] = []

    def start(section: TrainingConfig = CONFIG, largest_file: int | None = None) -> ForkServerProcess:
        arguments = (tmp_path / "interrupted", section, course.model, course.lessons, course.replay, largest_file)
        running.append(processes.start(processes.train, *arguments, output=tmp_path / "log"))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.join()


def wait_for(condition: Callable[[], bool], process: ForkServerProcess) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert process.is_alive(), "the process ended before it could be interrupted"
        assert time.monotonic() < until
        time.sleep(0.002)


def test_killed_five_times_it_ends_with_the_same_adapter(
    course: Course, started: Callable[..., ForkServerProcess], tmp_path: Path
) -> None:
    expected = result(course.train())
    total = len(expected[2])
    moment = random.Random()
    work = tmp_path / "interrupted"
    for kill in range(5):
        before = steps_done(work)
        process = started()
        goal = min(total - 3, before + moment.randint(1, total // 6))
        wait_for(lambda goal=goal: steps_done(work) >= goal, process)  # type: ignore[misc]
        time.sleep(moment.random() * 0.01)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, f"kill {kill}"
        assert not [folder for folder in (work / "adapter").iterdir() if folder.suffix != ".partial"]
        assert steps_done(work) >= goal
    with Run(work) as resumed:
        adapter = replace(course, run=resumed).train()
    assert adapter.manifest()["resumed"] is True
    assert result(adapter) == expected
    assert {file.name for file in adapter.path.iterdir()} == {"adapter", "training.json", "manifest.json"}


def test_what_a_kill_in_mid_write_left_is_not_released(course: Course) -> None:
    adapter = course.train()
    left = adapter.path.with_name(f"{adapter.key}.partial")
    adapter.path.rename(left)
    (left / "manifest.json").unlink()
    (left / ".checkpoint.safetensors.4711").write_bytes(b"half")
    assert {file.name for file in course.train().path.iterdir()} == {"adapter", "training.json", "manifest.json"}


def test_ctrl_c_waits_for_the_step_and_leaves_a_checkpoint(
    course: Course, started: Callable[..., ForkServerProcess], tmp_path: Path
) -> None:
    rarely = CONFIG.model_copy(update={"checkpoint_seconds": 3600})
    process = started(rarely)
    events = tmp_path / "interrupted" / "events.jsonl"
    wait_for(lambda: events.exists() and '"advance", "label": "teaching"' in events.read_text(), process)
    os.kill(process.pid or 0, signal.SIGINT)
    process.join(30)
    assert process.exitcode == 1
    assert (tmp_path / "log.err").read_text().endswith("KeyboardInterrupt\n")
    assert steps_done(tmp_path / "interrupted") > 0
    rows = [row for row in read_jsonl(events) if row["kind"] == "end"]
    assert steps_done(tmp_path / "interrupted") == rows[-1]["done"]  # not one step is lost
    with Run(tmp_path / "interrupted") as resumed:
        assert result(replace(course, run=resumed).train(rarely)) == result(course.train(rarely))


def test_a_full_disk_is_one_sentence_and_the_checkpoint_stays(
    course: Course, started: Callable[..., ForkServerProcess], tmp_path: Path
) -> None:
    work = tmp_path / "interrupted"
    process = started()
    wait_for(lambda: steps_done(work) >= 3, process)
    process.kill()
    process.join()
    checkpoint = partial(work) / "checkpoint.safetensors"
    kept = checkpoint.read_bytes()
    process = started(largest_file=len(kept) // 2)
    process.join(60)
    assert process.exitcode == 1
    last = (tmp_path / "log.err").read_text().splitlines()[-1]
    assert last.startswith("deepseek_fusion.core.errors.FusionError: ")
    assert "cannot be written (file too large); free some space and run the same command again" in last
    assert checkpoint.read_bytes() == kept
    with Run(work) as resumed:
        assert result(replace(course, run=resumed).train()) == result(course.train())


def test_threads_are_part_of_the_report(course: Course) -> None:
    assert read_json(course.train().path / "training.json")["threads"] == torch.get_num_threads() == 1
