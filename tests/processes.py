"""Work in processes of its own that tests may kill; a fork server has the heavy libraries loaded already."""

from __future__ import annotations

import multiprocessing
import os
import resource
import socket
import sys
import traceback
from collections.abc import Callable
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import torch

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.events import EventLog, listen
from deepseek_fusion.core.run import Run
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.adapter import train_adapter


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["deepseek_fusion.pipeline"])
    return context


def start(function: Callable[..., object], *arguments: Any, output: Path) -> ForkServerProcess:
    """Run a function of an importable module in a new process; what it prints goes to `output`.out and .err."""
    process = _server().Process(target=_call, args=(function, arguments, output))
    process.start()
    return process


def run(function: Callable[..., object], *arguments: Any, output: Path) -> tuple[int | None, str, str]:
    """The same, waited for: exit code, standard output, standard error."""
    process = start(function, *arguments, output=output)
    process.join(120)
    if process.is_alive():
        process.kill()
    return process.exitcode, output.with_suffix(".out").read_text(), output.with_suffix(".err").read_text()


def _call(function: Callable[..., object], arguments: tuple[Any, ...], output: Path) -> None:
    torch.set_num_threads(1)
    for number, suffix in ((1, ".out"), (2, ".err")):
        descriptor = os.open(output.with_suffix(suffix), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(descriptor, number)
    code = 1
    try:
        function(*arguments)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command_line(folder: Path, *arguments: str) -> None:
    """The `deepseek-fusion` command, in a folder."""
    from deepseek_fusion.cli import app

    os.chdir(folder)
    app(list(arguments), prog_name="deepseek-fusion")


def train(
    work: Path,
    section: TrainingConfig,
    model: ModelSource,
    lessons: Artifact,
    replay: Artifact | None,
    largest_file: int | None = None,
) -> None:
    """The adapter stage, on a disk that takes no file of more than `largest_file` bytes."""
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    with Run(work) as opened, listen(EventLog(work / "events.jsonl")):
        opened.step(train_adapter, section, model, lessons, replay)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
