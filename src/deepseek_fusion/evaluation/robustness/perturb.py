"""Changes of a question that must not change its answer, made without looking at the model.

Each is a pure function of the question and a seeded generator. The subject's name and the noun of the relation stay
as they are; only the harder kinds `name_typos` and `name_homophones` spoil the name itself, by one character.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from deepseek_fusion.evaluation.questions.phrasings import PHRASINGS
from deepseek_fusion.evaluation.robustness.question import Question
from deepseek_fusion.knowledge.asking.phrase import join, phrase
from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.language import Language, fold

TYPOS, WIDTHS, CONFUSED = 0.1, 0.2, 0.2
"""Shares of the characters that may change which are changed, at least one."""

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WIDE_MARKS = {"。": "｡", "、": "､", "｡": "。", "､": "、"}
_SHIFT = ord("！") - ord("!")


@dataclass(frozen=True)
class Changed:
    """A changed question; an answer that lists one of the `untrue` names has been led astray."""

    prompt: str
    untrue: tuple[str, ...] = ()


Change = Callable[[Graph, Question, random.Random], Changed | None]
"""None if there is nothing in the question, or nothing in the graph, to change it with."""


def change(kind: str, graph: Graph, question: Question, seed: int) -> Changed | None:
    """The question under one kind of change. The same seed makes the same change, whatever else was changed before."""
    made = CHANGES[graph.language][kind](graph, question, random.Random(f"{seed} {kind} {question.item.id}"))
    return None if made is None or made.prompt == question.prompt else made


def _typos(_: Graph, question: Question, rng: random.Random) -> Changed | None:
    return _mistyped(question.prompt, question.free, TYPOS, rng)


def _name_typos(graph: Graph, question: Question, rng: random.Random) -> Changed | None:
    return _other_name(graph, question, _mistyped(question.prompt, _name(question), 0, rng))


def _mistyped(text: str, places: Sequence[int], share: float, rng: random.Random) -> Changed | None:
    """A letter hit next to its key, left out, or swapped with the one after it."""
    letters = [place for place in places if text[place].lower() in _neighbours()]
    if not letters:
        return None
    characters = list(text)
    for place in rng.sample(letters, _count(letters, share)):
        edits = [_beside(characters[place], rng), ""]
        following = place + 1
        if following in letters and characters[following] != characters[place]:
            edits.append("swap")
        edit = rng.choice(edits)
        if edit == "swap":
            characters[place], characters[following] = characters[following], characters[place]
        else:
            characters[place] = edit
    return Changed("".join(characters))


def _beside(letter: str, rng: random.Random) -> str:
    """A letter whose key touches this one's; nothing for one that was left out before."""
    if not letter:
        return ""
    other = rng.choice(_neighbours()[letter.lower()])
    return other.upper() if letter.isupper() else other


@cache
def _neighbours() -> dict[str, str]:
    """For each letter, the letters that touch it on a QWERTY keyboard: each row begins half a key further right."""
    found: dict[str, str] = {}
    for y, row in enumerate(_ROWS):
        for x, letter in enumerate(row):
            around = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x)]
            found[letter] = "".join(_ROWS[j][i] for j, i in around if 0 <= j < len(_ROWS) and 0 <= i < len(_ROWS[j]))
    return found


