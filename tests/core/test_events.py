from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console as Terminal

from deepseek_fusion.core.artifacts import read_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import Console, Event, EventLog, MetricLog, emit, listen, say, track


def work() -> None:
    say("开始 [not markup]")
    with track("train", total=3, start=1) as progress:
        progress.advance(loss=2.5)
        progress.advance(loss=1.25, tokens_per_second=1234.0)


def test_without_a_listener_all_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    work()
    assert capfd.readouterr() == ("", "")


def test_a_listener_hears_its_block_only() -> None:
    heard: list[Event] = []
    with listen(heard.append):
        work()
    say("afterwards")
    assert [event.kind for event in heard] == ["say", "start", "advance", "advance", "end"]
    assert heard[3] == Event("advance", "train", 3, 3, {"loss": 1.25, "tokens_per_second": 1234.0})


def test_an_interrupted_track_still_ends() -> None:
    heard: list[Event] = []
    with pytest.raises(KeyboardInterrupt), listen(heard.append), track("train", 5):
        raise KeyboardInterrupt
    assert heard[-1] == Event("end", "train", 0, 5)


def test_the_log_is_jsonl_and_not_flooded(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    with listen(log):
        work()
    work_rows = read_jsonl(tmp_path / "events.jsonl")
    assert [row["kind"] for row in work_rows] == ["say", "start", "advance", "end"]
    assert work_rows[0]["label"] == "开始 [not markup]"
    with listen(EventLog(tmp_path / "events.jsonl")):
        say("appended")
    assert len(read_jsonl(tmp_path / "events.jsonl")) == 5


def test_a_terminal_shows_rate_fields_and_messages() -> None:
    screen = io.StringIO()
    with listen(Console(Terminal(file=screen, force_terminal=True, width=120))):
        work()
        emit(Event("stage", "graph", fields={"state": "finished", "seconds": 75.0}))
    shown = screen.getvalue()
    assert "开始 [not markup]" in shown
    assert "3/3" in shown
    assert "loss 1.25  tokens/s 1,234" in shown
    assert "✓ graph: 1 min 15 s" in shown


def test_a_log_file_gets_plain_lines() -> None:
    file = io.StringIO()
    with listen(Console(Terminal(file=file, width=80), seconds_between_lines=0)):
        work()
    lines = file.getvalue().splitlines()
    assert lines == [
        "开始 [not markup]",
        "  train  2/3  loss 2.5",
        "  train  3/3  loss 1.25  tokens/s 1,234",
        "  train  3/3",
    ]


def test_nested_tracks_share_one_display() -> None:
    screen = io.StringIO()
    with (
        listen(Console(Terminal(file=screen, force_terminal=True, width=120))),
        track("outer", 1),
        track("inner") as inner,
    ):
        inner.advance(5)
    assert "outer" in screen.getvalue()
    assert "inner" in screen.getvalue()


def step(**fields: float) -> Event:
    return Event("advance", "teaching", 2, 10, {"loss": 0.5, "learning_rate": 1e-3, "gradient_norm": 0.25, **fields})


def test_the_time_left_is_said_once() -> None:
    file, screen = io.StringIO(), io.StringIO()
    with listen(
        Console(Terminal(file=file, width=120), seconds_between_lines=0),
        Console(Terminal(file=screen, force_terminal=True, width=120)),
    ):
        emit(Event("start", "teaching", 0, 10))
        emit(step(seconds_left=90.0))
        emit(Event("end", "teaching", 2, 10))
    assert "  teaching  2/10  loss 0.5  learning rate 0.001  gradient norm 0.25  1 min 30 s left" in file.getvalue()
    assert "learning rate 0.001" in screen.getvalue()
    assert "1 min 30 s left" not in screen.getvalue()  # a live display has a column for it


@pytest.mark.parametrize(("kind", "module"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow")])
def test_a_logger_that_is_not_installed_is_one_sentence(
    kind: Literal["tensorboard", "mlflow"], module: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec(module):
        pytest.skip(f"{module} is installed")
    with pytest.raises(FusionError, match=rf"^training.log_to: {kind} is not installed; run `pip install {module}.*`"):
        MetricLog(kind, tmp_path)


def logged(kind: Literal["tensorboard", "mlflow"], folder: Path) -> None:
    """One stage with two steps, as training tells of it."""
    with listen(MetricLog(kind, folder)):
        emit(Event("stage", "adapter", fields={"state": "started", "key": "k1"}))
        emit(Event("start", "teaching", 0, 2))
        emit(Event("advance", "tokenising", 1, 2, {"documents": 3}))
        for done, loss in ((1, 2.0), (2, 1.5)):
            emit(Event("advance", "teaching", done, 2, {"loss": loss, "learning_rate": 1e-3}))
        emit(Event("end", "teaching", 2, 2))


def test_tensorboard_gets_every_step(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logged("tensorboard", tmp_path)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard" / "adapter-k1"))
    events.Reload()
    assert [(point.step, point.tensor_proto.float_val[0]) for point in events.Tensors("loss")] == [(1, 2.0), (2, 1.5)]
    assert set(events.Tags()["tensors"]) == {"loss", "learning_rate"}


def test_mlflow_gets_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    logged("mlflow", tmp_path)
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.run_name == "adapter-k1"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 2.0), (2, 1.5)]
