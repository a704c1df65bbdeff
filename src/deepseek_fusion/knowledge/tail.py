"""The long tail: which terms the documents hardly mention, lie deep, or are defined nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from deepseek_fusion.core.artifacts import Artifact, read_parquet, write_json
from deepseek_fusion.core.run import stage
from deepseek_fusion.knowledge.definitions import DEFINITIONS, Definition, find_definitions
from deepseek_fusion.knowledge.language import fold
from deepseek_fusion.knowledge.mentions import count_mentions
from deepseek_fusion.knowledge.store.store import Store
from deepseek_fusion.knowledge.store.tables import TEXT

TAIL = "tail.parquet"
_SCHEMA = pyarrow.schema(
    {
        "id": pyarrow.string(),
        "name": pyarrow.string(),
        "mentions": pyarrow.int64(),
        "depth": pyarrow.int32(),
        "definition": pyarrow.string(),
        "defined_by": pyarrow.string(),
    }
)


@dataclass(frozen=True)
class Place:
    """One row: how common a term is, how deep it lies (None outside a hierarchy), and what defines it, if anything."""

    mentions: int
    depth: int | None
    definition: str
    defined_by: str


@stage("tail", version=1)
def map_tail(out: Path, section: None, store: Artifact, corpus: Artifact) -> None:
    """Write `tail.parquet`, a row for each term that is not obsolete, and `summary.json` with how many are rare.

    A definition comes from the ontology, else from the first sentence of the documents that says what the term is.
    """
    known = Store.open(store.path)
    names = {known.id(node): known.spoken(node) for node in _nodes(known)}
    documents = corpus.path / "documents.parquet"
    counts = count_mentions(names, (row["text"] for row in read_parquet(documents, "text")))
    defined = _stated(known)
    wanted = {term: own for term, own in names.items() if term not in defined}
    texts = ((str(row.get("source", "")), row["text"]) for row in read_parquet(documents, *_columns(documents)))
    said = find_definitions(wanted, texts)
    rows = [_row(known, node, counts, defined | said) for node in _nodes(known)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, _SCHEMA), out / TAIL)
    write_json(
        out / "summary.json",
        {
            "terms": len(rows),
            "mentioned": sum(row["mentions"] > 0 for row in rows),
            "defined": sum(bool(row["definition"]) for row in rows),
            "defined_by_documents": len(said),
            "neither": sum(not row["mentions"] and not row["definition"] for row in rows),
        },
    )


def read_tail(folder: Path) -> dict[str, Place]:
    """The rows by term id."""
    rows = read_parquet(folder / TAIL)
    return {row["id"]: Place(row["mentions"], row["depth"], row["definition"], row["defined_by"]) for row in rows}


def _nodes(store: Store) -> Iterator[int]:
    return (node for node in range(len(store)) if store.kinds[node] != TEXT and not store.obsolete[node])


def _stated(store: Store) -> dict[str, Definition]:
    """What the ontology itself says that its terms are."""
    wanted = {relation for relation in store.head["relations"] if fold(relation) in DEFINITIONS}
    found: dict[str, Definition] = {}
    for fact in store.all_facts(wanted):
        found.setdefault(store.id(fact.subject), Definition(store.label(fact.object), str(fact.origin)))
    return found


def _row(store: Store, node: int, counts: dict[str, int], defined: dict[str, Definition]) -> dict[str, Any]:
    term = store.id(node)
    definition = defined.get(term, Definition("", ""))
    return {
        "id": term,
        "name": store.label(node),
        "mentions": counts[term],
        "depth": store.depth(node),
        "definition": definition.sentence,
        "defined_by": definition.source,
    }


def _columns(documents: Path) -> list[str]:
    """A corpus of documents says where each comes from."""
    return [name for name in ("source", "text") if name in pyarrow.parquet.read_schema(documents).names]