def _case(_: Graph, question: Question, rng: random.Random) -> Changed | None:
    """Half of the letters in the other case."""
    letters = [place for place in question.free if question.prompt[place].swapcase() != question.prompt[place]]
    return _replaced(question.prompt, rng.sample(letters, (len(letters) + 1) // 2), str.swapcase)


def _width(_: Graph, question: Question, rng: random.Random) -> Changed | None:
    """Full-width characters made half-width and the other way round."""
    places = [place for place in question.free if _other_width(question.prompt[place]) != question.prompt[place]]
    return _replaced(question.prompt, rng.sample(places, _count(places, WIDTHS)), _other_width)


def _other_width(character: str) -> str:
    if "!" <= character <= "~":
        return chr(ord(character) + _SHIFT)
    if "！" <= character <= "～":
        return chr(ord(character) - _SHIFT)
    return _WIDE_MARKS.get(character, character)


def _homophones(_: Graph, question: Question, rng: random.Random) -> Changed | None:
    return _confused(question.prompt, question.free, CONFUSED, "homophones", rng)


def _lookalikes(_: Graph, question: Question, rng: random.Random) -> Changed | None:
    return _confused(question.prompt, question.free, CONFUSED, "lookalikes", rng)


def _name_homophones(graph: Graph, question: Question, rng: random.Random) -> Changed | None:
    return _other_name(graph, question, _confused(question.prompt, _name(question), 0, "homophones", rng))


def _confused(text: str, places: Sequence[int], share: float, table: str, rng: random.Random) -> Changed | None:
    others = confusable(table)
    known = [place for place in places if text[place] in others]
    return _replaced(text, rng.sample(known, _count(known, share)), lambda character: rng.choice(others[character]))


@cache
def confusable(table: str) -> dict[str, str]:
    """For each character, those that people take it for: `homophones` or `lookalikes` of confusable.yaml."""
    groups = yaml.safe_load(Path(__file__).with_name("confusable.yaml").read_text(encoding="utf-8"))[table]
    found: dict[str, str] = {}
    for group in groups:
        for character in group:
            found[character] = found.get(character, "") + group.replace(character, "")
    return found


def _paraphrase(graph: Graph, question: Question, rng: random.Random) -> Changed:
    template = rng.choice(PHRASINGS[graph.language].paraphrase)
    return Changed(phrase(graph, question.group, template))


def _context(graph: Graph, question: Question, rng: random.Random) -> Changed | None:
    """Before the question, what is true of another subject that shares no answer with this one."""
    group = question.group
    others = [
        other
        for other in graph.forward()
        if other.relation == group.relation
        and other.anchor != group.anchor
        and not _names(graph, other.answers) & _names(graph, group.answers)
    ]
    return _preceded(graph, question, rng.choice(others), "context") if others else None


def _premise(graph: Graph, question: Question, rng: random.Random) -> Changed | None:
    """Before the question, one false answer to it, taken for granted."""
    group, right = question.group, _names(graph, question.group.answers)
    objects = dict.fromkeys(triple.object for triple in graph.triples if triple.relation == group.relation)
    wrong = [name for name in objects if not _names(graph, [name]) & right]
    if not wrong:
        return None
    return _preceded(graph, question, Group(group.anchor, group.relation, (rng.choice(wrong),), "forward"), "premise")


def _preceded(graph: Graph, question: Question, said: Group, kind: str) -> Changed:
    template: str = getattr(PHRASINGS[graph.language], kind)
    before, _, after = template.partition("{answer}")
    sentence = phrase(graph, said, before) + join(graph, said) + phrase(graph, said, after)
    return Changed(sentence + question.prompt, said.answers)


def _other_name(graph: Graph, question: Question, made: Changed | None) -> Changed | None:
    """Refused if the spoilt name is the name of something else."""
    if made is None:
        return None
    names = {fold(name) for triple in graph.triples for name in (triple.subject, triple.object)}
    said = fold(made.prompt)
    return None if any(name in said and name not in fold(question.prompt) for name in names) else made


def _name(question: Question) -> list[int]:
    start = question.prompt.lower().index(question.group.anchor.lower())
    return list(range(start, start + len(question.group.anchor)))


def _names(graph: Graph, answers: Sequence[str]) -> set[str]:
    return {fold(name) for answer in answers for name in (answer, *graph.synonyms.get(answer, ()))}


def _count(places: Sequence[int], share: float) -> int:
    return min(len(places), max(1, round(share * len(places))))


def _replaced(text: str, places: Sequence[int], other: Callable[[str], str]) -> Changed:
    characters = list(text)
    for place in sorted(places):
        characters[place] = other(characters[place])
    return Changed("".join(characters))


_SAID: dict[str, Change] = {"paraphrase": _paraphrase, "context": _context, "premise": _premise}
CHANGES: dict[Language, dict[str, Change]] = {
    "en": {"typos": _typos, "case": _case, "width": _width, **_SAID, "name_typos": _name_typos},
    "zh": {
        "homophones": _homophones,
        "lookalikes": _lookalikes,
        "width": _width,
        **_SAID,
        "name_homophones": _name_homophones,
    },
}
