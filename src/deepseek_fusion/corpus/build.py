"""The stage that turns the user's documents into clean rows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from deepseek_fusion.core.artifacts import write_json, write_jsonl
from deepseek_fusion.core.config import CorpusConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.filters import basic_filters
from deepseek_fusion.corpus.readers import read_documents
from deepseek_fusion.knowledge.language import language_of

HELD_OUT_EVERY = 20


@stage("corpus", version=1)
def build_corpus(out: Path, section: CorpusConfig, source: Source) -> None:
    """Read and filter the documents.

    Writes `documents.jsonl`, `held_out.jsonl` (one document in 20, chosen by its content, that no lesson may use),
    `rejected.jsonl` (each with the filter and its reason) and `summary.json`.

    Raises:
        FusionError: there are documents and every one was rejected, or one needs a package that is not installed.
    """
    counts: Counter[str] = Counter()
    unread: list[Rejected] = []
    documents = _read(source, counts, unread)
    filters = basic_filters(section)
    for each in filters:
        documents = each(documents)
    held_out: list[dict[str, str]] = []
    write_jsonl(out / "documents.jsonl", _without_held_out(map(_row, documents), held_out))
    write_jsonl(out / "held_out.jsonl", held_out)
    rejected = unread + [row for each in filters for row in each.rejected]
    write_jsonl(out / "rejected.jsonl", (row.row() for row in rejected))
    kept = counts["read"] - len(rejected)
    if rejected and not kept:
        raise FusionError(
            f"documents: none of {len(rejected)} can be used; the first is {rejected[0].source}:"
            f" {rejected[0].reason}. Mend them or leave them out."
        )
    by_filter = Counter(row.filter for row in rejected)
    write_json(out / "summary.json", {"read": counts["read"], "kept": kept, "rejected": by_filter})


def _read(source: Source, counts: Counter[str], unread: list[Rejected]) -> Iterator[Document]:
    with track("Reading documents", len(source.files)) as progress:
        for file in source.files:
            for item in read_documents(file, os.path.relpath(file, source.folder)):
                counts["read"] += 1
                if isinstance(item, Rejected):
                    unread.append(item)
                else:
                    yield item
            progress.advance(documents=counts["read"])


def _without_held_out(rows: Iterable[dict[str, str]], held_out: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    for row in rows:
        if int(row["id"], 16) % HELD_OUT_EVERY:
            yield row
        else:
            held_out.append(row)


def _row(document: Document) -> dict[str, str]:
    return {
        "id": sha256(document.text.encode()).hexdigest()[:16],
        "source": document.place,
        "text": document.text,
        "language": language_of(document.text),
    }
