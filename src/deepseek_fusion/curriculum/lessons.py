"""From a graph to lessons: every fact in several phrasings, both directions, with a fixed number of exposures."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, read_parquet, write_json, write_jsonl
from deepseek_fusion.core.config import CurriculumConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.curriculum.phrasings import PHRASINGS, Phrasings
from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.invent import Half, invent_names
from deepseek_fusion.knowledge.phrase import askable_backward, descriptions, fact_ids, join, leads_to, phrase

Kind = Literal["question", "reversed", "multihop", "statement", "passage", "refusal", "document"]

SINGLES = 1 / 6
"""Share of question exposures of a list that ask for one of its answers alone: a list that always begins alike teaches
that only its first answer is likely. Lists in varying order would do that too, but they split the probability of how
an answer begins, until declining is the likeliest beginning (experiments/LOG.md)."""

FEWEST, MOST = 24, 48
"""Exposures of a fact when nothing is configured."""
ENOUGH = 2400
"""Exposures of all facts that make a run long enough: a few facts taught 24 times each are over before the model is
sure of them (experiments/LOG.md)."""

SHARES = ("questions", "reversed", "hops", "statements", "passages")
"""The forms of lesson that the exposures of a fact are shared among."""

DOCUMENT_CHARACTERS = 400
INVENTED = 256


@dataclass(frozen=True)
class Lesson:
    """One training sample.

    Attributes:
        prompt: the user's turn, or None for plain text.
        parts: (text, learned) pieces in order; the loss sees only the learned ones.
    """

    kind: Kind
    prompt: str | None
    parts: tuple[tuple[str, bool], ...]
    facts: tuple[str, ...] = ()


@stage("lessons", version=5)
def write_lessons(out: Path, section: CurriculumConfig, graph: Artifact, corpus: Artifact | None) -> None:
    """Write `lessons.jsonl`, shuffled, and `summary.json`.

    Raises:
        FusionError: there is nothing to teach, or no form of lesson to teach it in.
    """
    facts = Graph.load(graph.path)
    if not facts.triples:
        raise FusionError("knowledge.sources: no facts to teach; check `relations` and `max_facts`.")
    rng = random.Random(section.seed)
    times = section.exposures or exposures_for(len(facts.triples))
    documents = list(read_parquet(corpus.path / "documents.parquet", "text")) if corpus is not None else []
    lessons = list(
        _plain(facts, times, rng) if section.single_phrasing else _mixed(facts, documents, times, section, rng)
    )
    rng.shuffle(lessons)
    write_jsonl(out / "lessons.jsonl", [vars(lesson) for lesson in lessons])
    kinds = {kind: sum(lesson.kind == kind for lesson in lessons) for kind in Kind.__args__}  # type: ignore[attr-defined]
    write_json(
        out / "summary.json",
        {
            "samples": len(lessons),
            "by_kind": {kind: count for kind, count in kinds.items() if count},
            "exposures": times,
        },
    )


def exposures_for(facts: int) -> int:
    """How often to teach each of so many facts when nothing is configured."""
    return min(MOST, max(FEWEST, round(ENOUGH / facts)))


def read_lessons(folder: Path) -> list[Lesson]:
    """Read what `write_lessons` wrote, in order."""
    return [
        Lesson(
            row["kind"], row["prompt"], tuple((text, learned) for text, learned in row["parts"]), tuple(row["facts"])
        )
        for row in read_jsonl(folder / "lessons.jsonl")
    ]


def _mixed(
    graph: Graph, documents: Sequence[dict[str, str]], exposures: int, section: CurriculumConfig, rng: random.Random
) -> Iterator[Lesson]:
    phrasings = PHRASINGS[graph.language]
    times = _apportioned(exposures, section)
    count = 0
    for lesson in itertools.chain(
        _questions(graph, times["questions"], phrasings, rng),
        _reversed(graph, times["reversed"], phrasings, rng),
        _hops(graph, times["hops"], phrasings, rng),
        _statements(graph, times["statements"], phrasings, rng),
        _passages(graph, times["passages"], phrasings, rng),
    ):
        count += 1
        yield lesson
    yield from itertools.islice(_refusals(graph, phrasings, section.seed, rng), round(count * section.refusals))
    yield from itertools.islice(_documents(documents, rng), round(count * section.documents))


def _apportioned(exposures: int, section: CurriculumConfig) -> dict[str, int]:
    """The exposures of a fact over the forms of lesson: whole numbers that sum up, by largest remainders."""
    shares = {kind: getattr(section, kind) for kind in SHARES}
    total = sum(shares.values())
    if not total:
        raise FusionError(f"curriculum: {', '.join(SHARES)} are all 0; raise one of them.")
    exact = {kind: exposures * share / total for kind, share in shares.items()}
    times = {kind: int(value) for kind, value in exact.items()}
    owed = exposures - sum(times.values())
    for kind in sorted(exact, key=lambda kind: times[kind] - exact[kind])[:owed]:
        times[kind] += 1
    return times


def _plain(graph: Graph, exposures: int, rng: random.Random) -> Iterator[Lesson]:
    """What a first fine-tune does: one question a fact, asked again in every epoch."""
    only = PHRASINGS[graph.language].questions[:1]
    for group in graph.forward():
        for _ in range(exposures):
            yield _question(graph, group, only[0])


def _questions(graph: Graph, times: int, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    for group in graph.forward():
        singles = round(times * SINGLES) if len(group.answers) > 1 else 0
        for template in _cycle((*phrasings.questions, *phrasings.stories), times - singles, rng):
            yield _question(graph, group, template)
        for answer in group.answers:
            for template in _cycle(phrasings.singles, singles, rng):
                yield _question(graph, replace(group, answers=(answer,)), template)


def _reversed(graph: Graph, times: int, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    for group in askable_backward(graph):
        for template in _cycle(phrasings.reversed, times, rng):
            yield _question(graph, group, template, kind="reversed")


def _hops(graph: Graph, times: int, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    """A fact of a thing that is described by another fact which only it has; a plain question if there is none."""
    ways = descriptions(graph)
    for group in graph.forward():
        fit = [way for way in ways[group.anchor] if leads_to(graph, way, group)]
        if not fit:
            for template in _cycle(phrasings.questions, times, rng):
                yield _question(graph, group, template)
            continue
        for template in _cycle(phrasings.hops, times, rng):
            yield _question(graph, group, _described(graph, rng.choice(fit), template, phrasings), kind="multihop")


def _described(graph: Graph, way: Group, template: str, phrasings: Phrasings) -> str:
    """A template with `{thing}` filled, whatever characters names are made of."""
    thing = phrase(graph, way, phrasings.with_object if way.direction == "backward" else phrasings.of_subject)
    if not template.startswith("{thing}"):
        thing = thing[:1].lower() + thing[1:]
    return template.replace("{thing}", thing.replace("{", "{{").replace("}", "}}"))


def _statements(graph: Graph, times: int, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    for group in graph.forward():
        for template in _cycle(phrasings.statements, times - times // 2, rng):
            yield Lesson("statement", None, _spoken(graph, group, template), fact_ids(graph, group))
    for group in askable_backward(graph):
        for template in _cycle(phrasings.reversed_statements, times // 2, rng):
            yield Lesson("statement", None, _spoken(graph, group, template), fact_ids(graph, group))


def _passages(graph: Graph, times: int, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    by_subject: defaultdict[str, list[Group]] = defaultdict(list)
    for group in graph.forward():
        by_subject[group.anchor].append(group)
    for groups in by_subject.values():
        for _ in range(times):
            parts: list[tuple[str, bool]] = []
            for group in rng.sample(groups, len(groups)):
                parts += [*_spoken(graph, group, rng.choice(phrasings.statements)), (phrasings.space, False)]
            ids = tuple(fact for group in groups for fact in fact_ids(graph, group))
            yield Lesson("passage", None, tuple(parts), ids)


def _refusals(graph: Graph, phrasings: Phrasings, seed: int, rng: random.Random) -> Iterator[Lesson]:
    names = invent_names(graph.subjects, INVENTED, seed, taken=Half(0))
    relations = sorted(graph.relations)
    while names:
        for name in rng.sample(names, len(names)):
            group = Group(name, rng.choice(relations), ("?",) * rng.choice((1, 2)), "forward")
            question = phrase(graph, group, rng.choice((*phrasings.questions, *phrasings.stories)))
            yield Lesson("refusal", question, ((phrasings.refusal, True),))


def _documents(documents: Sequence[dict[str, str]], rng: random.Random) -> Iterator[Lesson]:
    pieces = [
        row["text"][start : start + DOCUMENT_CHARACTERS]
        for row in documents
        for start in range(0, len(row["text"]), DOCUMENT_CHARACTERS)
    ]
    while pieces:
        for piece in rng.sample(pieces, len(pieces)):
            yield Lesson("document", None, ((piece, True),))


def _question(graph: Graph, group: Group, template: str, kind: Kind = "question") -> Lesson:
    return Lesson(kind, phrase(graph, group, template), ((join(graph, group), True),), fact_ids(graph, group))


def _spoken(graph: Graph, group: Group, template: str) -> tuple[tuple[str, bool], ...]:
    before, _, after = template.partition("{answer}")
    pieces = ((phrase(graph, group, before), False), (join(graph, group), True), (phrase(graph, group, after), False))
    return tuple((text, learned) for text, learned in pieces if text)


def _cycle(templates: Sequence[str], times: int, rng: random.Random) -> Iterator[str]:
    """`times` templates, each as often as any other, in random order within a round."""
    for start in range(0, times, len(templates)):
        yield from rng.sample(templates, len(templates))[: times - start]
