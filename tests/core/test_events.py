from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console as Terminal

from deepseek_fusion.core.artifacts import read_jsonl
from deepseek_fusion.core.events import Console, Event, EventLog, emit, listen, say, track


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
