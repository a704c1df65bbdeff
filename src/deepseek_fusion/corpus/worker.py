"""A process that turns files into rows: what a broken file does to it, it does to nothing else.

It is told what to do in lines of JSON and answers in frames, a header and a payload each. It is started by
`workers.py` as `python -m deepseek_fusion.corpus.worker`.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import pyarrow

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.corpus.rows import File, Rows

HEADER = struct.Struct("<cII")
"""Kind, number of a file, size of the payload."""
BEGUN, ROWS, DONE, REFUSED = b"b", b"r", b"d", b"x"
MOST_MEMORY = 4 << 30


class _WithoutPandas:
    """pyarrow loads pandas, where it is installed, to learn that a list is none of its tables: half of the time that a
    worker takes to start, and 45 MB."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """No package of that name."""
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def main() -> None:
    """Read a line of settings, then lines of files to read."""
    sys.meta_path.insert(0, _WithoutPandas)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the frames
    pyarrow.set_cpu_count(1)
    try:
        settings = json.loads(sys.stdin.readline())
        judge = settings["judge"] and Path(settings["judge"])
        exams, patients = _files(settings["exams"]), _files(settings["patients"])
        rows = Rows(CorpusConfig(**settings["section"]), exams, judge, patients)
        for line in sys.stdin:
            for number, batch in rows.of(_files(json.loads(line))):
                send(out, BEGUN if batch is None else ROWS, number, b"" if batch is None else packed(batch))
            send(out, DONE, 0, b"")
    except FusionError as error:
        send(out, REFUSED, 0, str(error).encode("utf-8", "backslashreplace"))


def send(out: BinaryIO, kind: bytes, number: int, payload: bytes | pyarrow.Buffer) -> None:
    """Write one frame."""
    out.write(HEADER.pack(kind, number, len(payload)))
    out.write(payload)
    out.flush()


def packed(batch: pyarrow.RecordBatch) -> pyarrow.Buffer:
    """A batch as an Arrow stream."""
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _files(pairs: list[list[str]]) -> list[File]:
    return [File(Path(path), name) for path, name in pairs]


if __name__ == "__main__":
    main()
