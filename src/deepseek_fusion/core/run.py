"""The run engine: makes each artifact once, keeps it, and never leaves half of one."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, runtime_checkable

import deepseek_fusion
from deepseek_fusion.core.artifacts import LAYOUT, MANIFEST, Artifact, check_layout, room_on_disk, write_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import Event, emit
from deepseek_fusion.core.settings.section import Section, as_tree

P = ParamSpec("P")

LIBRARIES = ("accelerate", "numpy", "peft", "pydantic", "safetensors", "tokenizers", "torch", "transformers")


@runtime_checkable
class Input(Protocol):
    """Anything a stage may read: its key changes whenever its content does."""

    @property
    def key(self) -> str:
        """Hash that stands for the content."""


@dataclass(frozen=True)
class Stage(Generic[P]):
    """A function that fills the folder `out`, with the name and version that its artifacts are filed under."""

    make: Callable[Concatenate[Path, P], None]
    name: str
    version: int
    resumable: bool

    def __call__(self, out: Path, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call the plain function, without any engine."""
        self.make(out, *args, **kwargs)


def stage(
    name: str, *, version: int, resumable: bool = False
) -> Callable[[Callable[Concatenate[Path, P], None]], Stage[P]]:
    """Declare `make(out, section, *inputs)` a stage.

    Args:
        name: folder of its artifacts in the work folder.
        version: raise it when the same inputs now give another result; older artifacts are then remade.
        resumable: `out` may hold what an interrupted call left; otherwise it is always empty.
    """
    return lambda make: Stage(make, name, version, resumable)


class Run:
    """Exclusive use of one work folder, until closed.

    Raises:
        FusionError: when created, if another run holds the folder or a newer program laid it out.
    """

    def __init__(self, work: Path) -> None:
        self.work = work.resolve()
        check_layout(self.work)
        with room_on_disk(self.work):
            self.work.mkdir(parents=True, exist_ok=True)
            self._unlock = weakref.finalize(self, os.close, _lock(self.work / "lock"))
            if not (self.work / "layout.json").exists():
                write_json(self.work / "layout.json", {"layout": LAYOUT})

    def close(self) -> None:
        """Let other runs use the folder."""
        self._unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def step(self, make: Stage[P], *args: P.args, **kwargs: P.kwargs) -> Artifact:
        """Make an artifact, or keep the one that the same stage made of the same section and inputs.

        Call it as `run.step(make, section, *inputs)`; section is a config section or None, an input is anything
        with a key, or None.
        """
        assert not kwargs, "pass section and inputs by position: their order is part of the key"
        section, *inputs = args
        assert section is None or isinstance(section, Section)
        recipe = {
            "stage": make.name,
            "version": make.version,
            "section": None if section is None else as_tree(section),
            "inputs": [_describe(item) for item in inputs],
        }
        key = _key(recipe)
        artifact = Artifact(self.work / make.name / key, key, make.name)
        if (artifact.path / MANIFEST).exists():
            emit(Event("stage", make.name, fields={"state": "kept", "key": key}))
            return artifact
        with room_on_disk(self.work), _partial(artifact, make.resumable) as (folder, resumed):
            started, clock, cpu = datetime.now(UTC), time.monotonic(), _cpu_seconds()
            make(folder, *args, **kwargs)
            seconds = round(time.monotonic() - clock, 3)
            manifest = {
                "layout": LAYOUT,
                "key": key,
                **recipe,
                "started": started.isoformat(timespec="seconds"),
                "resumed": resumed,
                "seconds": seconds,
                "cpu_seconds": round(_cpu_seconds() - cpu, 3),
                "versions": library_versions(),
            }
            write_json(folder / MANIFEST, manifest)
            if artifact.path.exists():  # without a manifest, so somebody took a finished artifact apart
                shutil.rmtree(artifact.path)
            folder.rename(artifact.path)
        emit(Event("stage", make.name, fields={"state": "finished", "key": key, "seconds": seconds}))
        return artifact


def library_versions() -> dict[str, str]:
    """Versions of Python, of this package and of the libraries whose results could differ between versions."""
    versions = {"python": platform.python_version(), "deepseek-fusion": deepseek_fusion.__version__}
    return versions | {library: version for library in LIBRARIES if (version := _installed(library))}


@functools.cache  # the files of every package are looked through, for each of many stages
def _installed(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _key(recipe: dict[str, Any]) -> str:
    keys = [item and item["key"] for item in recipe["inputs"]]
    text = json.dumps([recipe["stage"], recipe["version"], recipe["section"], keys], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _describe(item: object) -> dict[str, str] | None:
    if item is None:
        return None
    assert isinstance(item, Input), f"{item!r} has no key, so a change in it would go unnoticed"
    return {"stage": item.stage if isinstance(item, Artifact) else type(item).__name__.lower(), "key": item.key}


@contextmanager
def _partial(artifact: Artifact, resumable: bool) -> Iterator[tuple[Path, bool]]:
    """The folder to work in, and whether an interrupted run left something there to go on from."""
    folder = artifact.path.with_name(f"{artifact.key}.partial")
    if not resumable:
        shutil.rmtree(folder, ignore_errors=True)
    resumed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    emit(Event("stage", artifact.stage, fields={"state": "resumed" if resumed else "started", "key": artifact.key}))
    try:
        yield folder, resumed
    finally:
        if not resumable:  # nothing can go on from it, and it may be what filled the disk
            shutil.rmtree(folder, ignore_errors=True)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode().strip()
        os.close(descriptor)
        raise FusionError(
            f"{path.parent}: another run (process {holder}) is working here; wait until it ends, or choose another "
            "work folder."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
