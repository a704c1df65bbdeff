"""The names that a graph knows, found in sentences, and what may be names that it does not know."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from deepseek_fusion.knowledge.extraction.sentences import Token, tokens_of
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import HAN

_Name = tuple[str, ...]
_LONGEST_NEW = {"en": 5, "zh": 10}
"""Words or characters of a name that no dictionary knows."""
_CODE = re.compile(r"(?=[A-Za-z.]*\d)[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*")
_COMMON_SHAPE = 0.8
"""Share of a relation's objects that are codes, from which on an unknown code may be one more."""
_SMALL = frozenset("的是有会和与及或还也等在为以被把将对就都而但又中上下无未不没可能需要常多这那其该此")
"""Characters that end a Chinese name that no dictionary knows."""


@dataclass(frozen=True)
class Meaning:
    """What a name stands for.

    Attributes:
        subjects: terms that facts are about.
        objects: relations and the terms that they lead to.
        noun: the relation that it is the noun for; the empty string for the noun of all subjects.
        other: it is not the term's own name but a synonym.
    """

    subjects: tuple[str, ...] = ()
    objects: tuple[tuple[str, str], ...] = ()
    noun: str | None = None
    other: bool = False

    def __or__(self, more: Meaning) -> Meaning:
        return Meaning(
            tuple(dict.fromkeys(self.subjects + more.subjects)),
            tuple(dict.fromkeys(self.objects + more.objects)),
            self.noun if self.noun is not None else more.noun,
            self.other and more.other,
        )


@dataclass(frozen=True)
class Mention:
    """Words of a sentence that name something; `new` if no dictionary knows them."""

    text: str
    start: int
    end: int
    meaning: Meaning
    new: bool = False

    @property
    def is_noun(self) -> bool:
        """It names a relation, not a term."""
        return self.meaning.noun is not None and not (self.meaning.subjects or self.meaning.objects)

    def term(self, relation: str | None) -> str:
        """The graph's name for it as a subject, or as the object of a relation; its own words if there is none."""
        if relation is None:
            return self.meaning.subjects[0] if self.meaning.subjects else self.text
        return next((name for key, name in self.meaning.objects if key == relation), self._any())

    def _any(self) -> str:
        names = [*self.meaning.subjects, *(name for _, name in self.meaning.objects)]
        return names[0] if names else self.text


class Lexicon:
    """All names of a graph's terms and the nouns of its relations, compared without case, width, hyphens and plural.

    Args:
        graph: names, synonyms and nouns.
        common: words (in Chinese: pairs of characters) that are no part of a name; without any, no new name is found.
    """

    def __init__(self, graph: Graph, common: Container[str] = ()) -> None:
        self.common = common
        self.looks_for_new = bool(common)
        found: dict[_Name, Meaning] = {}
        for name, meaning in _names(graph):
            if key := _key(name):
                found[key] = found.get(key, Meaning(other=meaning.other)) | meaning
        self._starts: dict[str, dict[int, dict[_Name, Meaning]]] = {}
        for key, meaning in found.items():
            self._starts.setdefault(key[0], {}).setdefault(len(key), {})[key] = meaning
        self._starts = {word: dict(sorted(own.items(), reverse=True)) for word, own in self._starts.items()}
        self._coded = _coded_relations(graph)

    def mentions(self, sentence: str) -> list[Mention]:
        """Names in order, the longest where several begin, then what may be a new name between them."""
        tokens = tokens_of(sentence)
        words = tuple(token.word for token in tokens)
        found: list[Mention] = []
        free: list[Token] = []
        place = 0
        while place < len(tokens):
            length, meaning = self._at(sentence, tokens, words, place)
            if length:
                found += self._new(sentence, free)
                free = []
                start, end = tokens[place].start, tokens[place + length - 1].end
                found.append(Mention(sentence[start:end], start, end, meaning))
            else:
                free.append(tokens[place])
            place += length or 1
        return found + self._new(sentence, free)

    def _at(self, sentence: str, tokens: Sequence[Token], words: _Name, place: int) -> tuple[int, Meaning]:
        for length, named in self._starts.get(words[place], {}).items():
            meaning = named.get(words[place : place + length])
            if meaning and not _goes_on(sentence, tokens[place].start, tokens[place + length - 1].end):
                return length, meaning
        return 0, Meaning()

    def _new(self, sentence: str, free: Sequence[Token]) -> list[Mention]:
        """What may be names among tokens that no name covers."""
        if not self.looks_for_new or not free:
            return []
        found: list[Mention] = []
        at = free[0].start
        for code in _CODE.finditer(sentence, at, free[-1].end):
            own = _shape(code.group())
            relations = tuple((key, code.group()) for key, shapes in self._coded.items() if own in shapes)
            if relations and not _goes_on(sentence, code.start(), code.end()):
                found.append(Mention(code.group(), code.start(), code.end(), Meaning(objects=relations), new=True))
        taken = [(mention.start, mention.end) for mention in found]
        left = [token for token in free if not any(start <= token.start < end for start, end in taken)]
        for run in self._runs(sentence, left):
            start, end = run[0].start, run[-1].end
            limit = _LONGEST_NEW["zh" if HAN.match(run[0].word) else "en"]
            if len(run) <= limit and end - start > 1 and not run[0].word.isdigit():
                found.append(Mention(sentence[start:end], start, end, Meaning(), new=True))
        return sorted(found, key=lambda mention: mention.start)

    def _runs(self, sentence: str, free: Sequence[Token]) -> Iterator[list[Token]]:
        """Neighbouring words that are not common."""
        run: list[Token] = []
        for place, token in enumerate(free):
            near = run and len(sentence[run[-1].end : token.start]) <= 1
            alike = run and bool(HAN.match(run[-1].word)) == bool(HAN.match(token.word))
            if run and not (near and alike):
                yield run
                run = []
            if self._is_common(sentence, free, place):
                if run:
                    yield run
                run = []
            else:
                run.append(token)
        if run:
            yield run

    def _is_common(self, sentence: str, free: Sequence[Token], place: int) -> bool:
        word = free[place].word
        if not HAN.match(word):
            return not word[0].isalnum() or word in self.common
        pairs = (free[max(0, place - 1) : place + 1], free[place : place + 2])
        return word in _SMALL or any(
            len(pair) == 2 and sentence[pair[0].start : pair[1].end] in self.common for pair in pairs
        )


