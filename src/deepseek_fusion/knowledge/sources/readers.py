"""Every format that knowledge comes in, by the ending of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deepseek_fusion.core.errors import FusionError, missing
from deepseek_fusion.knowledge.sources.attributes import read_things
from deepseek_fusion.knowledge.sources.knowledge import Knowledge
from deepseek_fusion.knowledge.sources.obo import read_obo
from deepseek_fusion.knowledge.sources.tables import read_lines, read_table


def _read_rdf(path: Path) -> Knowledge:
    try:
        from deepseek_fusion.knowledge.sources.rdf import read_rdf
    except ModuleNotFoundError:
        raise missing("pyoxigraph", f"{path}: reading RDF", "knowledge") from None
    return read_rdf(path)


READERS: dict[str, Callable[[Path], Knowledge]] = {
    ".csv": read_table,
    ".tsv": read_table,
    ".jsonl": read_lines,
    ".json": read_things,
    ".obo": read_obo,
    **dict.fromkeys((".owl", ".rdf", ".ttl", ".nt", ".nq"), _read_rdf),
}


def read_knowledge(path: Path) -> Knowledge:
    """What one file states; its records may be read only while they are taken.

    Raises:
        FusionError: the file or a part of it cannot be used; the message names the line and the field.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise FusionError(f"{path}: knowledge files end in {', '.join(READERS)}; convert this one.")
    return reader(path)
