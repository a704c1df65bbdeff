"""Reading documents on datatrove's executors: processes of this machine, a Ray cluster, or Slurm.

The folder of the run must be on a disk that all machines see, and so must the documents. What one machine can do, the
comparing of texts with each other, is done where the command was given, when all rows are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.executor.base import PipelineExecutor

from deepseek_fusion.core.errors import FusionError, missing
from deepseek_fusion.corpus.scale.step import ReadShards
from deepseek_fusion.corpus.shards import Shards

Kind = Literal["local", "ray", "slurm"]


@dataclass(frozen=True)
class Executor:
    """Where documents are read.

    Attributes:
        kind: processes of this machine, Ray (the cluster of RAY_ADDRESS, else this machine), or Slurm.
        tasks: in how many parts, all at the same time if there is room.
        partition: of Slurm.
        time: that Slurm gives a task.
    """

    kind: Kind
    tasks: int
    partition: str = ""
    time: str = "24:00:00"

    def __call__(self, shards: Shards) -> None:
        """Do all jobs; returns when no task is left.

        Raises:
            FusionError: Ray is not installed, or Slurm not given a partition.
        """
        if not shards.missing():
            return
        # Which jobs are done is seen in the folder; datatrove's own marks would count tasks of an earlier number
        shared = {"tasks": self.tasks, "logging_dir": str(shards.folder / "logs"), "skip_completed": False}
        step = ReadShards(shards)
        if self.kind == "local":
            LocalPipelineExecutor([step], **shared).run()
        elif self.kind == "ray":
            with _ray():
                RayPipelineExecutor([step], **shared).run()
        else:
            self._slurm(step, shared).run()

    def _slurm(self, step: ReadShards, shared: Mapping[str, object]) -> PipelineExecutor:
        if not self.partition:
            raise FusionError("--executor slurm: needs a partition; add --partition NAME.")
        os.environ["SBATCH_WAIT"] = "1"  # sbatch then ends with the last task
        return SlurmPipelineExecutor([step], time=self.time, partition=self.partition, job_name="corpus", **shared)


@contextmanager
def _ray() -> Iterator[None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise missing("ray", "--executor ray", "scale") from None
    ray.init(ignore_reinit_error=True, include_dashboard=False)
    try:
        yield
    finally:
        ray.shutdown()
