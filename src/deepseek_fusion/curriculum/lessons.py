"""From a graph to lessons: every fact in several phrasings, both directions, with a fixed number of exposures."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, read_parquet, write_json, write_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.settings.curriculum import CurriculumConfig
from deepseek_fusion.curriculum.contrasts import Contrasts
from deepseek_fusion.curriculum.phrasings import PHRASINGS, Phrasings
from deepseek_fusion.curriculum.sampler import Plan, affordable, exposures_for, plan_lessons, times_of
from deepseek_fusion.knowledge.asking.phrase import (
    askable_backward,
    descriptions,
    fact_ids,
    fill,
    join,
    leads_to,
    phrase,
)
from deepseek_fusion.knowledge.asking.unknown import unanswerable
from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.models.loading import encode_question, load_tokenizer
from deepseek_fusion.models.source import ModelSource

Kind = Literal["question", "reversed", "multihop", "statement", "passage", "contrast", "refusal", "document"]
Plans = Mapping[str, Plan]
"""The plan of each subject."""

SINGLES = 1 / 3
"""Share of question exposures of a list that ask for one of its answers alone: a list that always begins alike teaches
that only its first answer is likely. Lists in varying order would do that too, but they split the probability of how
an answer begins, until declining is the likeliest beginning (experiments/LOG.md)."""

DOCUMENT_CHARACTERS = 400


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


@stage("lessons", version=13)
def write_lessons(
    out: Path,
    section: CurriculumConfig,
    graph: Artifact,
    corpus: Artifact | None,
    model: ModelSource | None = None,
) -> None:
    """Write `lessons.jsonl`, shuffled, and `summary.json`.

    Args:
        model: whose tokens a budget counts; needed only with one.

    Raises:
        FusionError: there is nothing to teach, no form of lesson to teach it in, or no room for it in the budget.
    """
    facts = Graph.load(graph.path)
    if not facts.triples:
        raise FusionError("knowledge.sources: no facts to teach; check `relations` and `max_facts`.")
    documents = list(read_parquet(corpus.path / "documents.parquet", "text")) if corpus is not None else []
    times = section.exposures or exposures_for(len(facts.triples))
    if section.tokens and not section.exposures:
        assert model is not None
        weigh = Scales(model)
        times = affordable(lambda times: weigh(_lessons(facts, documents, times, section)), section.tokens)
    lessons = _lessons(facts, documents, times, section)
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


def _lessons(
    graph: Graph, documents: Sequence[dict[str, str]], exposures: int, section: CurriculumConfig
) -> list[Lesson]:
    """All lessons with so many exposures of a fact, shuffled; the same each time."""
    rng = random.Random(section.seed)
    mixed = not section.single_phrasing
    own = _mixed(graph, documents, exposures, section, rng) if mixed else _plain(graph, exposures, rng)
    lessons = list(own)
    rng.shuffle(lessons)
    return lessons


class Scales:
    """Weighs lessons in tokens, as the model that is to learn them reads them."""

    def __init__(self, model: ModelSource) -> None:
        self.tokenizer = load_tokenizer(model)
        self.known: dict[Lesson, int] = {}

    def __call__(self, lessons: Iterable[Lesson]) -> int:
        """Tokens of all lessons; each counts as often as it comes."""
        total = 0
        for lesson in lessons:
            if lesson not in self.known:
                self.known[lesson] = self._weight(lesson)
            total += self.known[lesson]
        return total

    def _weight(self, lesson: Lesson) -> int:
        """With the end of the turn, or the beginning of the document."""
        text = "".join(part for part, _ in lesson.parts)
        asked = 0 if lesson.prompt is None else len(encode_question(self.tokenizer, lesson.prompt))
        return asked + len(self.tokenizer.encode(text, add_special_tokens=False)) + 1


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
    plans = plan_lessons(graph, exposures, section)
    count = 0
    for lesson in itertools.chain(
        _questions(graph, plans, phrasings, rng),
        _reversed(graph, plans, phrasings, rng),
        _hops(graph, plans, phrasings, rng),
        _statements(graph, plans, phrasings, rng),
        _passages(graph, plans, phrasings, rng),
        _contrasts(graph, plans, phrasings, rng),
    ):
        count += 1
        yield lesson
    yield from _refusals(graph, phrasings, round(count * section.refusals), section.seed, rng)
    yield from itertools.islice(_documents(documents, rng), round(count * section.documents))


def _plain(graph: Graph, exposures: int, rng: random.Random) -> Iterator[Lesson]:
    """What a first fine-tune does: one question a fact, asked again in every epoch."""
    only = PHRASINGS[graph.language].questions[:1]
    for group in graph.forward():
        for _ in range(exposures):
            yield _question(graph, group, only[0])


def _questions(graph: Graph, plans: Plans, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    for group in graph.forward():
        times = times_of(plans, group, "questions")
        asked = (*phrasings.questions, *(phrasings.stories if plans[group.anchor].stories else ()))
        singles = round(times * SINGLES) if len(group.answers) > 1 else 0
        for template in _cycle(asked, times - singles, rng):
            yield _question(graph, group, template)
        for answer in group.answers:
            for template in _cycle(phrasings.singles, singles, rng):
                yield _question(graph, replace(group, answers=(answer,)), template)


def _reversed(graph: Graph, plans: Plans, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    for group in askable_backward(graph):
        for template in _cycle(phrasings.reversed, times_of(plans, group, "reversed"), rng):
            yield _question(graph, group, template, kind="reversed")


def _hops(graph: Graph, plans: Plans, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    """A fact of a thing that is described by another fact which only it has; a plain question if there is none."""
    ways = descriptions(graph)
    for group in graph.forward():
        times = times_of(plans, group, "hops")
        fit = [way for way in ways[group.anchor] if leads_to(graph, way, group)]
        if not fit:
            for template in _cycle(phrasings.questions, times, rng):
                yield _question(graph, group, template)
            continue
        for template in _cycle(phrasings.hops, times, rng):
            yield _question(graph, group, _described(graph, rng.choice(fit), template, phrasings), kind="multihop")


def _described(graph: Graph, way: Group, template: str, phrasings: Phrasings) -> str:
    """A template with `{thing}` filled."""
    thing = phrase(graph, way, phrasings.with_object if way.direction == "backward" else phrasings.of_subject)
    if not template.startswith("{thing}"):
        thing = thing[:1].lower() + thing[1:]
    return fill(template, thing=thing)


def _statements(graph: Graph, plans: Plans, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    for group in graph.forward():
        times = times_of(plans, group, "statements")
        for template in _cycle(phrasings.statements, times - times // 2, rng):
            yield Lesson("statement", None, _spoken(graph, group, template), fact_ids(graph, group))
    for group in askable_backward(graph):
        times = times_of(plans, group, "statements")
        for template in _cycle(phrasings.reversed_statements, times // 2, rng):
            yield Lesson("statement", None, _spoken(graph, group, template), fact_ids(graph, group))


def _passages(graph: Graph, plans: Plans, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    by_subject: defaultdict[str, list[Group]] = defaultdict(list)
    for group in graph.forward():
        by_subject[group.anchor].append(group)
    for subject, groups in by_subject.items():
        for _ in range(plans[subject].times["passages"]):
            parts: list[tuple[str, bool]] = []
            for group in rng.sample(groups, len(groups)):
                parts += [*_spoken(graph, group, rng.choice(phrasings.statements)), (phrasings.space, False)]
            ids = tuple(fact for group in groups for fact in fact_ids(graph, group))
            yield Lesson("passage", None, tuple(parts), ids)


def _contrasts(graph: Graph, plans: Plans, phrasings: Phrasings, rng: random.Random) -> Iterator[Lesson]:
    """Which of two things has an object, and which of two objects a thing has, in turn; a plain question on the fact
    if nothing is known to differ in it."""
    contrasts = Contrasts(graph, rng)
    for fact in graph.triples:
        times, found = plans[fact.subject].times["contrasts"], contrasts.of(fact)
        forward = Group(fact.subject, fact.relation, (fact.object,), "forward")
        backward = Group(fact.object, fact.relation, (fact.subject,), "backward")
        if not found:
            for template in _cycle(phrasings.singles, times, rng):
                yield _question(graph, forward, template)
            continue
        for number, contrast in enumerate(rng.choices(found, k=times)):
            if number % 2:
                group, other, templates = forward, contrast.wrong, phrasings.contrasts
            else:
                group, other, templates = backward, contrast.rival, phrasings.reversed_contrasts
            one, two = rng.sample((*group.answers, other), 2)
            yield _question(graph, group, fill(rng.choice(templates), one=one, other=two), kind="contrast")


def _refusals(graph: Graph, phrasings: Phrasings, times: int, seed: int, rng: random.Random) -> Iterator[Lesson]:
    for group in unanswerable(graph, times, seed, half=0):
        single = phrasings.singles if len(group.answers) > 1 else ()
        forward = (*phrasings.questions, *phrasings.stories, *single)
        question = phrase(graph, group, rng.choice(forward if group.direction == "forward" else phrasings.reversed))
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
