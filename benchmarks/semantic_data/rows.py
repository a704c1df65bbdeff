"""Good rows and planted bad ones, with what they are held out by."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from deepseek_fusion.knowledge.language import Language
from semantic_data.facts import Fact, facts
from semantic_data.prose import (
    Asked,
    Passage,
    asked_of_news,
    asked_of_prose,
    passages,
    unseen_passages,
    unseen_questions,
)
from semantic_data.spoil import SPOILED, begun, cut, garbled, menu, salad, spliced
from semantic_data.unpack import bigbench

Part = Literal["train", "calibrate", "test"]


@dataclass(frozen=True)
class Row:
    """A row as the filter sees it, and what we know of it.

    Attributes:
        kind: "good", or in which way it is bad.
        group: entity, document or passage; all rows of a group are in the same part.
        form: "bare" or "sentence" for answers, "prose" for passages.
    """

    text: str
    question: str | None
    kind: str
    source: str
    language: Language
    group: str
    form: str

    @property
    def good(self) -> bool:
        """Whether it should stay."""
        return self.kind == "good"

    @property
    def part(self) -> Part:
        """By the hash of the group: one group in ten is tested, one calibrates."""
        place = int(sha256(self.group.encode()).hexdigest(), 16) % 10
        return "test" if place == 0 else "calibrate" if place == 1 else "train"


UNKNOWABLE = "another's value"
"""The answer of another entity, written as if it were this one's: only who knows the fact can tell."""


def known_rows(place: Path, notes: Path | None, seed: int, most: int) -> list[Row]:
    """Rows of the sources that may be trained on.

    Args:
        place: of the unpacked packages.
        notes: of the medical example.
        seed: of templates, negatives and what is left out.
        most: good rows of any one source and head.
    """
    rng = random.Random(seed)
    prose = passages(place, notes)
    asked = [list(asked_of_news(place, rng)), list(asked_of_prose(prose, rng))]
    drawn = [*_fact_rows(facts(place), rng, most), *_asked_rows(asked[0], rng, 2 * most)]
    return [*drawn, *_asked_rows(asked[1], rng, 4 * most), *_prose_rows(prose, rng, most)]


def unseen_rows(place: Path, seed: int, most: int) -> list[Row]:
    """Rows of the sources that are only tested on."""
    rng = random.Random(seed)
    return [
        *_squad_rows(place, rng, most),
        *_cloze_rows(place, rng, most),
        *_prose_rows(unseen_passages(place), rng, most),
    ]


