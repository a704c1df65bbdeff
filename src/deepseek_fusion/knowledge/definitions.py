"""Sentences that say what a term is, in an ontology or in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from deepseek_fusion.knowledge.language import fold

DEFINITIONS = {"definition", "def", "comment", "description", "定义", "释义", "描述"}
"""Relations whose object says what the subject is."""

LONGEST = 600
"""Characters of a sentence; what is longer is a list or a table."""

_SENTENCE = re.compile(r"[^\n。！？!?；;]+?(?:[。！？!?；;]|(?<!\b[A-Z])(?<!\be\.g)(?<!\bi\.e)\.(?=\s|$)|(?=\n)|$)")
_ENGLISH = re.compile(
    r"(?:(?:an?|the)\s+)?(?P<name>[^\s,:].{0,80}?)(?:\s*\([^()]*\)|,[^,]{1,60},)?\s+"
    r"(?:(?:is|are|was|were)\s+(?:an?|any|one\s+of|the\s+(?:most\s+)?\w+\s+(?:of|that|which|in)|defined\s+as|characteri[sz]ed\s+by)"
    r"|refers?\s+to|means?|denotes?)\s+\S+\s+\S",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?:所谓)?(?P<name>[^\s，,：:]{1,30}?)(?:[（(][^（）()]*[）)])?[，,]?(?:(?:又称|也称|简称)[^，,]{1,30}[，,])?"
    r"(?:是(?:一种|一类|一个|一组|一系列|指|由|以|因)|指的是|是指|系指|为一种|定义为)\S{2}"
)


class Definition(NamedTuple):
    """The sentence, and the document that it stands in."""

    sentence: str
    source: str


def find_definitions(names: Mapping[str, Iterable[str]], texts: Iterable[tuple[str, str]]) -> dict[str, Definition]:
    """The first sentence of the kind "X is a ..." or "X是一种……" on each term, under any of its names.

    Args:
        names: all names of each term.
        texts: sources and texts, read once; the work grows with their length, not with the number of names.
    """
    owners: dict[str, list[str]] = {}
    for term, aliases in names.items():
        for alias in aliases:
            owners.setdefault(fold(alias), []).append(term)
    found: dict[str, Definition] = {}
    for source, text in texts:
        for name, sentence in _defining(text):
            for term in owners.get(fold(name), ()):
                found.setdefault(term, Definition(sentence, source))
    return found


def _defining(text: str) -> Iterator[tuple[str, str]]:
    """Sentences that define something, with what they define."""
    for match in _SENTENCE.finditer(text):
        sentence = " ".join(match[0].split())
        if len(sentence) <= LONGEST and (said := _ENGLISH.match(sentence) or _CHINESE.match(sentence)):
            yield said["name"], sentence
