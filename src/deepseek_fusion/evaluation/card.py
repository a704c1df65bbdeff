"""The fact card: what the model knew before, knows now and lost, with what it cost and how sure we are."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl, write_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import library_versions, stage
from deepseek_fusion.core.settings.section import Section
from deepseek_fusion.evaluation.graded import Graded
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.questions.families import FAMILIES, Family, Item, chance
from deepseek_fusion.evaluation.report.page import render_report
from deepseek_fusion.evaluation.statistics.paired import paired_change
from deepseek_fusion.evaluation.statistics.rates import Rate, rate
from deepseek_fusion.knowledge.graph import Graph

RULE = (
    "Known before: mentioned anywhere in an answer to any question phrasing (lenient, in the base's favour). Learned: "
    "not known before, and now a listed item in the answers to all question phrasings (strict). Kept or lost: known "
    "before, and now still mentioned in some answer, or in none. Known now: learned or kept. No lesson uses these "
    "phrasings."
)
EXAMPLES = 4
SPENT = ("steps", "tokens", "replay_tokens", "tflop", "seconds", "cpu_seconds")
"""What the phases of a training cost together."""


class CardConfig(Section):
    """What a card depends on besides the answers."""

    name: str
    command: str
    evaluation: EvaluationConfig


@dataclass(frozen=True)
class Sitting:
    """An exam and one model's answers to it."""

    items: list[Item]
    rows: dict[str, dict[str, Any]]
    general: dict[str, Any]

    @classmethod
    def read(cls, exam: Artifact, answers: Artifact) -> Sitting:
        """Join what `write_exam` and `sit_exam` wrote."""
        rows = {row["id"]: row for row in read_jsonl(answers.path / "answers.jsonl")}
        return cls(read_exam(exam.path), rows, read_json(answers.path / "general.json"))

    def of(self, family: Family) -> Iterable[tuple[Item, dict[str, Any]]]:
        """Items of a family with their answers."""
        return ((item, self.rows[item.id]) for item in self.items if item.family == family)

    def facts(self, family: Family, field: str) -> dict[str, list[bool]]:
        """For each fact, how it fared in each item of the family that asks for it."""
        found: defaultdict[str, list[bool]] = defaultdict(list)
        for item, row in self.of(family):
            for fact, value in zip(item.facts, row[field], strict=True):
                found[fact].append(value)
        return found


EMBEDDED = (
    *("leaks", "robustness", "consistency", "sets", "gate", "calibration", "routed"),
    *("ablation", "progress"),
)
"""Parts that other stages computed: their JSON stands on the card as it is."""


@stage("card", version=6)
def grade(out: Path, section: CardConfig, graded: Graded) -> None:
    """Write `card.json`, `report.html`, and beside it the documents' `funnel.html`, to which it links."""
    card = build_card(section, graded)
    write_json(out / "card.json", card)
    if graded.corpus:
        shutil.copy(graded.corpus.path / "funnel.html", out)
    render_report(card, out / "report.html")


def build_card(section: CardConfig, graded: Graded) -> dict[str, Any]:
    """The card as JSON: the same each time, but for `created`."""
    before, after = Sitting.read(graded.exam, graded.before), Sitting.read(graded.exam, graded.after)
    grader = _Grader(section.evaluation, Graph.load(graded.graph.path), before, after)
    shuffled = Sitting.read(graded.control_exam, graded.control) if graded.control_exam and graded.control else None
    exam = read_json(graded.exam.path / "summary.json")
    training = _json(graded.adapter, "training")
    parameters = read_json(graded.after.path / "model.json")["parameters"]
    facts = grader.facts()
    learned = sum(fact["state"] == "learned" for fact in facts)
    return {
        "name": section.name,
        "language": grader.graph.language,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": section.command,
        "model": {"name": graded.model.name, "parameters": parameters, "dtype": graded.model.dtype},
        "seed": section.evaluation.seed,
        "versions": library_versions(),
        "inputs": graded.inputs,
        "summary": grader.summary(facts),
        "facts": facts,
        "families": grader.families(shuffled),
        "absent": exam["absent"],
        "excluded": exam["excluded"],
        "relations": grader.relations(facts),
        "general": {
            **grader.general(),
            **grader.abilities(_json(graded.abilities_before, "abilities"), _json(graded.abilities_after, "abilities")),
        },
        "control": grader.control(shuffled),
        "controls": grader.controls(_json(graded.controls, "controls")),
        "cost": training and _cost(training, learned),
        "curve": training and training["curve"],
        "lessons": _json(graded.lessons, "summary"),
        "corpus": _json(graded.corpus, "summary"),
        "examples": grader.examples(),
        "answers": [grader.answer(item, row) for family in FAMILIES for item, row in after.of(family)],
        "gates": graded.weights and read_json(graded.weights.path / "gates.json")["gates"],
        **{name: _json(getattr(graded, name), name) for name in EMBEDDED},
        "coverage": _coverage(graded),
    }


def _json(artifact: Artifact | None, name: str) -> dict[str, Any] | None:
    return None if artifact is None else read_json(artifact.path / f"{name}.json")


