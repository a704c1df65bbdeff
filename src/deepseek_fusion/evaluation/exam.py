"""The exam: written from the graph before any lesson exists, in sentences that no lesson uses."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.phrasings import PHRASINGS
from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.invent import Half, invent_names
from deepseek_fusion.knowledge.phrase import askable_backward, fact_ids, join, phrase

Family = Literal["question", "cloze", "choice", "reversed", "refusal"]
FAMILIES: tuple[Family, ...] = ("question", "cloze", "choice", "reversed", "refusal")
CHANCE: dict[Family, float | None] = {
    "question": None,
    "cloze": None,
    "choice": 0.25,
    "reversed": None,
    "refusal": None,
}
DISTRACTORS = 3


@dataclass(frozen=True)
class Item:
    """One question of the exam.

    Attributes:
        chat: whether the prompt is a user's turn; otherwise it is text to be continued.
        facts: ids of the facts asked for; empty for refusals.
        gold: for each fact, its right answer under all names.
        expected: the whole answer as taught, used only to skip decoding when the model gives exactly it.
        options: for choices, candidate answers; the first is right.
    """

    id: str
    family: Family
    prompt: str
    chat: bool
    facts: tuple[str, ...] = ()
    gold: tuple[tuple[str, ...], ...] = ()
    expected: str = ""
    options: tuple[str, ...] = ()


@stage("exam", version=2)
def write_exam(out: Path, section: EvaluationConfig, graph: Artifact, truth: Artifact) -> None:
    """Write `exam.jsonl` on the facts of `truth` about the subjects of `graph`.

    The two are the same for the exam proper. For the format control, `graph` holds shuffled answers and `truth` the
    right ones: it is examined on what is true about the subjects that it was taught falsely.
    """
    whole = Graph.load(truth.path)
    asked = set(Graph.load(graph.path).subjects)
    facts = whole.with_triples(triple for triple in whole.triples if triple.subject in asked)
    items = [*_questions(facts), *_clozes(facts), *_choices(facts, whole, section.seed), *_reversed(facts, whole)]
    if graph.key == truth.key:
        items += _refusals(whole, section)
    write_jsonl(out / "exam.jsonl", [vars(item) for item in items])
    write_json(
        out / "summary.json",
        {"items": {family: sum(item.family == family for item in items) for family in FAMILIES}},
    )


def read_exam(folder: Path) -> list[Item]:
    """Read what `write_exam` wrote."""
    return [
        Item(
            **{
                **row,
                "facts": tuple(row["facts"]),
                "gold": tuple(map(tuple, row["gold"])),
                "options": tuple(row["options"]),
            }
        )
        for row in read_jsonl(folder / "exam.jsonl")
    ]


@stage("leaks", version=1)
def check_leaks(out: Path, _: None, exam: Artifact, lessons: Artifact) -> None:
    """Prove that no exam prompt occurs in a lesson, after folding case, width, spaces and punctuation.

    Raises:
        FusionError: one does; the exam would measure memory of the question.
    """
    taught = "\n".join(
        folded(f"{row['prompt'] or ''} {''.join(text for text, _ in row['parts'])}")
        for row in read_jsonl(lessons.path / "lessons.jsonl")
    )
    items = read_exam(exam.path)
    leaked = [item for item in items if folded(item.prompt) in taught]
    if leaked:
        raise FusionError(
            f"exam: {len(leaked)} of {len(items)} prompts occur in the lessons, such as `{leaked[0].prompt}`; "
            "remove it from the documents or change the phrasing."
        )
    write_json(out / "leaks.json", {"items": len(items), "leaked": 0})


def folded(text: str) -> str:
    """Text without case, width, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def _questions(graph: Graph) -> Iterator[Item]:
    for number, template in enumerate(PHRASINGS[graph.language].question):
        for index, group in enumerate(graph.forward()):
            yield _item(f"question-{number}-{index}", "question", graph, group, template)


def _clozes(graph: Graph) -> Iterator[Item]:
    for index, group in enumerate(graph.forward()):
        yield _item(f"cloze-{index}", "cloze", graph, group, PHRASINGS[graph.language].cloze)


def _reversed(facts: Graph, whole: Graph) -> Iterator[Item]:
    """Any subject of which it is true is right, but only facts that are asked about are counted."""
    asked = set(facts.subjects)
    for index, group in enumerate(askable_backward(whole)):
        kept = tuple(subject for subject in group.answers if subject in asked)
        if kept:
            reduced = Group(group.anchor, group.relation, kept, "backward")
            yield _item(f"reversed-{index}", "reversed", whole, reduced, PHRASINGS[whole.language].reversed)


def _choices(facts: Graph, whole: Graph, seed: int) -> Iterator[Item]:
    """One right answer against three wrong ones of the same relation, none of them true of the subject."""
    rng = random.Random(seed)
    objects: defaultdict[str, list[str]] = defaultdict(list)
    for triple in whole.triples:
        if triple.object not in objects[triple.relation]:
            objects[triple.relation].append(triple.object)
    for index, group in enumerate(facts.forward()):
        wrong = [name for name in objects[group.relation] if name not in group.answers]
        if len(wrong) < DISTRACTORS:
            continue
        for number, (answer, triple) in enumerate(zip(group.answers, group.triples(), strict=True)):
            prompt = phrase(facts, Group(group.anchor, group.relation, (answer,), "forward"), _choice(facts))
            yield Item(
                f"choice-{index}-{number}",
                "choice",
                prompt,
                chat=True,
                facts=(facts.fact_id(triple),),
                gold=((answer,),),
                options=(answer, *rng.sample(wrong, DISTRACTORS)),
            )


def _refusals(graph: Graph, section: EvaluationConfig) -> Iterator[Item]:
    """Questions on things that do not exist, with names as hard to tell from real ones as we can make them."""
    rng = random.Random(section.seed)
    names = invent_names(graph.subjects, section.refusals, section.seed, taken=Half(1))
    templates = PHRASINGS[graph.language].question
    for index, name in enumerate(names):
        group = Group(name, rng.choice(sorted(graph.relations)), ("?",) * rng.choice((1, 2)), "forward")
        yield Item(f"refusal-{index}", "refusal", phrase(graph, group, rng.choice(templates)), chat=True)


def _item(name: str, family: Family, graph: Graph, group: Group, template: str) -> Item:
    names = tuple((answer, *graph.synonyms.get(answer, ())) for answer in group.answers)
    expected = join(graph, group)
    if family == "cloze" and graph.language == "en":
        expected = f" {expected}"
    return Item(
        name,
        family,
        phrase(graph, group, template),
        chat=family != "cloze",
        facts=fact_ids(graph, group),
        gold=names,
        expected=expected,
    )


def _choice(graph: Graph) -> str:
    return PHRASINGS[graph.language].choice
