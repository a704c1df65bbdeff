"""The stage that checks a sitting's answers, claim by claim."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl, read_parquet, write_json, write_jsonl
from deepseek_fusion.core.config import ConsistencyConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.consistency.agreement import agreement
from deepseek_fusion.evaluation.consistency.checker import VERDICTS, Checker, Judgement
from deepseek_fusion.evaluation.consistency.encoder.learned import TunedReader
from deepseek_fusion.evaluation.consistency.judge import MODEL
from deepseek_fusion.evaluation.consistency.labels import read_labels
from deepseek_fusion.evaluation.consistency.nli import Evidence, Judge
from deepseek_fusion.evaluation.consistency.reading.claims import Asked
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.evaluation.statistics.rates import rate
from deepseek_fusion.knowledge.graph import Graph, Triple

FAMILIES = ("question", "cloze", "reversed")
"""Families whose answers say something in the model's own words."""
RESAMPLES = 2000
EXAMPLES = 4

Row = dict[str, Any]


@stage("consistency", version=6)  # raise it with the packaged reader, too
def check_consistency(
    out: Path,
    section: ConsistencyConfig,
    graph: Artifact,
    corpus: Artifact | None,
    exam: Artifact,
    sitting: Artifact,
    judge: Artifact | None,
    labels: Source | None,
) -> None:
    """Write `claims.jsonl` (one row a claim) and `consistency.json`.

    Args:
        corpus: documents that the NLI model may find evidence in, besides the graph.
        judge: what `train_judge` made; used where the section names no NLI model.
        labels: files that people wrote through `evaluate label`.

    Raises:
        FusionError: the sitting is of another exam, the NLI model cannot be used, or a label is broken.
    """
    facts = Graph.load(graph.path)
    learned = TunedReader.packaged() if section.reader == "learned" else None
    answers = read_jsonl(sitting.path / "answers.jsonl")
    reading = _Reading(Checker(facts, learned), read_exam(exam.path), answers)
    rows = reading.rows
    place = section.nli or (str(judge.path / MODEL) if judge else None)
    if place is not None:
        documents = [row["text"] for row in read_parquet(corpus.path / "documents.parquet", "text")] if corpus else []
        opinions = Judge(place).opinions([found.claim for found in reading.judgements], Evidence(facts, documents))
        for row, opinion in zip(rows, opinions, strict=True):
            row["nli"] = vars(opinion)
    summary = _Summary(rows, reading.clusters, section.seed)
    write_jsonl(out / "claims.jsonl", rows)
    write_json(
        out / "consistency.json",
        {
            **reading.counts(),
            **summary.verdicts("verdict"),
            "reasons": dict(Counter(row["reason"] for row in rows)),
            "by_relation": summary.by_relation(),
            "nli": _nli(section, judge, summary) if place is not None else None,
            "agreement": {
                "nli": summary.between("verdict", "nli") if place is not None else None,
                "human": _human(summary, read_labels(labels.files), place is not None) if labels else None,
            },
            "examples": summary.examples(),
        },
    )


class _Reading:
    """The claims in the answers to an exam's open questions, each with its item and verdict."""

    def __init__(self, checker: Checker, exam: Sequence[Item], answers: Sequence[Row]) -> None:
        graph = checker.graph
        self.facts = {graph.fact_id(triple): triple for triple in graph.triples}
        self.items = [item for item in exam if item.family in FAMILIES and item.facts]
        self.answers = {row["id"]: row for row in answers}
        missing = next((item.id for item in self.items if item.id not in self.answers), None)
        if missing is not None:
            raise FusionError(f"sitting: has no answer to {missing}; let the model sit this exam again.")
        checked = [
            (item, judgement)
            for item in self.items
            for judgement in checker.check(self.answers[item.id]["answer"], self._asked(item))
        ]
        self.judgements = [judgement for _, judgement in checked]
        self.rows = [_row(item, self.answers[item.id]["answer"], judgement) for item, judgement in checked]
        self.clusters = [self._triple(item).subject for item, _ in checked]

    def _triple(self, item: Item) -> Triple:
        triple = self.facts.get(item.facts[0])
        if triple is None:
            raise FusionError(f"exam: {item.id} asks for a fact that is not in this graph; use the graph of the exam.")
        return triple

    def _asked(self, item: Item) -> Asked:
        triple = self._triple(item)
        if item.family == "reversed":
            return Asked(triple.relation, object=triple.object)
        return Asked(triple.relation, subject=triple.subject)

    def counts(self) -> dict[str, int]:
        """Answers read, those that claim nothing, and those that decline."""
        claiming = {row["item"] for row in self.rows}
        return {
            "answers": len(self.items),
            "without_claims": len(self.items) - len(claiming),
            "declined": sum(bool(self.answers[item.id]["declined"]) for item in self.items),
        }


