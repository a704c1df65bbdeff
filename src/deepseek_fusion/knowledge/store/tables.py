"""The three tables that a store consists of, and the folder that they are kept in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import ipc

from deepseek_fusion.core.artifacts import read_json, write_json
from deepseek_fusion.core.errors import FusionError

Numbers = np.ndarray[Any, Any]

NAME, TERM, TEXT = 0, 1, 2
"""What a node is: a bare name, a term with an id, or a text such as a definition."""
LABEL, SYNONYM, IDENTIFIER = 0, 1, 2
"""What a name is to its node: preferred (one a language), another one, or an id (its own or a merged term's)."""

HEAD = "store.json"
TABLES = ("nodes", "names", "facts")


@dataclass(frozen=True)
class Tables:
    """Columns of a store.

    Attributes:
        nodes: id, label, language, kind, obsolete, depth (-1 outside the tree), and where its own rows begin in the
            other tables: `names`, `facts` (as subject) and `backward` (as object); one row more than there are nodes.
        names: node, text, language, kind, by node; `hashes` of all folded names, sorted, and `hashed`, their rows.
        facts: subject, relation, object, source, line, confidence, time, rank (place in the files), by subject; and
            `backward`, their rows by object.
        head: relations, languages, sources, times, counts, versions and notes.
    """

    nodes: pyarrow.Table
    names: pyarrow.Table
    facts: pyarrow.Table
    head: dict[str, Any]

    def save(self, folder: Path) -> None:
        """One Arrow file a table, which other programs can map into memory as well, and `store.json`."""
        for name in TABLES:
            table = getattr(self, name)
            with (
                pyarrow.OSFile(str(folder / f"{name}.arrow"), "wb") as file,
                ipc.new_file(file, table.schema) as writer,
            ):
                writer.write_table(table, max_chunksize=max(1, len(table)))
        write_json(folder / HEAD, self.head)

    @classmethod
    def open(cls, folder: Path) -> Tables:
        """Map the files of a folder into memory; nothing is read until it is used.

        Raises:
            FusionError: a file is missing or broken.
        """
        try:
            tables = [ipc.open_file(pyarrow.memory_map(str(folder / f"{name}.arrow"))).read_all() for name in TABLES]
        except (pyarrow.ArrowException, OSError) as error:
            raise FusionError(f"{folder}: holds no store ({error}); delete the folder to have it remade.") from None
        nodes, names, facts = tables
        return cls(nodes, names, facts, read_json(folder / HEAD))


def column(table: pyarrow.Table, name: str) -> Numbers:
    """A column of numbers without copying it."""
    chunks = table.column(name).chunks
    if not chunks:
        return np.empty(0, table.schema.field(name).type.to_pandas_dtype())
    assert len(chunks) == 1
    return np.asarray(chunks[0].to_numpy(zero_copy_only=True))


def strings(table: pyarrow.Table, name: str) -> Any:
    """A column of texts as one Arrow array."""
    chunks = table.column(name).chunks
    return chunks[0] if chunks else pyarrow.array([], pyarrow.string())
