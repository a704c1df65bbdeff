"""Proof that the lessons do not hold the exam: exact copies, shared n-grams, near-duplicates.

Names of terms and relations are bound to occur in both, so each name is one token of its own (for n-grams) or a mark
(for likeness): what is compared is the sentence around the names. A near-duplicate must also name all that the prompt
names. Near-duplicates are told by the cosine of TF-IDF vectors of character n-grams inside words, which stays high when
words change their order or one of them is replaced.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.knowledge.asking.matching import folded
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import Language, tokens

NGRAM: dict[Language, int] = {"en": 8, "zh": 13}
"""Words (Chinese: characters) in a row that prove a common source; a name counts as one."""

LIKENESS = 0.5
"""Cosine from which two sentences are near-duplicates. Own lessons reach 0.37; one word replaced leaves at least 0.6
(benchmarks/leaks.py)."""

GRAMS: dict[Language, tuple[int, ...]] = {"en": (3, 4), "zh": (1, 2)}
SHOWN = 20
_SENTENCE = re.compile(r"(?<=[.!?:;])\s+|(?<=[。！？：；])|\n+")
_TERM, _NOUN = "\x00", "\x01"


@dataclass(frozen=True)
class Leak:
    """A prompt of the exam and a lesson that is too close to it."""

    item: str
    prompt: str
    lesson: str
    kind: str
    likeness: float


@stage("leaks", version=2)
def check_leaks(out: Path, section: EvaluationConfig, exam: Artifact, lessons: Artifact, graph: Artifact) -> None:
    """Write `leaks.json`: how many prompts the lessons hold exactly, share an n-gram with, or come near to.

    Raises:
        FusionError: a prompt occurs in a lesson (after folding case, width, spaces and punctuation), or more than the
            share `leaks` of all prompts come near to one; the exam would measure memory of the question.
    """
    items = read_exam(exam.path)
    texts = read_texts(lessons.path)
    exact = _exact(items, texts)
    if exact:
        raise FusionError(
            f"exam: {len(exact)} of {len(items)} prompts occur in the lessons, such as `{exact[0].prompt}`; "
            "remove it from the documents or change the phrasing."
        )
    found = near(items, texts, Graph.load(graph.path))
    share = len({leak.item for leak in found}) / len(items) if items else 0.0
    if share > section.leaks:
        raise FusionError(
            f"exam: {share:.1%} of the prompts are close to a lesson, such as `{found[0].prompt}` to "
            f"`{found[0].lesson}`; remove these from the documents, or raise evaluation.leaks ({section.leaks:.1%})."
        )
    counts = Counter(leak.kind for leak in found)
    write_json(
        out / "leaks.json",
        {
            "items": len(items),
            "lessons": len(texts),
            "exact": 0,
            "ngram": counts["ngram"],
            "near": counts["near"],
            "share": share,
            "limit": section.leaks,
            "pairs": [vars(leak) for leak in found[:SHOWN]],
        },
    )


def read_texts(folder: Path) -> list[str]:
    """What the lessons of a folder say, each distinct text once: prompts, answers and documents."""
    return list(
        dict.fromkeys(
            f"{row['prompt'] or ''}\n{''.join(text for text, _ in row['parts'])}".strip()
            for row in read_jsonl(folder / "lessons.jsonl")
        )
    )


def near(items: Sequence[Item], texts: Sequence[str], graph: Graph) -> list[Leak]:
    """Prompts that share an n-gram with a text, and those that are worded much like a part of one; one leak an item."""
    marker = Marker(graph)
    grams, pieces = _indexed(texts, marker, graph.language)
    prompts = {item.id: marker.read(item.prompt) for item in items}
    alike = _alike({said.worded for said in prompts.values()}, set(pieces), graph.language)
    found = []
    for item in items:
        said = prompts[item.id]
        if text := next((grams[gram] for gram in _ngrams(said.words, graph.language) if gram in grams), None):
            found.append(Leak(item.id, item.prompt, text, "ngram", 1.0))
            continue
        for likeness, worded in alike.get(said.worded, ()) if item.facts else ():  # invented names look like words
            if text := next((text for terms, text in pieces[worded].items() if said.terms <= terms), None):
                found.append(Leak(item.id, item.prompt, text, "near", likeness))
                break
    return found


@dataclass(frozen=True)
class Said:
    """A text as it is compared: its words, with each name as one that begins with a mark."""

    words: tuple[str, ...]

    @property
    def terms(self) -> frozenset[str]:
        """The things that are named."""
        return frozenset(word for word in self.words if word.startswith(_TERM))

    @property
    def worded(self) -> str:
        """The words, with only the mark in place of every name."""
        return " ".join(word[0] if word[0] in (_TERM, _NOUN) else word for word in self.words)


class Marker:
    """Finds the names of a graph's terms and relations in texts; the longest name wins."""

    def __init__(self, graph: Graph) -> None:
        nouns = {noun for relation in graph.relations.values() for noun in (relation.name, relation.plural)}
        terms = {name for triple in graph.triples for name in (triple.subject, triple.object)}
        terms.update(name for names in graph.synonyms.values() for name in names)
        self._index: defaultdict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
        for mark, names in ((_NOUN, nouns | {graph.subject_type, graph.subject_plural}), (_TERM, terms)):
            for name in names:
                if words := tuple(tokens(name)):
                    self._index[words[0]][words] = mark + " ".join(words)

    def read(self, text: str) -> Said:
        """Split a text into words and names."""
        words, found, start = tokens(text), [], 0
        while start < len(words):
            known = self._index.get(words[start], {})
            name = max((name for name in known if tuple(words[start : start + len(name)]) == name), key=len, default=())
            found.append(known[name] if name else words[start])
            start += len(name) or 1
        return Said(tuple(found))