def _row(item: Item, answer: str, judgement: Judgement) -> Row:
    claim = judgement.claim
    content = (item.id, claim.text, claim.subject, claim.relation, claim.object, claim.negated)
    return {
        "id": hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()[:12],
        "item": item.id,
        "prompt": item.prompt,
        "answer": answer,
        "text": claim.text,
        "subject": claim.subject,
        "relation": claim.relation,
        "object": claim.object,
        "negated": claim.negated,
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "evidence": [list(triple.statement) for triple in judgement.evidence],
        "nli": None,
    }


class _Summary:
    """Figures over the rows of claims."""

    def __init__(self, rows: Sequence[Row], clusters: Sequence[str], seed: int) -> None:
        self.rows, self.clusters, self.seed = rows, clusters, seed

    def verdicts(self, judge: str) -> dict[str, Any]:
        """How many claims got each verdict, and their shares."""
        return self._shares(range(len(self.rows)), judge)

    def by_relation(self) -> dict[str, Any]:
        """The same for each relation; claims on none are under an empty key."""
        groups: dict[str, list[int]] = {}
        for index, row in enumerate(self.rows):
            groups.setdefault(row["relation"] or "", []).append(index)
        return {relation: self._shares(groups[relation], "verdict") for relation in sorted(groups)}

    def between(self, first: str, second: str) -> dict[str, Any]:
        """Agreement of two judges on all claims."""
        one, other = ([self.said(index, judge) for index in range(len(self.rows))] for judge in (first, second))
        return agreement(one, other, VERDICTS, self.clusters, RESAMPLES, self.seed)

    def said(self, index: int, judge: str) -> str:
        """The verdict of the checker (`verdict`) or of the NLI model (`nli`)."""
        row = self.rows[index]
        return str(row["verdict"] if judge == "verdict" else row["nli"]["verdict"])

    def examples(self) -> list[Row]:
        """A few claims of each verdict, contradictions first, each from another question."""
        chosen: list[Row] = []
        for verdict in ("contradicted", "unknown", "supported"):
            first = {row["item"]: row for row in reversed(self.rows) if row["verdict"] == verdict}
            chosen += list(reversed(first.values()))[:EXAMPLES]
        return chosen

    def _shares(self, indices: Sequence[int], judge: str) -> dict[str, Any]:
        said = [self.said(index, judge) for index in indices]
        clusters = [self.clusters[index] for index in indices]
        return {
            "claims": {verdict: said.count(verdict) for verdict in VERDICTS},
            "rates": {
                verdict: rate([each == verdict for each in said], clusters, RESAMPLES, self.seed)
                for verdict in VERDICTS
            },
        }


def _nli(section: ConsistencyConfig, judge: Artifact | None, summary: _Summary) -> dict[str, Any]:
    """Who judged, how well it is known to judge, and what it said."""
    own = None if section.nli or judge is None else read_json(judge.path / "judge.json")
    return {"model": section.nli or "in-domain judge", "judge": own, **summary.verdicts("nli")}


def _human(summary: _Summary, labels: Mapping[str, Mapping[str, str]], nli: bool) -> dict[str, Any]:
    """Agreement of checker and NLI with people; a claim that two people labelled counts twice."""
    places = {row["id"]: index for index, row in enumerate(summary.rows)}
    pairs = [(places[claim], label) for own in labels.values() for claim, label in own.items() if claim in places]
    said = [label for _, label in pairs]
    clusters = [summary.clusters[index] for index, _ in pairs]

    def with_people(judge: str) -> dict[str, Any]:
        other = [summary.said(index, judge) for index, _ in pairs]
        return agreement(other, said, VERDICTS, clusters, RESAMPLES, summary.seed)

    return {
        "labellers": {name: sum(claim in places for claim in own) for name, own in labels.items()},
        "labels_of_other_claims": sum(claim not in places for own in labels.values() for claim in own),
        "checker": with_people("verdict"),
        "nli": with_people("nli") if nli else None,
    }
