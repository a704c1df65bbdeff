"""A sentence as a small model reads it, with marks for names, and the triples as it writes them.

Names cannot be spelt by a small model, nor need they be: each becomes an index with what the dictionary says of it, and
the answer points at indices. So the model knows no name and no relation of any domain, only how sentences state things.
The answer is grouped by subject and relation as in REBEL (Huguet Cabot and Navigli 2021), of indices instead of words:

    Pneumonia causes fever and cough, but no rash.   reads   s0 cause o1 t0 and o2 t0 , but no o3 t0 .
    (Pneumonia, symptom, fever), (…, cough)          writes  s0 n0 o1 o2
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from deepseek_fusion.knowledge.extraction.lexicon import Mention
from deepseek_fusion.knowledge.extraction.sentences import Sentence, tokens_of

ANYWHERE = 0.2
"""Share of the sentences of training whose marks do not count from 0, so that high ones are learned, too."""
NAMES, RELATIONS = 16, 8
"""How many of each a sentence may have; what comes after them is read as a word."""
FAMILIES = "sobx"
"""First letters of names' marks: only a subject, only an object, both, in no dictionary."""
KIND, CONTEXT, NEXT = "ns", "ctx", ";"
"""Marks: the noun of subjects; was spoken of before; between two subjects."""
MARKS = (
    *(f"{family}{index}" for family in FAMILIES for index in range(NAMES)),
    *(f"{kind}{index}" for kind in "nt" for index in range(RELATIONS)),
    *(KIND, CONTEXT, NEXT),
)


@dataclass(frozen=True)
class Marked:
    """A sentence with its names.

    Attributes:
        sentence: the sentence.
        mentions: names in it, by place.
        context: the subject that was last spoken of before, if any.
    """

    sentence: Sentence
    mentions: tuple[Mention, ...]
    context: Mention | None = None

    @property
    def names(self) -> list[Mention]:
        """What links point at: the subject spoken of before, if any, and the names that are no nouns."""
        return [*([self.context] if self.context else []), *(each for each in self.mentions if not each.is_noun)]


@dataclass(frozen=True)
class Link:
    """A triple between two of a sentence's names, by index, and how sure it is (0..1)."""

    subject: int
    relation: str
    object: int
    confidence: float = 1.0


@dataclass(frozen=True)
class Delexical:
    """What the model reads, and what its marks stand for.

    Attributes:
        words: the sentence.
        names: marks of names and what they stand for, by index.
        relations: marks of relations, and their keys.
        subjects: marks that may be subjects.
        objects: for the mark of each relation the marks that may be its objects.
    """

    words: tuple[str, ...]
    names: dict[str, int]
    relations: dict[str, str]
    subjects: frozenset[str]
    objects: dict[str, frozenset[str]]

    @property
    def text(self) -> str:
        """The words with spaces, as the tokenizer takes them."""
        return " ".join(self.words)

    def answer(self, links: Iterable[Link]) -> str:
        """Links as the model should write them; those that no mark stands for are left out."""
        name = {index: mark for mark, index in self.names.items()}
        noun = {key: mark for mark, key in self.relations.items()}
        known = {link for link in links if link.subject in name and link.object in name and link.relation in noun}
        ordered = sorted(known, key=lambda link: (link.subject, min(_objects(known, link)), link.relation, link.object))
        groups = []
        for subject, own in groupby(ordered, key=lambda link: link.subject):
            words = [name[subject]]
            for relation, same in groupby(own, key=lambda link: link.relation):
                words += [noun[relation], *(name[link.object] for link in same)]
            groups.append(" ".join(words))
        return f" {NEXT} ".join(groups)


def _objects(links: Iterable[Link], link: Link) -> list[int]:
    return [each.object for each in links if (each.subject, each.relation) == (link.subject, link.relation)]


