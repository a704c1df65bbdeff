"""The gate: is a release worse than the current one? Judged on the same items, one dimension at a time.

A dimension is worse if its drop is real and may be larger than its margin: the paired test, adjusted for the number of
declared dimensions (Holm), finds a difference, and the 95 % interval reaches beyond the margin. So at most one rerun in
twenty of an equal model is called better or worse in any of these, however small the exam; and a drop that is larger
than both the margin and `detectable` is caught at least nineteen times in twenty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl, write_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.settings.gate import GateConfig
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.evaluation.statistics.paired import (
    RESAMPLES,
    SEED,
    Change,
    Difference,
    holm,
    paired_change,
    paired_difference,
)
from deepseek_fusion.evaluation.statistics.rates import rate
from deepseek_fusion.knowledge.graph import Graph

Judgement = Literal["better", "equal", "worse"]
Scores = dict[str, dict[str, bool]]
"""Dimension -> fact, item or question -> right (for `false_refusals`: declined)."""

ALPHA = 0.05
LESS_IS_BETTER = ("false_refusals", "perplexity")


@stage("gate", version=2)
def judge(
    out: Path, section: GateConfig, exam: Artifact, graph: Artifact, current: Artifact, candidate: Artifact
) -> None:
    """Write `gate.json`: the verdict on `candidate` against `current`, both of which sat `exam`.

    Raises:
        FusionError: one of them sat another exam, or a dimension with a margin was not measured in both.
    """
    items = read_exam(exam.path)
    subjects = {Graph.fact_id(triple): triple.subject for triple in Graph.load(graph.path).triples}
    before, now = _Sitting.read(current, exam), _Sitting.read(candidate, exam)
    answered = [item for item in items if item.id in before.rows and item.id in now.rows]
    questions = [question for question in before.questions if question in now.questions]
    clusters = subjects | {item.id: subjects[item.facts[0]] for item in answered if item.facts}
    compared = _shares(before.scores(answered, questions), now.scores(answered, questions), clusters)
    dimensions = _judged([*compared, *_perplexity(before.general, now.general)], section)
    _check_measured(section, dimensions)
    write_json(
        out / "gate.json",
        {
            "verdict": "pass" if all(row["passed"] for row in dimensions) else "fail",
            "dimensions": dimensions,
            "unpaired": {
                "current": _unpaired([*before.rows, *before.questions], [*now.rows, *now.questions]),
                "candidate": _unpaired([*now.rows, *now.questions], [*before.rows, *before.questions]),
            },
        },
    )


def exit_code(gate: Artifact) -> int:
    """For CI: 0 if the candidate passed, 1 if it failed."""
    return 0 if read_json(gate.path / "gate.json")["verdict"] == "pass" else 1


@dataclass(frozen=True)
class _Sitting:
    rows: dict[str, dict[str, Any]]
    questions: dict[str, bool]
    general: dict[str, Any]

    @classmethod
    def read(cls, sitting: Artifact, exam: Artifact) -> _Sitting:
        """The items of two exams share their ids, so a sitting on another exam would be compared without notice."""
        if exam.key not in [source["key"] for source in sitting.manifest()["inputs"] if source]:
            raise FusionError(
                f"{sitting.path}: this model sat another exam than {exam.key}; let both sit the same one."
            )
        general = read_json(sitting.path / "general.json")
        return cls(
            {row["id"]: row for row in read_jsonl(sitting.path / "answers.jsonl")},
            {answer["question"]: answer["right"] for answer in general.get("questions", ())},
            general,
        )

    def scores(self, items: Iterable[Item], questions: Iterable[str]) -> Scores:
        """A fact is right in a family if it is right in all the family's items that ask for it."""
        found: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        for item in items:
            row = self.rows[item.id]
            if item.family == "refusal":
                found["refusal"][item.id] = row["declined"]
            elif item.family == "question":
                found["false_refusals"][item.id] = row["declined"]
            family = found["facts" if item.family == "question" else item.family]
            for fact, right in zip(item.facts, row["right"], strict=True):
                family[fact] = family.get(fact, True) and right
        for question in questions:
            found["forgetting"][question] = self.questions[question]
        return found