def _fact_rows(found: Sequence[Fact], rng: random.Random, most: int) -> Iterator[Row]:
    by_source: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in found:
        by_source[fact.source].append(fact)
    for own in by_source.values():
        of_entity: defaultdict[str, list[Fact]] = defaultdict(list)
        of_aspect: defaultdict[str, list[Fact]] = defaultdict(list)
        for fact in own:
            of_entity[fact.entity].append(fact)
            of_aspect[fact.aspect].append(fact)
        times = max(1, min(3, most // len(own)))
        for fact in rng.sample(own, min(len(own), most)) * times:
            yield from _about(fact, of_entity[fact.entity], of_aspect[fact.aspect], own, rng)


def _about(
    fact: Fact, same: Sequence[Fact], alike: Sequence[Fact], every: Sequence[Fact], rng: random.Random
) -> Iterator[Row]:
    """One good row and two bad ones, one of them hard."""
    question, bare = fact.question(rng), rng.random() < 0.4
    form = "bare" if bare else "sentence"

    def row(text: str, kind: str) -> Row:
        return Row(text, question, kind, fact.source, fact.language, fact.entity, form)

    good = fact.answer(rng, bare)
    yield row(good, "good")
    other, stranger = rng.choice(alike), rng.choice(every)
    aspects = [each for each in same if each.aspect != fact.aspect and each.values != fact.values]
    if aspects:
        yield row(rng.choice(aspects).answer(rng, bare), "another aspect")
    elif not bare and other.values != fact.values:
        yield row(_naming(other, rng), "another entity")
    if other.values != fact.values and set(other.values).isdisjoint(fact.values):
        if not bare and rng.random() < 0.4:
            yield row(_naming(other, rng), "another entity")
        if rng.random() < 0.3:
            yield row(Fact(*_parts(fact), other.values).answer(rng, bare), UNKNOWABLE)
    kind = rng.choice(("another question", "another question", "broken"))
    if kind == "broken":
        yield from (row(text, kind) for kind, text in [_broken(good, question, rng)] if text)
    elif stranger.entity != fact.entity and stranger.aspect != fact.aspect:
        yield row(stranger.answer(rng, bare), kind)


def _parts(fact: Fact) -> tuple[str, Language, str, str]:
    return fact.source, fact.language, fact.entity, fact.aspect


def _naming(fact: Fact, rng: random.Random) -> str:
    """A sentence with the entity's name in it."""
    for _ in range(8):
        if fact.entity in (text := fact.answer(rng, False)):
            return text
    return f"{fact.entity}: {fact.answer(rng, True)}"


def _broken(text: str, question: str, rng: random.Random) -> tuple[str, str | None]:
    kind = rng.choice(("cut off", "garbled", "word salad", "menu", "echo"))
    if kind == "echo":
        return "no answer", question
    if kind == "word salad":
        return kind, salad(text, rng) if len(text) > 40 else None
    return kind, {"cut off": cut, "garbled": garbled, "menu": menu}[kind](text, rng)


def _asked_rows(asked: list[Asked], rng: random.Random, most: int) -> Iterator[Row]:
    rng.shuffle(asked)
    for number, item in enumerate(asked[:most]):
        form = "bare" if rng.random() < 0.5 else "sentence"

        def row(text: str, kind: str) -> Row:
            source = f"questions on prose {item.language}"  # noqa: B023
            return Row(text, item.question, kind, source, item.language, item.document, form)  # noqa: B023

        stranger = asked[(number + 1) % len(asked)]
        yield row(item.answer if form == "bare" else item.sentence, "good")
        if form == "bare":
            if item.others:
                yield row(rng.choice(item.others), "another aspect")
            yield row(stranger.answer if rng.random() < 0.5 else stranger.sentence, "another question")
        else:
            if item.around:
                yield row(rng.choice(item.around), "another aspect")
            yield row(stranger.sentence, "another question")
        if rng.random() < 0.3:
            kind, text = _broken(item.sentence, item.question, rng)
            if text:
                yield row(text, kind)


def _squad_rows(place: Path, rng: random.Random, most: int) -> Iterator[Row]:
    """Natural questions; another aspect is the answer to another question on the same passage."""
    by_source = defaultdict(list)
    for item in unseen_questions(place):
        by_source[item[0]].append(item)
    for source, items in by_source.items():
        chosen = rng.sample(items, min(len(items), most))
        for number, (_, passage, question, answer, sentence, others) in enumerate(chosen):
            form = "bare" if number % 2 else "sentence"
            sayings = {item[3]: item[4] for item in items if item[1] == passage} if form == "sentence" else {}
            others = [sayings[o] for o in others if sayings.get(o, sentence) != sentence] if sayings else others
            stranger = chosen[(number + 1) % len(chosen)]

            def row(text: str, kind: str) -> Row:
                return Row(text, question, kind, source, "en", passage, form)  # noqa: B023

            yield row(sentence if form == "sentence" else answer, "good")
            if others:
                yield row(rng.choice(others), "another aspect")
            yield row(stranger[4] if form == "sentence" else stranger[3], "another question")


def _cloze_rows(place: Path, rng: random.Random, most: int) -> Iterator[Row]:
    examples = bigbench(place, "qa_wikidata/task.json")["examples"]
    for example in rng.sample(examples, min(len(examples), most)):
        question, answer = example["input"], example["target"]
        answer = answer if isinstance(answer, str) else answer[0]
        other = rng.choice(examples)
        text = other["target"] if isinstance(other["target"], str) else other["target"][0]
        yield Row(answer, question, "good", "wikidata", "en", question, "bare")
        if other["input"][:12] != question[:12]:
            yield Row(text, question, "another question", "wikidata", "en", question, "bare")


def _prose_rows(found: Sequence[Passage], rng: random.Random, most: int) -> Iterator[Row]:
    by_source: defaultdict[tuple[str, Language], list[Passage]] = defaultdict(list)
    for passage in found:
        by_source[passage.source, passage.language].append(passage)
    for (source, language), own in sorted(by_source.items()):
        for passage in rng.sample(own, min(len(own), most)):

            def row(text: str, kind: str) -> Row:
                return Row(text, None, kind, source, language, passage.document, "prose")  # noqa: B023

            yield row(passage.text, "good")
            if rng.random() < 0.3 and (text := begun(passage.text, rng)):
                yield row(text, "good")
            for kind in rng.sample(sorted(SPOILED), 2):
                if text := SPOILED[kind](passage.text, rng):
                    yield row(text, kind)
            if rng.random() < 0.15 and (text := spliced(passage.text, rng, rng.choice(own).text)):
                yield row(text, "two texts mixed")