def delexicalise(marked: Marked, shuffle: random.Random | None = None) -> Delexical:
    """The words of a sentence, its names as marks.

    Args:
        marked: the sentence.
        shuffle: draws indices at random, in training, so that every mark is learned; otherwise they count from 0.
    """
    keys = list(dict.fromkeys(key for mention in marked.mentions for key in _relations_of(mention)))[:RELATIONS]
    numbers = shuffle.sample(range(RELATIONS), len(keys)) if shuffle else list(range(len(keys)))
    noun = dict(zip(keys, numbers, strict=True))
    count = min(len(marked.names), NAMES)
    anywhere = shuffle is not None and shuffle.random() < ANYWHERE
    places = sorted(shuffle.sample(range(NAMES), count)) if shuffle and anywhere else list(range(count))
    names = {
        f"{_family(name)}{place}": index for index, (place, name) in enumerate(zip(places, marked.names, strict=False))
    }
    marks = iter(names)
    words: list[str] = []
    if marked.context:
        words += [CONTEXT, next(marks)]
    at = 0
    text = marked.sentence.text
    for mention in marked.mentions:
        words += (token.word for token in tokens_of(text[at : mention.start]))
        if mention.is_noun:
            words += _noun(mention, noun)
        elif mark := next(marks, None):
            words += [mark, *_kinds(mention, noun)]
        at = mention.end
    words += (token.word for token in tokens_of(text[at:]))
    relations = {f"n{number}": key for key, number in noun.items()}
    subjects = frozenset(mark for mark, index in names.items() if _may_be_subject(marked.names[index]))
    objects = {
        mark: frozenset(each for each, index in names.items() if _may_be_object(marked.names[index], key))
        for mark, key in relations.items()
    }
    return Delexical(tuple(words), names, relations, subjects, objects)


def _may_be_subject(mention: Mention) -> bool:
    """The dictionary says so, or knows nothing of it."""
    return bool(mention.meaning.subjects) or (mention.new and not mention.meaning.objects)


def _may_be_object(mention: Mention, relation: str) -> bool:
    """The same; a name that the dictionary has only as a subject may be an object that it lacks."""
    return not mention.meaning.objects or any(key == relation for key, _ in mention.meaning.objects)


def _relations_of(mention: Mention) -> list[str]:
    noun = [mention.meaning.noun] if mention.is_noun and mention.meaning.noun else []
    return noun + [key for key, _ in mention.meaning.objects]


def _noun(mention: Mention, noun: dict[str, int]) -> list[str]:
    if mention.meaning.noun == "":
        return [KIND]
    return [f"n{noun[key]}" for key in _relations_of(mention) if key in noun]


def _kinds(mention: Mention, noun: dict[str, int]) -> list[str]:
    return [f"t{noun[key]}" for key in dict.fromkeys(_relations_of(mention)) if key in noun]


def _family(mention: Mention) -> str:
    if mention.new:
        return "x"
    if mention.meaning.subjects:
        return "b" if mention.meaning.objects else "s"
    return "o"


def read_answer(read: Delexical, words: Sequence[str], sure: Sequence[float]) -> list[Link]:
    """The links that a model wrote; whatever does not fit together is left out.

    Args:
        read: what it read.
        words: what it wrote.
        sure: how likely each word was, 0..1; a link is as likely as its least likely word.
    """
    links: dict[tuple[int, str, int], Link] = {}
    subject: tuple[int, float] | None = None
    relation: tuple[str, float] | None = None
    for word, likely in zip(words, sure, strict=True):
        if word == NEXT:
            subject = relation = None
        elif word in read.relations and subject:
            relation = read.relations[word], likely
        elif word in read.names and subject and relation:
            if read.names[word] != subject[0]:
                link = Link(subject[0], relation[0], read.names[word], min(subject[1], relation[1], likely))
                links.setdefault((link.subject, link.relation, link.object), link)
        elif word in read.names and subject is None:
            subject = read.names[word], likely
    return list(links.values())
