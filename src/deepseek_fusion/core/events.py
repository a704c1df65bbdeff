"""Progress and messages, without global configuration: whoever listens hears the work below it.

``with listen(Console()): teach(config, run)`` shows a live display; without a listener all is silent.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.text import Text

from deepseek_fusion.core.errors import FusionError

Value = str | int | float | bool | None

LEFT = "seconds_left"


@dataclass(frozen=True)
class Event:
    """One thing that happened: a message, a stage made or kept, or progress on one piece of work."""

    kind: Literal["say", "stage", "start", "advance", "end"]
    label: str
    done: float = 0
    total: float | None = None
    fields: dict[str, Value] = field(default_factory=dict)


Sink = Callable[[Event], None]

_sinks: ContextVar[tuple[Sink, ...]] = ContextVar("sinks", default=())


@contextmanager
def listen(*sinks: Sink) -> Iterator[None]:
    """Send the events of this block to `sinks`, and to nobody else."""
    token = _sinks.set(sinks)
    try:
        yield
    finally:
        _sinks.reset(token)


def emit(event: Event) -> None:
    """Hand one event to the current listeners."""
    for sink in _sinks.get():
        sink(event)


def say(message: str) -> None:
    """Tell the user one sentence."""
    emit(Event("say", message))


@dataclass
class Tracker:
    """Counts the progress of one piece of work."""

    label: str
    total: float | None
    done: float = 0

    def advance(self, n: float = 1, **fields: Value) -> None:
        """Count `n` more; `fields` (loss, tokens_per_second, ...) are shown next to the bar."""
        self.done += n
        emit(Event("advance", self.label, self.done, self.total, fields))


@contextmanager
def track(label: str, total: float | None = None, start: float = 0) -> Iterator[Tracker]:
    """Show the progress of a block; `start` is how much an earlier, interrupted run had done."""
    tracker = Tracker(label, total, start)
    emit(Event("start", label, start, total))
    try:
        yield tracker
    finally:
        emit(Event("end", label, tracker.done, total))


class EventLog:
    """Sink that appends events to a JSONL file, at most one line of progress a second."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._quiet_until = 0.0

    def __call__(self, event: Event) -> None:
        now = time.time()
        if event.kind == "advance":
            if now < self._quiet_until:
                return
            self._quiet_until = now + 1
        row = {"time": round(now, 3), **asdict(event)}
        with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


class MetricLog:
    """Sink that hands the numbers of every step of training to TensorBoard or MLflow, a run for each stage.

    TensorBoard's files go to `tensorboard/` in the folder; MLflow's to `mlruns/` there, unless the environment names a
    tracking server.

    Raises:
        FusionError: when created, if the library is not installed.
    """

    def __init__(self, kind: Literal["tensorboard", "mlflow"], folder: Path) -> None:
        package, module = {
            "tensorboard": ("tensorboard", "tensorboard.summary"),
            "mlflow": ("mlflow-skinny", "mlflow"),
        }[kind]
        try:
            self._library: Any = importlib.import_module(module)
        except ImportError:
            raise FusionError(
                f"training.log_to: {kind} is not installed; run `pip install {package}`, or take the line out."
            ) from None
        self.kind, self.folder = kind, folder
        self._run = ""
        self._writer: Any = None
        if kind == "mlflow" and "MLFLOW_TRACKING_URI" not in os.environ:
            self._library.set_tracking_uri((folder / "mlruns").as_uri())

    def __call__(self, event: Event) -> None:
        if event.kind == "stage" and event.fields["state"] in ("started", "resumed"):
            self._run = f"{event.label}-{event.fields['key']}"
        elif event.kind == "advance" and "learning_rate" in event.fields:
            numbers = {name: float(value) for name, value in event.fields.items() if isinstance(value, int | float)}
            self._write(numbers, int(event.done))
        elif event.kind == "end" and self._writer is not None:
            self._close()

    def _write(self, numbers: dict[str, float], step: int) -> None:
        if self.kind == "mlflow":
            self._writer = self._writer or self._library.start_run(run_name=self._run)
            self._library.log_metrics(numbers, step=step)
            return
        self._writer = self._writer or self._library.Writer(str(self.folder / "tensorboard" / self._run))
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def _close(self) -> None:
        if self.kind == "mlflow":
            self._library.end_run()
        else:
            self._writer.close()
        self._writer = None


class Console:
    """Sink for people: live bars on a terminal, a plain line now and then in a log file."""

    def __init__(self, terminal: Terminal | None = None, seconds_between_lines: float = 15.0) -> None:
        self.terminal = terminal or Terminal(stderr=True, highlight=False)
        self.seconds_between_lines = seconds_between_lines
        self._bars: dict[str, TaskID] = {}
        self._display: Progress | None = None
        self._next_line = 0.0

    def __call__(self, event: Event) -> None:
        if event.kind == "say":
            self._print(event.label)
        elif event.kind == "stage":
            self._print(_stage_line(event))
        elif self.terminal.is_terminal:
            self._draw(event)
        else:
            self._log(event)

    def _print(self, line: str) -> None:
        self.terminal.print(Text(line), soft_wrap=True)

    def _draw(self, event: Event) -> None:
        if self._display is None:
            self._display = _display(self.terminal)
            self._display.start()
        if event.kind == "start":
            self._bars[event.label] = self._display.add_task(
                event.label, total=event.total, completed=int(event.done), fields={}
            )
        elif event.kind == "advance":
            fields = {name: value for name, value in event.fields.items() if name != LEFT}  # it has a column
            self._display.update(self._bars[event.label], completed=event.done, fields=fields)
        else:
            self._display.stop_task(self._bars.pop(event.label))
            if not self._bars:
                self._display.stop()
                self._display = None

    def _log(self, event: Event) -> None:
        now = time.monotonic()
        if event.kind == "start":
            self._next_line = now + self.seconds_between_lines
        elif event.kind == "end" or now >= self._next_line:
            self._next_line = now + self.seconds_between_lines
            share = f"{event.done:g}" + (f"/{event.total:g}" if event.total else "")
            self._print("  ".join(part for part in (f"  {event.label}", share, _describe(event.fields)) if part))


class _Fields(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_describe(task.fields["fields"]), style="cyan")


def _display(terminal: Terminal) -> Progress:
    return Progress(
        TextColumn("  {task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeLeft(elapsed_when_finished=True),
        _Fields(),
        console=terminal,
        refresh_per_second=4,
    )


def _stage_line(event: Event) -> str:
    state = event.fields["state"]
    if state == "finished":
        return f"✓ {event.label}: {_seconds(event.fields['seconds'])}"
    return f"✓ {event.label}: kept" if state == "kept" else f"→ {event.label}"


def _seconds(value: Value) -> str:
    seconds = float(value or 0)
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _describe(fields: dict[str, Value]) -> str:
    return "  ".join(
        f"{_seconds(value)} left" if name == LEFT else f"{_name(name)} {_value(value)}"
        for name, value in fields.items()
    )


def _name(field_name: str) -> str:
    return field_name.replace("_per_second", "/s").replace("_", " ")


def _value(value: Value) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
