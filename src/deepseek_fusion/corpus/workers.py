"""Several processes that read files: in parallel, within limits, and in order."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from queue import Full, Queue
from typing import Any, TypeAlias

import pyarrow

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.core.settings.section import as_tree
from deepseek_fusion.corpus.documents import Rejected, unread
from deepseek_fusion.corpus.readers.files import SAFE
from deepseek_fusion.corpus.rows import File, Rows
from deepseek_fusion.corpus.worker import BEGUN, DONE, HEADER, REFUSED, ROWS

PATIENCE = 60.0
"""Seconds without a sign of life after which a file is given up."""
_FILES, _BYTES = 64, 16 << 20  # of a job
_AHEAD = 4  # batches that a job may be ahead of who takes them
_KEEPING = {"MALLOC_MMAP_THRESHOLD_": str(1 << 26), "MALLOC_TRIM_THRESHOLD_": str(1 << 28)}
"""A worker's memory is used again by the next batch (glibc); to hand it back and fetch it took a tenth of the time."""
_SMALL = 4 << 20  # bytes of documents for which no process is started

Read: TypeAlias = pyarrow.RecordBatch | Rejected


def read_rows(
    files: Sequence[File],
    section: CorpusConfig,
    exams: Sequence[File],
    patience: float = PATIENCE,
    judge: Path | None = None,
) -> Iterator[Read]:
    """The rows of all files in order, and a rejection for each file that a process died of.

    Raises:
        FusionError: as `read_jobs` does.
    """
    found = read_jobs(list(jobs_of(files)), section, exams, judge, patience=patience)
    yield from (rows for _, rows in found if rows is not None)


def read_jobs(
    jobs: Sequence[Sequence[File]],
    section: CorpusConfig,
    exams: Sequence[File],
    judge: Path | None = None,
    patients: Sequence[File] = (),
    processes: int | None = None,
    patience: float = PATIENCE,
) -> Iterator[tuple[int, Read | None]]:
    """The same job by job: the number of the job with its rows, and with None at its end.

    A few plain files are read here; anything else by processes, as many as OMP_NUM_THREADS or the cores if not said.

    Raises:
        FusionError: a file, an exam or the judge cannot be read, or a package of the `text` extra is missing.
    """
    files = [file for job in jobs for file in job]
    if not needs_processes(files):
        here = Rows(section, exams, judge, patients)
        for number, job in enumerate(jobs):
            yield from ((number, rows) for _, rows in here.of(job) if rows is not None)
            yield number, None
        return
    settings = {
        "section": dict(as_tree(section)),
        "exams": _named(exams),
        "judge": judge and str(judge.absolute()),
        "patients": _named(patients),
    }
    processes = processes or int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    crew = _Crew(jobs, settings, patience)
    crew.start(min(processes, len(jobs)))
    try:
        yield from crew.answers()
    finally:
        crew.stop()


def needs_processes(files: Sequence[File]) -> bool:
    """Whether they are so many, or of such formats, that processes of their own read them."""
    return any(file.path.suffix.lower() not in SAFE for file in files) or sum(map(_size, files)) >= _SMALL


def jobs_of(files: Sequence[File]) -> Iterator[list[File]]:
    """The files in their order, in jobs of so many files or bytes."""
    job: list[File] = []
    size = 0
    for file in files:
        job.append(file)
        size += _size(file)
        if len(job) == _FILES or size >= _BYTES:
            yield job
            job, size = [], 0
    if job:
        yield job


def _size(file: File) -> int:
    return file.path.stat().st_size if file.path.is_file() else 0


def _named(files: Sequence[File]) -> list[list[str]]:
    return [[str(file.path.absolute()), file.name] for file in files]


