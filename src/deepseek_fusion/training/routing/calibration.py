"""The prompts that a router learns from and is judged by: lessons on one side, everything else on the other.

What decides on held-out prompts is whether a *sentence* was seen, not a name: users know the names and bring their own
sentences. So prompts are dealt into folds by their frame, which is the prompt without the names in it.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import plural_of
from deepseek_fusion.training.prompts import PROMPTS
from deepseek_fusion.training.routing.general import EVERYDAY, GENERAL, MENTIONS, Everyday

FOLDS = 5
INSIDE, HARD, NAMED = 240, 100, 4
"""Prompts of the domain, prompts of its form on everyday things, and names in each request that only mentions one."""

Kind = Literal["known", "unknown", "general", "form", "mention"]
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
NAME, NOUN, NOUNS, TYPE, TYPES = "{name}", "{noun}", "{nouns}", "{type}", "{types}"


@dataclass(frozen=True)
class Prompt:
    """A question, and the fold that it is held out in."""

    text: str
    kind: Kind
    fold: int

    @property
    def inside(self) -> bool:
        """Whether the adapter should answer. It was also taught to decline what is unknown."""
        return self.kind in ("known", "unknown")


def calibration_prompts(lessons: Sequence[Mapping[str, Any]], graph: Graph, seed: int) -> list[Prompt]:
    """Prompts of all kinds, none twice.

    Outside are general prompts, the domain's own sentences about everyday things (each held out with both its sentence
    and its things), and requests that merely mention a name of the domain. What a graph itself is about is left out.

    Raises:
        FusionError: there are too few on one of the sides.
    """
    rng = random.Random(seed)
    asked = {row["prompt"]: row["kind"] == "refusal" for row in lessons if row["prompt"] is not None}
    frames = _frames(list(asked), graph)
    folds = _folds(asked, frames, rng)
    known = [Prompt(text, "unknown" if asked[text] else "known", fold) for text, fold in folds.items()]
    outside = [*_general(), *_form(known, frames, EVERYDAY[graph.language], rng)]
    about = _vocabulary(graph, [prompt.text for prompt in outside], any_case=True)
    outside = [prompt for prompt in outside if not about(prompt.text)]
    found = [*_sampled(known, frames, rng), *outside, *_mentions(graph, rng)]
    unique = list({prompt.text: prompt for prompt in found}.values())
    for inside in (True, False):
        if (count := sum(prompt.inside is inside for prompt in unique)) < 2 * FOLDS:
            what = "questions among the lessons" if inside else "general prompts that name nothing of the graph"
            raise FusionError(f"training.router: there are only {count} {what}; set training.router to false.")
    return unique


def _frames(texts: Sequence[str], graph: Graph) -> dict[str, str]:
    """Each text with names, nouns and type replaced; an unknown name is found by the frames of the others."""
    swap = _vocabulary(graph, texts)
    masked = {text: swap(text) or text for text in texts}
    ways = {frame: re.escape(frame).replace(re.escape(NAME), ".+") for frame in masked.values() if NAME in frame}
    patterns = {frame: re.compile(way) for frame, way in ways.items()}
    for text, frame in masked.items():
        if NAME not in frame:
            masked[text] = next((own for own, pattern in patterns.items() if pattern.fullmatch(frame)), frame)
    return masked


class _Vocabulary:
    """Replaces what a graph speaks of in a text; None where it speaks of nothing in it."""

    def __init__(self, words: Mapping[str, str], bounded: bool, any_case: bool) -> None:
        self.words = {word.casefold() if any_case else word: mask for word, mask in words.items()}
        either = "|".join(map(re.escape, sorted(words, key=len, reverse=True))) or "(?!)"
        text = rf"(?<!\w)(?:{either})(?!\w)" if bounded else either
        self.any_case, self.pattern = any_case, re.compile(text, re.IGNORECASE if any_case else 0)

    def __call__(self, text: str) -> str | None:
        found, count = self.pattern.subn(self._mask, text)
        return found if count else None

    def _mask(self, match: re.Match[str]) -> str:
        return self.words.get(match[0].casefold() if self.any_case else match[0], NAME)


def _vocabulary(graph: Graph, texts: Sequence[str], any_case: bool = False) -> _Vocabulary:
    """Of the graph's words those that occur in some texts; a sentence may begin with one, in a capital."""
    said = "\n".join(texts)
    said = said.casefold() if any_case else said
    terms = {name for triple in graph.triples for name in (triple.subject, triple.object)}
    words = {graph.subject_plural: TYPES, graph.subject_type: TYPE}
    for nouns in graph.relations.values():
        words |= {nouns.plural: NOUNS, nouns.name: NOUN}
    words |= {name: NAME for term in sorted(terms) for name in graph.names_of(term)}
    words |= {word[:1].upper() + word[1:]: mask for word, mask in words.items()}
    occur = {word: mask for word, mask in words.items() if word and (word.casefold() if any_case else word) in said}
    return _Vocabulary(occur, graph.language == "en", any_case)


