"""What the exam is worth without knowledge, and with it at hand: the figures that a score has to be read against."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, write_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.answers.answering import answer_all, score_all
from deepseek_fusion.evaluation.answers.sitting import load_taught, read_prompts
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.questions.families import Family, Item
from deepseek_fusion.evaluation.questions.phrasings import PHRASINGS
from deepseek_fusion.knowledge.asking.matching import is_listed
from deepseek_fusion.knowledge.asking.phrase import join, phrase
from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.retrieval.build import Lookup, in_context, open_index
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import ModelSource

WRITTEN: tuple[Family, ...] = ("question",)
OPTIONAL: tuple[Family, ...] = ("choice", "negation", "numerals")


@stage("controls", version=1)
def sit_controls(
    out: Path,
    section: EvaluationConfig,
    model: ModelSource,
    adapter: Artifact | None,
    graph: Artifact,
    exam: Artifact,
    lookup: Lookup | None = None,
) -> None:
    """Write `controls.json`: for each control and family the sampled items, and for each of their facts whether the
    answer is right.

    `majority` answers with the commonest object of the relation. `option_only` lets the taught model choose without
    the question. `facts_in_context` shows the base model all facts on the subject before it asks, which is what
    perfect retrieval would do; `taught_with_facts` does the same to the taught model. `retrieved` and
    `taught_with_retrieved` show what is really found instead, where there is an index.
    """
    facts = Graph.load(graph.path)
    rng = random.Random(section.seed)
    items = {family: _sample(read_exam(exam.path), family, section.controls, rng) for family in (*WRITTEN, *OPTIONAL)}
    asked = items["question"]
    informed = list(_informed(asked, facts, rng))
    rows = [_row("majority", asked, _commonest(asked, facts))]
    rows.append(_row("majority", items["choice"], _frequent(items["choice"], facts, rng)))
    rows.append(_row("facts_in_context", asked, _written(load_taught(model, None), informed)))
    found = _found(asked, lookup) if lookup else []
    if found:
        rows.append(_row("retrieved", asked, _written(load_taught(model, None), found)))
    taught = load_taught(model, adapter)
    if adapter is not None:
        rows.append(_row("taught_with_facts", asked, _written(taught, informed)))
    if adapter is not None and found:
        rows.append(_row("taught_with_retrieved", asked, _written(taught, found)))
    rows += [_row("option_only", items[family], _unasked(taught, items[family])) for family in OPTIONAL]
    write_json(out / "controls.json", {"controls": [row for row in rows if row["answers"]]})


def _sample(items: Sequence[Item], family: Family, count: int, rng: random.Random) -> list[Item]:
    own = [item for item in items if item.family == family]
    return [own[place] for place in sorted(rng.sample(range(len(own)), min(count, len(own))))]


def _row(name: str, items: Sequence[Item], right: Sequence[Sequence[bool]]) -> dict[str, Any]:
    return {
        "name": name,
        "family": items[0].family if items else None,
        "answers": [{"id": item.id, "right": list(own)} for item, own in zip(items, right, strict=True)],
    }


def _informed(items: Sequence[Item], graph: Graph, rng: random.Random) -> Iterator[Item]:
    """Each item after everything that the graph says about its subject, in random order."""
    say = PHRASINGS[graph.language]
    groups: dict[str, list[Group]] = {}
    for group in graph.forward():
        groups.setdefault(group.anchor, []).append(group)
    subjects = {graph.fact_id(triple): triple.subject for triple in graph.triples}
    for item in items:
        own = groups[subjects[item.facts[0]]]
        notes = say.space.join(_note(graph, group, say.note) for group in rng.sample(own, len(own)))
        yield replace(item, prompt=f"{notes}{say.space}{item.prompt}")


def _found(items: Sequence[Item], lookup: Lookup) -> list[Item]:
    """Each item after the passages that its question finds."""
    index = open_index(lookup.index.path)
    try:
        hits = [index.search(item.prompt, lookup.passages).hits for item in items]
    finally:
        index.close()
    return [
        replace(item, prompt=in_context(item.prompt, [hit.text for hit in own]))
        for item, own in zip(items, hits, strict=True)
    ]


def _note(graph: Graph, group: Group, template: str) -> str:
    before, _, after = template.partition("{answer}")
    return f"{phrase(graph, group, before)}{join(graph, group)}{after}"


def _commonest(items: Sequence[Item], graph: Graph) -> list[list[bool]]:
    counts = {relation: Counter[str]() for relation in graph.relations}
    for triple in graph.triples:
        counts[triple.relation][triple.object] += 1
    relations = {graph.fact_id(triple): triple.relation for triple in graph.triples}
    answers = [counts[relations[item.facts[0]]].most_common(1)[0][0] for item in items]
    return [[is_listed(answer, names) for names in item.gold] for item, answer in zip(items, answers, strict=True)]


def _frequent(items: Sequence[Item], graph: Graph, rng: random.Random) -> list[list[bool]]:
    """Choices answered with the option that most subjects have; equals are drawn from."""
    counts = Counter(triple.object for triple in graph.triples)
    best = [max(item.options, key=lambda option: (counts[option], rng.random())) for item in items]
    return [[option == item.options[0]] for item, option in zip(items, best, strict=True)]


def _written(language: Language, items: Sequence[Item]) -> list[list[bool]]:
    answers = answer_all(language, read_prompts(language, items), [item.expected for item in items])
    return [[is_listed(answer, names) for names in item.gold] for item, answer in zip(items, answers, strict=True)]


def _unasked(language: Language, items: Sequence[Item]) -> list[list[bool]]:
    """Choices made after a user turn that says nothing."""
    prompts = [language.encode_question("") for _ in items]
    scores = score_all(language, prompts, [item.options for item in items])
    return [[max(range(len(own)), key=own.__getitem__) == 0] for own in scores]
