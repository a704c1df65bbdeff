"""The reading of documents as a step that datatrove's executors can run, on this machine or on many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datatrove.pipeline.base import PipelineStep

from deepseek_fusion.corpus.shards import Shards


class ReadShards(PipelineStep):  # type: ignore[misc]
    """Each task does every n-th job, if it is not done, by one process; rows go to a folder that all tasks share."""

    name = "Read documents"
    type = "READER"

    def __init__(self, shards: Shards) -> None:
        super().__init__()
        self.shards = shards

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Do the jobs of a task; nothing is handed on."""
        numbers = [number for number in self.shards.missing() if number % world_size == rank]
        for count in self.shards.fill(numbers, processes=1):
            self.stat_update("rows", value=count)
        yield from ()
