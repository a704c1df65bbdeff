"""The door of retrieval: the stage that makes an index of a corpus and a graph, and how it is opened again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from deepseek_fusion.core.artifacts import Artifact, read_parquet
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import say, track
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.settings.retrieval import RetrievalConfig
from deepseek_fusion.knowledge.asking.phrase import SEPARATOR, phrase
from deepseek_fusion.knowledge.graph import Graph, Triple
from deepseek_fusion.knowledge.language import language_of
from deepseek_fusion.knowledge.retrieval.index import Index
from deepseek_fusion.knowledge.retrieval.passages import Document
from deepseek_fusion.knowledge.retrieval.store import connect, create, fact, writing

if TYPE_CHECKING:
    from deepseek_fusion.knowledge.retrieval.encoder import EncoderSource

SAID = {"en": ("the {noun} of {anchor} {is} ", "."), "zh": ("{anchor}的{noun}是", "。")}
"""A group of facts as a sentence, before and after its answers."""

_AT_ONCE = 512  # documents in a transaction, which is what a killed build loses


@dataclass(frozen=True)
class Lookup:
    """An index, and how many of its passages are put before a question."""

    index: Artifact
    passages: int

    @property
    def key(self) -> str:
        """Changes with both."""
        return f"{self.index.key}-{self.passages}"


@stage("index", version=1, resumable=True)
def build_index(
    out: Path, section: RetrievalConfig, corpus: Artifact, graph: Artifact | None, encoder: EncoderSource | None
) -> None:
    """Index every document, also those held out from lessons, and every group of facts as a sentence.

    Writes `index.sqlite`; an interrupted call goes on where it was.

    Args:
        out: the folder.
        section: how long passages are.
        corpus: the documents.
        graph: facts, and the terms that passages and questions are linked to.
        encoder: what makes the vectors; there are none if absent.
    """
    loaded = None
    if encoder:
        from deepseek_fusion.knowledge.retrieval.encoder import load_encoder

        loaded = load_encoder(encoder)
    create(out, section.letters, loaded, encoder.spec if encoder else "")
    facts: list[Document] = []
    if graph:
        known = Graph.load(graph.path)
        facts = facts_of(known)
        with writing(out, loaded) as writer:
            writer.name(known)
    with track("Indexing documents") as progress:
        for documents in _parts([*facts], documents_of(corpus)):
            with writing(out, loaded) as writer:
                writer.put(documents)
            progress.advance(len(documents))


def open_index(folder: Path) -> Index:
    """An index with the encoder that made its vectors; where that one cannot be loaded, with a warning instead.

    Raises:
        FusionError: there is no index.
    """
    database = connect(folder)
    spec, key = fact(database, "encoder"), fact(database, "encoder_key")
    database.close()
    if spec is None:
        return Index(folder)
    from deepseek_fusion.knowledge.retrieval.encoder import find_encoder, load_encoder

    try:
        source = find_encoder(spec, folder)
        if source.key != key:
            raise FusionError(f"knowledge.retrieval.encoder: `{spec}` is not the encoder that the index was made with.")
        return Index(folder, load_encoder(source))
    except FusionError as error:
        return Index(folder, warning=f"Passages are found by words and graph alone, not by meaning: {error}")


def in_context(question: str, passages: Iterable[str]) -> str:
    """A question after what was found for it."""
    space = "" if language_of(question) == "zh" else " "
    return space.join([*passages, question])


def encoder_of(section: RetrievalConfig, folder: Path) -> EncoderSource | None:
    """The encoder of a project; None, and a warning, where it is not installed."""
    if section.encoder is None:
        return None
    from deepseek_fusion.knowledge.retrieval.encoder import find_encoder

    try:
        return find_encoder(section.encoder, folder, download=True)
    except FusionError as error:
        say(f"Passages will be found by words and graph alone, not by meaning: {error}")
        return None


def documents_of(corpus: Artifact) -> Iterator[Document]:
    """The documents of a corpus, those held out from lessons as well."""
    for name in ("documents.parquet", "held_out.parquet"):
        for row in read_parquet(corpus.path / name, "id", "source", "text", "language", "metadata"):
            known = json.loads(row["metadata"] or "{}")
            metadata = {
                str(name): value if isinstance(value, str) else json.dumps(value) for name, value in known.items()
            }
            yield Document(row["id"], row["text"], row["source"], row["language"] or "", {**metadata, "kind": "text"})


def facts_of(graph: Graph) -> list[Document]:
    """Each group of facts as a document of one sentence."""
    sources: dict[tuple[str, str], str] = {}
    for triple in graph.triples:
        sources.setdefault((triple.subject, triple.relation), triple.source)
    documents = []
    for group in graph.forward():
        language = language_of(group.anchor)
        before, after = SAID[language]
        text = f"{phrase(graph, group, before)}{SEPARATOR[language].join(group.answers)}{after}"
        id_ = f"fact-{Graph.fact_id(Triple(group.anchor, group.relation, ''))}"
        documents.append(Document(id_, text, sources[group.anchor, group.relation], language, {"kind": "fact"}))
    return documents


def _parts(*documents: Iterable[Document]) -> Iterator[list[Document]]:
    for own in map(iter, documents):
        while part := list(islice(own, _AT_ONCE)):
            yield part