@dataclass(frozen=True)
class _Compared:
    """One dimension in both sittings: a figure each, how many units they rest on, and how far apart they are."""

    name: str
    before: Mapping[str, Any]
    now: Mapping[str, Any]
    n: int
    difference: Difference | Change | None
    """None for a perplexity without windows to pair, of which nothing says how sure it is."""

    @property
    def value(self) -> float:
        return self.difference.value if self.difference else self.now["value"] / self.before["value"] - 1


def _shares(before: Scores, now: Scores, clusters: Mapping[str, str]) -> Iterator[_Compared]:
    for name, units in ((name, units) for name, units in now.items() if units):
        subjects = [clusters.get(unit, unit) for unit in units]
        then, later = list(before[name].values()), list(units.values())
        earlier, rated = (rate(values, subjects, RESAMPLES, SEED) for values in (then, later))
        yield _Compared(name, earlier, rated, len(units), paired_difference(then, later, subjects))


def _perplexity(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[_Compared]:
    """The relative change on the same windows of text.

    Raises:
        FusionError: the two were read on different text.
    """
    if "perplexity" not in before or "perplexity" not in now:
        return
    then, later = before["perplexity"], now["perplexity"]
    for field in ("source", "tokens"):
        if then[field] != later[field]:
            raise FusionError(
                f"gate.perplexity: the current version read {then[field]} ({field}) and the candidate {later[field]}; "
                "let both sit with the same general text and `evaluation.general_tokens`."
            )
    earlier, read = ({"value": part["value"], "low": None, "high": None, "n": part["tokens"]} for part in (then, later))
    change = paired_change(then.get("windows", ()), later.get("windows", ()))
    yield _Compared("perplexity", earlier, read, then["tokens"], change)


def _judged(compared: Iterable[_Compared], section: GateConfig) -> list[dict[str, Any]]:
    """One row a dimension, in the order of the configuration; families that it does not know come last."""
    margins, measured = section.margins(), {part.name: part for part in compared}
    names = [*(name for name in margins if name in measured), *(name for name in measured if name not in margins)]
    tested = {name: part.difference for name, part in measured.items() if part.difference}
    declared = [name for name in names if margins.get(name) is not None and name in tested]
    adjusted = dict(zip(declared, holm([tested[name].p for name in declared]), strict=True))
    rows = []
    for part in (measured[name] for name in names):
        margin, difference = margins.get(part.name), part.difference
        p = adjusted.get(part.name, difference.p) if difference else None
        low, high = difference.interval if difference else (None, None)
        judgement = _judgement(part, p, margin or 0.0)
        level = ALPHA / len(declared) if part.name in adjusted else ALPHA
        rows.append(
            {
                "name": part.name,
                "before": part.before,
                "now": part.now,
                "difference": {"value": part.value, "low": low, "high": high},
                "margin": margin,
                "judgement": judgement,
                "n": part.n,
                "passed": margin is None or judgement != "worse",
                "p": p,
                "detectable": difference.detectable(level) if difference else None,
            }
        )
    return rows


def _judgement(part: _Compared, p: float | None, margin: float) -> Judgement:
    """Worse, if the loss is real and may exceed the margin; where no interval tells, if it does exceed it."""
    low, high = part.difference.interval if part.difference else (part.value, part.value)
    gain, least = (-part.value, -high) if part.name in LESS_IS_BETTER else (part.value, low)
    if (abs(gain) <= abs(margin)) if p is None else (p > ALPHA):
        return "equal"
    if gain > 0:
        return "better"
    return "worse" if least < -abs(margin) else "equal"


def _check_measured(section: GateConfig, dimensions: Sequence[Mapping[str, Any]]) -> None:
    measured = [row["name"] for row in dimensions]
    for name, margin in section.margins().items():
        if margin is not None and name not in measured:
            raise FusionError(
                f"gate.{name}: has a margin, but no item of it was answered in both sittings; "
                f"examine both on it, or set `gate.{name}: null`."
            )


def _unpaired(own: Iterable[str], other: Sequence[str]) -> dict[str, Any]:
    names = sorted(set(own).difference(other))
    return {"count": len(names), "items": names}