def _exact(items: Iterable[Item], texts: Iterable[str]) -> list[Item]:
    taught = "\n".join(map(folded, texts))
    return [item for item in items if folded(item.prompt) in taught]


def _indexed(
    texts: Iterable[str], marker: Marker, language: Language
) -> tuple[dict[tuple[str, ...], str], dict[str, dict[frozenset[str], str]]]:
    """The n-grams of all texts, and their sentences (up to three in a row) by wording and then by names."""
    grams: dict[tuple[str, ...], str] = {}
    pieces: defaultdict[str, dict[frozenset[str], str]] = defaultdict(dict)
    for text in texts:
        grams.update((gram, text) for gram in _ngrams(marker.read(text).words, language))
        for piece in _windows(text):
            said = marker.read(piece)
            pieces[said.worded].setdefault(said.terms, piece)
    return grams, pieces


def _ngrams(words: Sequence[str], language: Language) -> Iterator[tuple[str, ...]]:
    size = NGRAM[language]
    return (tuple(words[start : start + size]) for start in range(len(words) - size + 1))


def _windows(text: str, longest: int = 3) -> Iterator[str]:
    sentences = [part for part in _SENTENCE.split(text) if part.strip()]
    for start in range(len(sentences)):
        for size in range(1, min(longest, len(sentences) - start) + 1):
            yield " ".join(sentences[start : start + size])


def _alike(asked: set[str], taught: set[str], language: Language) -> dict[str, list[tuple[float, str]]]:
    """For each wording of the exam the wordings of the lessons near to it, nearest first."""
    counts = {text: Counter(_grams(text, language)) for text in asked | taught}
    spread = Counter(gram for grams in counts.values() for gram in grams)
    vectors = {text: _unit(grams, spread, len(counts)) for text, grams in counts.items()}
    postings: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    for text in asked:
        for gram, weight in vectors[text].items():
            postings[gram].append((text, weight))
    found: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for text in taught:
        cosines: defaultdict[str, float] = defaultdict(float)
        for gram, weight in vectors[text].items():
            for other, its in postings.get(gram, ()):
                cosines[other] += weight * its
        for other, cosine in cosines.items():
            if cosine >= LIKENESS:
                found[other].append((cosine, text))
    return {text: sorted(pairs, reverse=True) for text, pairs in found.items()}


def _unit(grams: Counter[str], spread: Counter[str], total: int) -> dict[str, float]:
    """TF-IDF weights of length one."""
    weights = {gram: count * (1 + math.log(total / spread[gram])) for gram, count in grams.items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {gram: weight / length for gram, weight in weights.items()}


def _grams(worded: str, language: Language) -> Iterator[str]:
    """Character n-grams of the words; in Chinese, of the runs between names."""
    runs = worded.split() if language == "en" else re.split(f"[{_TERM}{_NOUN}]", "".join(worded.split()))
    for run in runs:
        padded = f" {run} " if language == "en" else run
        for size in GRAMS[language] if run not in (_TERM, _NOUN) else ():
            yield from (padded[start : start + size] for start in range(len(padded) - size + 1))