def _names(graph: Graph) -> Iterator[tuple[str, Meaning]]:
    for triple in graph.triples:
        for term, meaning in (
            (triple.subject, Meaning(subjects=(triple.subject,))),
            (triple.object, Meaning(objects=((triple.relation, triple.object),))),
        ):
            yield term, meaning
            for other in graph.synonyms.get(term, ()):
                yield other, replace(meaning, other=True)
    for key, relation in graph.relations.items():
        for noun in dict.fromkeys((relation.name, relation.plural, key.replace("_", " "))):
            if len(noun) > 1 or HAN.match(noun):
                yield noun, Meaning(noun=key)
    yield graph.subject_type, Meaning(noun="")


def _key(name: str) -> _Name:
    return tuple(token.word for token in tokens_of(name))


def _goes_on(sentence: str, start: int, end: int) -> bool:
    """It is a part of a longer code: J45 in J45.9, 5 in 1.5."""
    before, after = sentence[max(0, start - 2) : start], sentence[end : end + 2]
    return _joined(sentence[start] + before[::-1]) or _joined(sentence[end - 1] + after)


def _joined(three: str) -> bool:
    return len(three) == 3 and three[1] == "." and three[0].isalnum() and three[2].isalnum() and not HAN.search(three)


def _coded_relations(graph: Graph) -> dict[str, set[str]]:
    """Relations whose objects are codes, and how these look."""
    codes: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    for relation, name in {(triple.relation, triple.object) for triple in graph.triples}:
        objects[relation] += 1
        codes[relation] += _CODE.fullmatch(name) is not None
    coded = [key for key, count in objects.items() if codes[key] >= _COMMON_SHAPE * count]
    return {key: {_shape(triple.object) for triple in graph.triples if triple.relation == key} for key in coded}


def _shape(code: str) -> str:
    """A for each letter and 9 for each digit."""
    return "".join("9" if letter.isdigit() else "A" if letter.isalpha() else letter for letter in code)


def common_words(texts: Iterable[str]) -> set[str]:
    """Words, and pairs of Han characters, that sentences are made of."""
    found: set[str] = set()
    for text in texts:
        tokens = tokens_of(text)
        found |= {token.word for token in tokens if not HAN.match(token.word)}
        found |= {
            text[one.start : two.end]
            for one, two in pairwise(tokens)
            if one.end == two.start and HAN.match(one.word) and HAN.match(two.word)
        }
    return found