class _Crew:
    """Threads that each look after one process, and hand on what it answers, job by job."""

    def __init__(self, jobs: Sequence[Sequence[File]], settings: dict[str, Any], patience: float) -> None:
        self.jobs = jobs
        self.settings = settings
        self.patience = patience
        self.queues: list[Queue[Read | Exception | None]] = [Queue(_AHEAD) for _ in jobs]
        self.numbers = iter(range(len(jobs)))
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.threads: list[threading.Thread] = []
        self.processes: set[_Process] = set()

    def start(self, count: int) -> None:
        """Begin to work."""
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """End all threads and processes, whatever they are at."""
        self.stopped.set()
        with self.lock:
            for process in self.processes:
                process.kill()
        for thread in self.threads:
            thread.join()

    def answers(self) -> Iterator[tuple[int, Read | None]]:
        """What the jobs give, in their order, and None at the end of each."""
        for number, queue in enumerate(self.queues):
            answer: Read | Exception | None = queue.get()
            while answer is not None:
                if isinstance(answer, Exception):
                    raise answer
                yield number, answer
                answer = queue.get()
            yield number, None

    def _work(self) -> None:
        process: _Process | None = None
        while not self.stopped.is_set():
            with self.lock:
                number = next(self.numbers, None)
            if number is None:
                break
            todo: list[File | Rejected] = list(self.jobs[number])
            while todo and not self.stopped.is_set():
                process = process or self._started()
                todo, process = self._go_on(number, todo, process)
            self._put(number, None)
        if process is not None:
            self._ended(process)

    def _go_on(
        self, number: int, todo: list[File | Rejected], process: _Process
    ) -> tuple[list[File | Rejected], _Process | None]:
        """Do the next part of a job; returns what remains of it, and the process unless it stopped."""
        if isinstance(todo[0], Rejected):
            self._put(number, todo[0])
            return todo[1:], process
        files = [file for file in takewhile(lambda item: isinstance(item, File), todo) if isinstance(file, File)]
        rest, ended, begun = todo[len(files) :], 0, -1
        try:
            for kind, place, payload in process.read(files):
                begun = max(begun, place) if kind == BEGUN else begun
                if kind == ROWS:
                    ended = place
                    self._put(number, pyarrow.ipc.open_stream(payload).read_next_batch())
                elif kind == REFUSED:
                    self._put(number, FusionError(payload.to_pybytes().decode()))
        except _StoppedError as error:
            self._ended(process)
            if ended > begun >= 0:  # all rows of what was begun are here
                return [*files[ended:], *rest], None
            if begun < 0 and not process.is_new:  # between two jobs
                return todo, None
            if begun < 0:  # not for what it read, so it would happen for ever
                self._put(number, RuntimeError(f"the process that reads files does not start: {error}"))
                return [], None
            # What was read of the files before and did not arrive is read again.
            return [*files[ended:begun], unread(files[begun].name, None, str(error)), *files[begun + 1 :], *rest], None
        return rest, process

    def _started(self) -> _Process:
        process = _Process(self.settings, self.patience)
        with self.lock:
            self.processes.add(process)
        return process

    def _ended(self, process: _Process) -> None:
        with self.lock:
            self.processes.discard(process)
        process.close()

    def _put(self, number: int, answer: Read | Exception | None) -> None:
        """Wait until there is room, or nobody wants it any more."""
        while not self.stopped.is_set():
            with suppress(Full):
                self.queues[number].put(answer, timeout=0.1)
                return


class _StoppedError(Exception):
    """How a process ended."""


class _Process:
    """One worker."""

    def __init__(self, settings: dict[str, Any], patience: float) -> None:
        self.patience = patience
        self.is_new = True
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "deepseek_fusion.corpus.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **_KEEPING},
        )
        self._tell(settings)

    def read(self, files: Sequence[File]) -> Iterator[tuple[bytes, int, pyarrow.Buffer]]:
        """Frames until the files are done or refused.

        Raises:
            _StoppedError: the process ended, or gave no sign of life and was ended.
        """
        self._tell(_named(files))
        kind = b""
        while kind not in (DONE, REFUSED):
            kind, place, size = HEADER.unpack(self._take(HEADER.size))
            yield kind, place, self._take(size)
            self.is_new = False

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def close(self) -> None:
        """End it and clean up."""
        self.process.kill()
        with suppress(BrokenPipeError):
            self.process.communicate()
        self.errors.close()

    def _tell(self, message: Any) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # that it ended is noticed when its answer is read
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def _take(self, size: int) -> pyarrow.Buffer:
        assert self.process.stdout is not None
        taken = pyarrow.allocate_buffer(size)  # of memory that is used again, and not set to 0 first
        left = memoryview(taken)
        while left:
            patience = max(PATIENCE, self.patience) if self.is_new else self.patience  # to load libraries takes a while
            ready, _, _ = select.select([self.process.stdout], [], [], patience)
            if not ready:
                raise _StoppedError(f"was given up after {self.patience:g} seconds without a result")
            count = os.readv(self.process.stdout.fileno(), [left])
            if not count:
                raise _StoppedError(self._end())
            left = left[count:]
        return taken

    def _end(self) -> str:
        code = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"its reader crashed ({how}{': ' + said[:200] if said else ''})"
