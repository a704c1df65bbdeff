"""The steps of the corpus with datatrove's own blocks, for the benchmark."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    ExactDedupConfig,
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.word_tokenizers import WordTokenizer
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from corpus_documents import TERMS

FEWEST, RELEVANCE, MOST_DAMAGED = 40, 0.3, 0.01
SAMPLE, AT_ONCE = 20_000, 512
BUCKETS = MinhashConfig()
WORD = re.compile("[\u4e00-\u9fff]|[^\\W\u4e00-\u9fff]+")
FEATURE = re.compile("[\u4e00-\u9fff]+|[^\\W\\d\u4e00-\u9fff]{2,}")
DAMAGED = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff]|锟斤拷")


class Words(WordTokenizer):  # type: ignore[misc]
    """Words, and each Han character by itself."""

    def word_tokenize(self, text: str) -> list[str]:
        """All of a text."""
        return WORD.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        """Not asked for."""
        raise NotImplementedError

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """Not asked for."""
        raise NotImplementedError


class Domain(BaseFilter):  # type: ignore[misc]
    """Cosine between a text's TF-IDF vector and the part of it in the words of the domain."""

    name = "domain"

    def __init__(self, vectors: TfidfVectorizer, names: list[str], excluded: JsonlWriter) -> None:
        super().__init__(excluded, AT_ONCE)
        self.vectors = vectors
        known = vectors.vocabulary_
        self.inside = np.zeros(len(known))
        self.inside[[known[word] for name in names for word in features(name.lower()) if word in known]] = 1

    def filter(self, doc: Document) -> bool:
        """One document."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Document]) -> list[bool]:
        """Many documents; rows of the vectors have length 1."""
        squares = self.vectors.transform([doc.text for doc in batch])
        squares.data **= 2
        return [bool(kept) for kept in np.sqrt(squares @ self.inside) >= RELEVANCE]


def features(text: str) -> list[str]:
    """Words that are not of grammar, and pairs and triples of Han characters."""
    found: list[str] = []
    for run in FEATURE.findall(text):
        if run.isascii() or not "\u4e00" <= run[0] <= "\u9fff":
            if run not in ENGLISH_STOP_WORDS:
                found.append(run)
        else:
            found += [run[place : place + size] for size in (2, 3) for place in range(len(run) - size + 1)]
    return found


def filter_with_datatrove(folder: Path, work: Path) -> None:
    """Filter a folder of documents."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        _run(folder, work)


def dropped_by_datatrove(_folder: Path, work: Path) -> dict[int, str]:
    """The number of each document that it dropped, and the kind of filter that did."""
    return {
        int(json.loads(line)["id"]): kind
        for kind in ("content", "exact", "near")
        for file in (work / "excluded" / kind).glob("*/*.jsonl")
        for line in file.open(encoding="utf-8")
    }


def _run(folder: Path, work: Path) -> None:
    def execute(name: str, *steps: Any, tasks: int = 1) -> None:
        LocalPipelineExecutor(list(steps), tasks=tasks, workers=1, logging_dir=str(work / "logs" / name)).run()

    def excluded(kind: str, name: str) -> JsonlWriter:
        return JsonlWriter(str(work / "excluded" / kind / name), compression=None)

    def at(name: str) -> str:
        return str(work / name)

    same = ExactDedupConfig(content_getter=content)
    signatures = MinhashDedupSignature(at("signatures"), BUCKETS, Words())
    signatures._hash_func = hashed
    execute(
        "one by one",
        JsonlReader(str(folder)),
        LambdaFilter(is_long, excluded("content", "short")),
        LambdaFilter(is_sound, excluded("content", "damaged")),
        JsonlWriter(at("sound"), compression=None),
        ExactDedupSignature(at("exact"), same),
    )
    execute("equal", ExactFindDedups(at("exact"), at("equal"), same))
    execute(
        "signatures",
        JsonlReader(at("sound")),
        ExactDedupFilter(at("equal"), same, excluded("exact", "all")),
        JsonlWriter(at("unique"), compression=None),
        signatures,
    )
    execute("alike", MinhashDedupBuckets(at("signatures"), at("alike"), config=BUCKETS), tasks=BUCKETS.num_buckets)
    execute("clusters", MinhashDedupCluster(at("alike"), at("clusters"), config=BUCKETS))
    execute(
        "the rest",
        JsonlReader(at("unique")),
        MinhashDedupFilter(at("clusters"), excluded("near", "all")),
        Domain(_vectors(work / "unique"), _names(), excluded("content", "domain")),
        JsonlWriter(at("out"), compression=None),
    )


def content(doc: Document) -> bytes:
    """What exact duplicates share."""
    return " ".join(doc.text.lower().split()).encode()


def hashed(gram: str) -> int:
    """As datatrove's own, which hands over text where xxhash 4 takes bytes alone."""
    return xxhash.xxh64_intdigest(gram.encode())


def is_long(doc: Document) -> bool:
    """As our filter counts: visible characters."""
    return sum(map(len, doc.text.split())) >= FEWEST


def is_sound(doc: Document) -> bool:
    """Not damaged, by the characters that our filter looks for."""
    return sum(map(len, DAMAGED.findall(doc.text))) <= MOST_DAMAGED * len(doc.text)


def _vectors(folder: Path) -> TfidfVectorizer:
    vectors = TfidfVectorizer(analyzer=_analyzed, sublinear_tf=True)
    vectors.fit(list(_sample(folder)))
    return vectors


def _analyzed(text: str) -> list[str]:
    return features(text.lower())


def _sample(folder: Path) -> Iterator[str]:
    lines = (line for file in sorted(folder.iterdir()) for line in file.open(encoding="utf-8"))
    for _, line in zip(range(SAMPLE), lines, strict=False):
        yield json.loads(line)["text"]


def _names() -> list[str]:
    return [
        name
        for path in TERMS
        for line in path.read_text(encoding="utf-8").split("\n")[1:]
        for name in line.split(",")[::2]
    ]
