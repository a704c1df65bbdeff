"""Rows on disk, a file for each job of files: what a killed run or another machine finished is not read again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path

import pyarrow

from deepseek_fusion.core.artifacts import writing
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.corpus.documents import Rejected
from deepseek_fusion.corpus.readers.formats.fhir import holds_patients
from deepseek_fusion.corpus.readers.opening import Opened
from deepseek_fusion.corpus.rows import SCHEMA, File, unread_rows
from deepseek_fusion.corpus.workers import jobs_of, read_jobs


class Shards:
    """What all files give, those that are to be rejected with their reason.

    Which files are a job depends on their number and sizes alone, so every process that is told the same cuts the same.

    Args:
        folder: where the rows go, on a disk that all machines see.
        files: in order.
        section: what to read, mask and filter.
        exams: files of questions to keep clear of.
        judge: the model of the semantic level; the packaged one if absent.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[File],
        section: CorpusConfig,
        exams: Sequence[File],
        judge: Path | None = None,
    ) -> None:
        self.folder = folder
        self.jobs = list(jobs_of(files))
        self.section = section
        self.exams = list(exams)
        self.judge = judge
        self.patients = [file for file in files if holds_patients(Opened(file.path, file.name))]
        folder.mkdir(parents=True, exist_ok=True)

    def missing(self) -> list[int]:
        """Numbers of the jobs that are not done."""
        return [number for number in range(len(self.jobs)) if not self._path(number).exists()]

    def fill(self, numbers: Sequence[int], processes: int | None = None) -> Iterator[int]:
        """Do jobs, by as many processes as OMP_NUM_THREADS or the cores if not said; yields how many rows came.

        Raises:
            FusionError: a file or an exam may not be opened, or a package of the `text` extra is needed and missing.
        """
        jobs = [self.jobs[number] for number in numbers]
        answers = read_jobs(jobs, self.section, self.exams, self.judge, self.patients, processes)
        for place, found in groupby(answers, key=lambda answer: answer[0]):
            with writing(self._path(numbers[place])) as file, pyarrow.ipc.new_file(file, SCHEMA) as writer:
                for _, answer in found:
                    if answer is not None:
                        rows = unread_rows(answer) if isinstance(answer, Rejected) else answer
                        writer.write_batch(rows)
                        yield len(rows)

    def batches(self, every: int = 1) -> Iterator[pyarrow.RecordBatch]:
        """All rows, in the order of the files, or those of one batch of so many.

        Raises:
            FusionError: a job is not done.
        """
        if missing := self.missing():
            raise FusionError(
                f"{self.folder}: {len(missing)} of {len(self.jobs)} parts of the documents are not read; look at the"
                " logs there for the reason, and run the same command again to go on."
            )
        for job, first in enumerate(self._firsts[:-1]):
            with pyarrow.OSFile(str(self._path(job))) as source, pyarrow.ipc.open_file(source) as reader:
                yield from map(reader.get_batch, range(-first % every, reader.num_record_batches, every))

    def texts(self, batch: int) -> pyarrow.Array:
        """The texts of a batch by its number, of which no more is read than is looked at."""
        job = bisect_right(self._firsts, batch) - 1
        with pyarrow.memory_map(str(self._path(job))) as source, pyarrow.ipc.open_file(source) as reader:
            return reader.get_batch(batch - self._firsts[job]).column("text")

    @cached_property
    def _firsts(self) -> list[int]:
        """The number of the first batch of each job, and of all batches."""
        firsts = [0]
        for job in range(len(self.jobs)):
            with pyarrow.OSFile(str(self._path(job))) as source, pyarrow.ipc.open_file(source) as reader:
                firsts.append(firsts[-1] + reader.num_record_batches)
        return firsts

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.arrow"
