"""Documents in two languages, facts about them, and an encoder small enough to look through."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.retrieval.passages import Document

DOCUMENTS = [
    Document("gout", "Uric acid settles in a joint. The big toe hurts at night.", "notes.txt:1", "en", {"ward": "3"}),
    Document("flu", "Fever and cough go around in winter. Rest helps.", "notes.txt:2", "en", {"ward": "4"}),
    Document("痛风", "尿酸结晶沉积在关节里，多在大脚趾。夜间疼痛加重。", "笔记.txt:1", "zh", {"ward": "3"}),
    Document("流感", "冬季流行，病人发热、咳嗽。休息有益。", "笔记.txt:2", "zh", {"ward": "4"}),
]
GRAPH = Graph(
    triples=(
        Triple("Gout", "drug", "Allopurinol", "facts.csv:2"),
        Triple("Gout", "cause", "Uric Acid", "facts.csv:3"),
        Triple("痛风", "药物", "别嘌醇", "facts.csv:4"),
        Triple("痛风", "病因", "尿酸", "facts.csv:5"),
    ),
    subject_type="disease",
    relations={name: Relation(name, name) for name in ("drug", "cause", "药物", "病因")},
    synonyms={"Gout": ("Podagra",), "痛风": ("帝王病",)},
)


class Hashing:
    """Vectors of the hashed words of a text; Chinese is unknown to it."""

    def __init__(self, dimensions: int = 96) -> None:
        self.dimensions = dimensions
        self.key = f"hashing-{dimensions}"

    def reads(self, text: str) -> bool:
        return text.isascii() and bool(text.strip())

    def encode(self, texts: Sequence[str], query: bool = False) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in text.casefold().split():
                random = np.random.default_rng(zlib.crc32(word.strip(".,?").encode()))
                row += random.standard_normal(self.dimensions, np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
