"""The exam: written from the graph before any lesson exists, in sentences that no lesson uses."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.questions.families import ABSENT, FAMILIES, Family, Item, Questions, chance
from deepseek_fusion.knowledge.graph import Graph, Triple
from deepseek_fusion.knowledge.language import fold

__all__ = ["FAMILIES", "Family", "Item", "read_exam", "write_exam"]

EMPTY = "a name is empty"
REPEATED = "the same answer stands there in another spelling"
SHARED_OBJECT = "a name of the answer is also a name of another answer"
SHARED_SUBJECT = "a name of the subject is also a name of another subject"


@stage("exam", version=9)
def write_exam(out: Path, section: EvaluationConfig, graph: Artifact, truth: Artifact) -> None:
    """Write `exam.jsonl` on the facts of `truth` about the subjects of `graph`, and `summary.json`.

    The two are the same for the exam proper. For the format control, `graph` holds shuffled answers and `truth` the
    right ones: it is examined on what is true about the subjects that it was taught falsely.
    """
    whole = Graph.load(truth.path)
    refused = excluded(whole)
    taught = Graph.load(graph.path)
    subjects = set(taught.subjects)
    asked = whole.with_triples(
        triple for triple in whole.triples if triple.subject in subjects and triple not in refused
    )
    questions = Questions(asked, whole, taught, section.seed)
    items = [*questions.written(), *questions.reversed(), *questions.multihop()]
    items += [*questions.choices(), *questions.negations(), *questions.numerals()]
    if graph.key == truth.key:
        items += questions.refusals(section.refusals)
    write_jsonl(out / "exam.jsonl", [vars(item) for item in items])
    write_json(out / "summary.json", _summary(items, refused))


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


def excluded(graph: Graph) -> dict[Triple, str]:
    """Facts that no question can ask for fairly, and why: an answer could not be told from another one."""
    objects = _owners(graph, ((triple.relation, triple.object) for triple in graph.triples))
    subjects = _owners(graph, (("", subject) for subject in graph.subjects))
    found: dict[Triple, str] = {}
    said: set[tuple[str, str, str]] = set()
    for triple in graph.triples:
        statement = (triple.subject, triple.relation, fold(triple.object))
        if not fold(triple.subject) or not fold(triple.object):
            found[triple] = EMPTY
        elif statement in said:
            found[triple] = REPEATED
        elif _shared(graph, triple.object, triple.relation, objects):
            found[triple] = SHARED_OBJECT
        elif _shared(graph, triple.subject, "", subjects):
            found[triple] = SHARED_SUBJECT
        said.add(statement)
    return found


Owners = dict[tuple[str, str], set[str]]
"""(relation, folded name) -> the terms of that relation that go by it."""


def _owners(graph: Graph, terms: Any) -> Owners:
    owners: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for relation, term in terms:
        for name in graph.names_of(term):
            owners[relation, fold(name)].add(fold(term))
    return owners


def _shared(graph: Graph, term: str, relation: str, owners: Owners) -> bool:
    return any(len(owners[relation, fold(name)]) > 1 for name in graph.names_of(term))


def _summary(items: list[Item], refused: dict[Triple, str]) -> dict[str, Any]:
    by_family = {family: [item for item in items if item.family == family] for family in FAMILIES}
    by_reason: defaultdict[str, list[Triple]] = defaultdict(list)
    for triple, reason in refused.items():
        by_reason[reason].append(triple)
    return {
        "items": {family: len(own) for family, own in by_family.items()},
        "chance": {family: chance(own) for family, own in by_family.items()},
        "absent": {family: ABSENT[family] for family, own in by_family.items() if not own},
        "excluded": [
            {"reason": reason, "count": len(triples), "example": " | ".join(triples[0].statement)}
            for reason, triples in by_reason.items()
        ],
    }