def _unit(frame: str) -> str:
    """Frames that differ in number alone are one sentence."""
    single = frame.replace(NOUNS, NOUN).replace(TYPES, TYPE)
    return re.sub(r"\bhave\b", "has", re.sub(r"\bare\b", "is", single))


def _folds(texts: Iterable[str], frames: Mapping[str, str], rng: random.Random) -> dict[str, int]:
    """The fold of each text: that of its sentence, or its own where there are too few sentences."""
    units = {text: _unit(frames[text]) for text in texts}
    if len(set(units.values())) < 2 * FOLDS:
        units = {text: text for text in units}
    order = sorted(set(units.values()))
    rng.shuffle(order)
    fold = {unit: number % FOLDS for number, unit in enumerate(order)}
    return {text: fold[unit] for text, unit in units.items()}


def _sampled(prompts: Sequence[Prompt], frames: Mapping[str, str], rng: random.Random) -> list[Prompt]:
    """As many of each sentence as of any other, known and unknown names apart."""
    heaps: defaultdict[tuple[str, str], list[Prompt]] = defaultdict(list)
    for prompt in rng.sample(prompts, len(prompts)):
        heaps[_unit(frames[prompt.text]), prompt.kind].append(prompt)
    deepest = max(map(len, heaps.values()), default=0)
    return [heap[turn] for turn in range(deepest) for heap in heaps.values() if turn < len(heap)][:INSIDE]


def _general() -> Iterator[Prompt]:
    texts = dict.fromkeys((*PROMPTS, *(text for own in GENERAL.values() for text in own)))
    return (Prompt(text, "general", number % FOLDS) for number, text in enumerate(texts))


def _form(
    known: Sequence[Prompt], frames: Mapping[str, str], everyday: Sequence[Everyday], rng: random.Random
) -> Iterator[Prompt]:
    """The sentences of each fold, on the everyday things of that fold alone."""
    for fold in range(FOLDS):
        own = {frames[prompt.text] for prompt in known if prompt.fold == fold}
        usable = sorted(frame for frame in own if NAME in frame and {NOUN, NOUNS} & set(re.findall(r"{\w+}", frame)))
        things = everyday[fold::FOLDS]
        for _ in range(HARD // FOLDS if usable else 0):
            yield Prompt(_filled(rng.choice(usable), rng.choice(things), rng), "form", fold)


def _filled(frame: str, everyday: Everyday, rng: random.Random) -> str:
    """A frame that asks for a thing of some type names a value of it, any other one a thing."""
    relations = rng.sample(everyday.relations, len(everyday.relations))
    name = rng.choice(relations[0][2] if TYPE in frame or TYPES in frame else everyday.things)
    turns = itertools.cycle(relations)

    def fill(match: re.Match[str]) -> str:
        if match[0] in (NOUN, NOUNS):
            singular, plural, _ = next(turns)
            return plural if match[0] == NOUNS else singular
        if match[0] == NAME:
            return name
        return everyday.type if match[0] == TYPE else plural_of(everyday.type)

    text = re.sub("|".join(map(re.escape, (NAME, NOUNS, NOUN, TYPES, TYPE))), fill, frame)
    return text[:1].upper() + text[1:]


def _mentions(graph: Graph, rng: random.Random) -> Iterator[Prompt]:
    subjects = graph.subjects
    for number, template in enumerate(MENTIONS[graph.language]):
        for name in rng.sample(subjects, min(NAMED, len(subjects))):
            yield Prompt(template.replace(NAME, name), "mention", number % FOLDS)