def _coverage(graded: Graded) -> dict[str, Any] | None:
    """That of the examined model, with what the untouched one recalled overall."""
    now, before = _json(graded.coverage, "coverage"), _json(graded.coverage_before, "coverage")
    return {**now, "before": {"overall": before["overall"]}} if now and before else now


def _cost(training: dict[str, Any], learned: int) -> dict[str, Any]:
    phases = [training, *training.get("before", ())]
    spent = {name: sum(phase.get(name, 0) for phase in phases) for name in SPENT}
    return {
        **{key: value for key, value in training.items() if key != "curve"},
        **spent,
        "lesson_tokens": spent["tokens"] - spent["replay_tokens"],
        "facts_per_million_tokens": learned / spent["tokens"] * 1e6,
        "facts_per_tflop": learned / spent["tflop"],
    }


@dataclass(frozen=True)
class _Grader:
    config: EvaluationConfig
    graph: Graph
    before: Sitting
    after: Sitting

    def facts(self) -> list[dict[str, Any]]:
        once = self.before.facts("question", "mentioned")
        now, still = self.after.facts("question", "right"), self.after.facts("question", "mentioned")
        by_family = {
            family: (self.before.facts(family, "right"), self.after.facts(family, "right"))
            for family in FAMILIES
            if family != "refusal"
        }
        rows = []
        for triple in self.graph.triples:
            fact = self.graph.fact_id(triple)
            if fact not in now:
                continue
            known, kept = any(once[fact]), any(still[fact])
            state = ("kept" if kept else "lost") if known else ("learned" if all(now[fact]) else "unknown")
            rows.append(
                {
                    "id": fact,
                    "subject": triple.subject,
                    "relation": triple.relation,
                    "object": triple.object,
                    "before": known,
                    "now": state in ("kept", "learned"),
                    "state": state,
                    "families": {
                        family: {"before": all(old[fact]), "now": all(new[fact])}
                        for family, (old, new) in by_family.items()
                        if fact in new
                    },
                }
            )
        return rows

    def summary(self, facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        states = ("learned", "kept", "lost", "unknown")
        return {
            "facts": len(facts),
            "before": self._over_facts(facts, "before"),
            "now": self._over_facts(facts, "now"),
            **{state: sum(fact["state"] == state for fact in facts) for state in states},
            "rule": RULE,
        }

    def families(self, control: Sitting | None) -> list[dict[str, Any]]:
        return [
            {
                "family": family,
                "before": self.family_rate(self.before, family),
                "now": self.family_rate(self.after, family),
                "control": self.family_rate(control, family) if control and any(control.of(family)) else None,
                "chance": chance(item for item, _ in self.after.of(family)),
            }
            for family in FAMILIES
            if any(self.after.of(family))
        ]

    def family_rate(self, sitting: Sitting, family: Family) -> Rate:
        """Share of right answers, one a fact asked for (refusals: one a question)."""
        rows = list(sitting.of(family))
        if family == "refusal":
            return self._rate([row["declined"] for _, row in rows], [item.id for item, _ in rows])
        return self._over_items([item for item, _ in rows], {item.id: row["right"] for item, row in rows})

    def _over_items(self, items: Sequence[Item], right: Mapping[str, Sequence[bool]]) -> Rate:
        values = [value for item in items for value in right[item.id]]
        return self._rate(values, [self.subjects[fact] for item in items for fact in item.facts])

    @cached_property
    def subjects(self) -> dict[str, str]:
        """The subject of each fact."""
        return {self.graph.fact_id(triple): triple.subject for triple in self.graph.triples}

    def relations(self, facts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        result = []
        for relation, nouns in self.graph.relations.items():
            own = [fact for fact in facts if fact["relation"] == relation]
            families = {
                family: {
                    moment: self._rate(
                        [fact["families"][family][moment] for fact in own if family in fact["families"]],
                        [fact["subject"] for fact in own if family in fact["families"]],
                    )
                    for moment in ("before", "now")
                }
                for family in FAMILIES
                if any(family in fact["families"] for fact in own)
            }
            result.append(
                {
                    "relation": relation,
                    "name": nouns.name,
                    "facts": len(own),
                    "before": self._over_facts(own, "before"),
                    "now": self._over_facts(own, "now"),
                    "families": families,
                }
            )
        return result

    def general(self) -> dict[str, Any]:
        """Before and after on general text and questions; null for what was not asked."""
        then, now = self.before.general, self.after.general
        return {
            "perplexity": _change(then.get("perplexity"), now.get("perplexity")),
            "domain_perplexity": _change(then.get("domain_perplexity"), now.get("domain_perplexity")),
            "questions": self._pair(then["questions"], now["questions"], "question") if now else None,
            "false_refusals": {"before": self._declined(self.before), "now": self._declined(self.after)},
        }

    def abilities(self, then: dict[str, Any] | None, now: dict[str, Any] | None) -> dict[str, Any]:
        """The same on public sets, instructions and the form of a turn."""
        if then is None or now is None:
            return {"sets": None, "instructions": None, "format": None}
        told = (then["instructions"], now["instructions"])
        return {
            "sets": [
                {
                    **{key: new[key] for key in ("name", "source", "chance", "unusable")},
                    **self._pair(old["answers"], new["answers"], "question"),
                }
                for old, new in zip(then["sets"], now["sets"], strict=True)
            ],
            "sets_absent": now["absent"],
            "instructions": self._pair(*told, "instruction"),
            "format": {field: self._pair(*told, "instruction", field) for field in ("ended", "clean")},
        }

    def _pair(
        self, then: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]], name: str, field: str = "right"
    ) -> dict[str, Any]:
        """Two models on the same questions; `as_before` is over those that were right before."""
        names = [row[name] for row in now]
        old, new = [row[field] for row in then], [row[field] for row in now]
        kept = [(asked, b) for asked, a, b in zip(names, old, new, strict=True) if a]
        return {
            "n": len(names),
            "before": self._rate(old, names),
            "now": self._rate(new, names),
            "as_before": self._rate([b for _, b in kept], [asked for asked, _ in kept]),
        }

    def control(self, control: Sitting | None) -> dict[str, Any] | None:
        if control is None:
            return None
        asked = {fact for item in control.items for fact in item.facts}
        subjects = {triple.subject for triple in self.graph.triples if self.graph.fact_id(triple) in asked}
        return {
            "facts": len(asked),
            "subjects": len(subjects),
            "explanation": CONTROL[self.graph.language].format(facts=len(asked), subjects=len(subjects)),
        }

    def controls(self, found: dict[str, Any] | None) -> list[dict[str, Any]] | None:
        """Each control, and on the same items what guessing is worth and what the two models reach."""
        if found is None:
            return None
        items = {item.id: item for item in self.after.items}
        rows = []
        sampled: dict[str, list[Item]] = {}
        for control in found["controls"]:
            right = {row["id"]: row["right"] for row in control["answers"]}
            sampled[control["family"]] = [items[name] for name in right]
            value = self._over_items(sampled[control["family"]], right)
            rows.append({"name": control["name"], "family": control["family"], "value": value})
        for family, asked in sampled.items():
            for name, sitting in (("before", self.before), ("now", self.after)):
                right = {item.id: sitting.rows[item.id]["right"] for item in asked}
                rows.append({"name": name, "family": family, "value": self._over_items(asked, right)})
            if (share := chance(asked)) is not None:
                exact = {"value": share, "low": share, "high": share, "n": len(asked)}
                rows.append({"name": "chance", "family": family, "value": exact})
        return sorted(rows, key=lambda row: FAMILIES.index(row["family"]))

    def examples(self) -> list[dict[str, Any]]:
        """For each family some right and, where there are any, some wrong answers."""
        rng = random.Random(self.config.seed)
        result = []
        for family in FAMILIES:
            rows = [self.answer(item, row) for item, row in self.after.of(family)]
            for right in (True, False):
                some = [row for row in rows if row["now_right"] is right]
                result += rng.sample(some, min(len(some), EXAMPLES // 2))
        return result

    def answer(self, item: Item, row: dict[str, Any]) -> dict[str, Any]:
        """One item with both answers to it."""
        then = self.before.rows[item.id]
        refusal = item.family == "refusal"
        return {
            "id": item.id,
            "family": item.family,
            "facts": list(item.facts),
            "prompt": item.prompt,
            "gold": [names[0] for names in item.gold],
            "before": then["answer"].strip(),
            "now": row["answer"].strip(),
            "before_right": then["declined"] if refusal else all(then["right"]),
            "now_right": row["declined"] if refusal else all(row["right"]),
        }

    def _declined(self, sitting: Sitting) -> Rate:
        rows = list(sitting.of("question"))
        return self._rate([row["declined"] for _, row in rows], [item.id for item, _ in rows])

    def _over_facts(self, facts: Sequence[dict[str, Any]], field: str) -> Rate:
        return self._rate([fact[field] for fact in facts], [fact["subject"] for fact in facts])

    def _rate(self, right: Sequence[bool], clusters: Sequence[str]) -> Rate:
        return rate(right, clusters, self.config.bootstrap, self.config.seed)


CONTROL = {
    "en": "The same training, with the same number of exposures, on the answers of {subjects} subjects shuffled among "
    "them, examined on the {facts} true facts: what the form of the answers alone is worth.",
    "zh": "用相同的训练方法和次数学习{subjects}个主体之间打乱的答案，再用{facts}条真实事实考核："
    "仅凭答案的形式能得多少分。",
}


def _change(before: dict[str, Any] | None, now: dict[str, Any] | None) -> dict[str, Any] | None:
    """Two perplexities and the relative change, with its interval over the windows that both models read."""
    if before is None or now is None:
        return None
    change = paired_change(before.get("windows", ()), now.get("windows", ()))
    low, high = change.interval if change else (None, None)
    return {
        "before": before["value"],
        "now": now["value"],
        "change": now["value"] / before["value"] - 1,
        "low": low,
        "high": high,
        "windows": len(now.get("windows", ())),
        "tokens": now["tokens"],
        "source": now["source"],
    }
