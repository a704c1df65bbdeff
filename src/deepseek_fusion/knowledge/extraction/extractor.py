"""Text in, triples out: each with the sentence that states it, where its names stand, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Protocol

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.errors import missing
from deepseek_fusion.knowledge.extraction.delexical import Link, Marked
from deepseek_fusion.knowledge.extraction.lexicon import Lexicon, Mention
from deepseek_fusion.knowledge.extraction.reading import marked
from deepseek_fusion.knowledge.extraction.rules import Rules
from deepseek_fusion.knowledge.graph import Graph

Method = Literal["dictionary", "seq2seq"]
FORMAT = "extraction.json"
"""Beside the weights of a model that reads marks; holds the common words that new names are told from."""

NEW, OTHER_NAME = 0.6, 0.95
"""What a triple's confidence is multiplied with for each end in no dictionary, or named by a synonym."""


@dataclass(frozen=True)
class Extraction:
    """One triple that a sentence states.

    Attributes:
        subject, relation, object: in the graph's names; in the text's own words where the graph has none.
        confidence: 0..1.
        new: which of the two ends no dictionary knows.
        known: the graph states it already.
        document: id of the text.
        start, end: characters of the sentence in the text.
        sentence: the sentence itself.
        subject_span, object_span: characters of the names in the text; none for a subject spoken of before.
    """

    subject: str
    relation: str
    object: str
    confidence: float
    new: tuple[Literal["subject", "object"], ...]
    known: bool
    document: str
    start: int
    end: int
    sentence: str
    subject_span: tuple[int, int] | None
    object_span: tuple[int, int] | None

    @property
    def statement(self) -> tuple[str, str, str]:
        """The fact alone."""
        return self.subject, self.relation, self.object

    def row(self) -> dict[str, Any]:
        """The row of `extracted.jsonl`."""
        return asdict(self)


class Linker(Protocol):
    """What decides which names of a sentence are related."""

    def links(self, marked: Sequence[Marked]) -> list[list[Link]]:
        """The triples of each sentence."""


class Extractor:
    """Finds triples of a graph's relations in texts.

    Args:
        graph: its names and relations; its facts do not decide what a text states.
        method: dictionary and rules, or a sequence-to-sequence model.
        model: folder or hub id of the model; the packaged one if absent.

    Raises:
        FusionError: the model cannot be used, or torch is missing.
    """

    def __init__(self, graph: Graph, method: Method = "dictionary", model: str | None = None) -> None:
        self.facts = {triple.statement for triple in graph.triples}
        self.method: Linker
        common = packaged_words()
        if method == "dictionary":
            self.method = Rules()
        else:
            try:
                from deepseek_fusion.knowledge.extraction.seq2seq import Seq2Seq
            except ModuleNotFoundError as error:
                raise missing(error.name or "transformers", "extraction by a model", "train") from None
            made = Seq2Seq(model, graph)
            self.method, common = made, made.common or common
        self.lexicon = Lexicon(graph, common)

    def extract(self, texts: Iterable[tuple[str, str]], least: float = 0.0) -> Iterator[Extraction]:
        """The triples of texts, (id, text), that are at least so sure; what a text states twice stays twice."""
        for document, text in texts:
            sentences = list(marked(text, self.lexicon))
            for each, links in zip(sentences, self.method.links(sentences), strict=True):
                for link in links:
                    found = self._extraction(document, each, link)
                    if found.confidence >= least:
                        yield found

    def _extraction(self, document: str, marked: Marked, link: Link) -> Extraction:
        subject, value = marked.names[link.subject], marked.names[link.object]
        statement = subject.term(None), link.relation, value.term(link.relation)
        ends: tuple[tuple[Literal["subject", "object"], Mention], ...] = ("subject", subject), ("object", value)
        confidence = link.confidence
        for _, mention in ends:
            confidence *= NEW if mention.new else OTHER_NAME if mention.meaning.other else 1.0
        spoken = marked.context is not None and link.subject == 0
        return Extraction(
            *statement,
            confidence=round(confidence, 4),
            new=tuple(end for end, mention in ends if mention.new),
            known=statement in self.facts,
            document=document,
            start=marked.sentence.start,
            end=marked.sentence.end,
            sentence=marked.sentence.text,
            subject_span=None if spoken else _span(marked, subject),
            object_span=_span(marked, value),
        )


def _span(marked: Marked, mention: Mention) -> tuple[int, int]:
    return marked.sentence.start + mention.start, marked.sentence.start + mention.end


def packaged_model() -> Path:
    """The folder of the model that comes with the package."""
    return Path(str(files("deepseek_fusion.knowledge.extraction").joinpath("model")))


@lru_cache(maxsize=1)
def packaged_words() -> frozenset[str]:
    """The common words that come with the package's model."""
    return frozenset(read_json(packaged_model() / FORMAT)["common"])
