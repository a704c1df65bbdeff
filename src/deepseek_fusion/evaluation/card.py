"""The fact card: what the model knew before, knows now and lost, with what it cost and how sure we are."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl, write_json
from deepseek_fusion.core.config import EvaluationConfig, Section
from deepseek_fusion.core.run import library_versions, stage
from deepseek_fusion.evaluation.exam import CHANCE, FAMILIES, Family, Item, read_exam
from deepseek_fusion.evaluation.report.page import render_report
from deepseek_fusion.evaluation.statistics import Rate, rate
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.source import ModelSource

RULE = (
    "Known before: mentioned anywhere in an answer to any question phrasing (lenient, in the base's favour). Learned: "
    "not known before, and now a listed item in the answers to all question phrasings (strict). Kept or lost: known "
    "before, and now still mentioned in some answer, or in none. Known now: learned or kept. No lesson uses these "
    "phrasings."
)
EXAMPLES = 4


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


@stage("card", version=2)
def grade(
    out: Path,
    section: CardConfig,
    model: ModelSource,
    graph: Artifact,
    corpus: Artifact,
    lessons: Artifact,
    adapter: Artifact,
    weights: Artifact,
    exam: Artifact,
    before: Artifact,
    after: Artifact,
    control_exam: Artifact | None,
    control: Artifact | None,
) -> None:
    """Write `card.json` and `report.html`."""
    grader = _Grader(section.evaluation, Graph.load(graph.path), Sitting.read(exam, before), Sitting.read(exam, after))
    shuffled = Sitting.read(control_exam, control) if control_exam is not None and control is not None else None
    training = read_json(adapter.path / "training.json")
    facts = grader.facts()
    learned = sum(fact["state"] == "learned" for fact in facts)
    card = {
        "name": section.name,
        "language": grader.graph.language,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": section.command,
        "model": {"name": model.name, "parameters": training["parameters"], "dtype": model.dtype},
        "seed": section.evaluation.seed,
        "versions": library_versions(),
        "summary": grader.summary(facts),
        "facts": facts,
        "families": grader.families(shuffled),
        "relations": grader.relations(facts),
        "general": grader.general(),
        "control": grader.control(shuffled),
        "cost": {
            **{key: value for key, value in training.items() if key != "curve"},
            "facts_per_million_tokens": learned / training["tokens"] * 1e6,
            "facts_per_tflop": learned / training["tflop"],
        },
        "curve": training["curve"],
        "lessons": read_json(lessons.path / "summary.json"),
        "corpus": read_json(corpus.path / "summary.json"),
        "examples": grader.examples(),
        "gates": read_json(weights.path / "gates.json")["gates"],
    }
    write_json(out / "card.json", card)
    render_report(card, out / "report.html")


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
                "chance": CHANCE[family],
            }
            for family in FAMILIES
            if any(self.after.of(family))
        ]

    def family_rate(self, sitting: Sitting, family: Family) -> Rate:
        """Share of right answers, one a fact asked for (refusals: one a question)."""
        subjects = {self.graph.fact_id(triple): triple.subject for triple in self.graph.triples}
        right: list[bool] = []
        clusters: list[str] = []
        for item, row in sitting.of(family):
            values = [row["declined"]] if family == "refusal" else row["right"]
            right += values
            clusters += [item.id] if family == "refusal" else [subjects[fact] for fact in item.facts]
        return self._rate(right, clusters)

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
        then, now = self.before.general, self.after.general
        old = [answer["right"] for answer in then["questions"]]
        new = [answer["right"] for answer in now["questions"]]
        names = [answer["question"] for answer in then["questions"]]
        kept = [(name, b) for name, a, b in zip(names, old, new, strict=True) if a]
        return {
            "perplexity": _change(then["perplexity"], now["perplexity"]),
            "domain_perplexity": _change(then["domain_perplexity"], now["domain_perplexity"])
            if "domain_perplexity" in then
            else None,
            "questions": {
                "n": len(names),
                "before": self._rate(old, names),
                "now": self._rate(new, names),
                "as_before": self._rate([b for _, b in kept], [name for name, _ in kept]),
            },
            "false_refusals": {"before": self._declined(self.before), "now": self._declined(self.after)},
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

    def examples(self) -> list[dict[str, Any]]:
        """For each family some right and, where there are any, some wrong answers."""
        rng = random.Random(self.config.seed)
        result = []
        for family in FAMILIES:
            rows = [self._example(item, row) for item, row in self.after.of(family)]
            for right in (True, False):
                some = [row for row in rows if row["now_right"] is right]
                result += rng.sample(some, min(len(some), EXAMPLES // 2))
        return result

    def _example(self, item: Item, row: dict[str, Any]) -> dict[str, Any]:
        then = self.before.rows[item.id]
        refusal = item.family == "refusal"
        return {
            "family": item.family,
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


def _change(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    return {
        "before": before["value"],
        "now": now["value"],
        "change": now["value"] / before["value"] - 1,
        "tokens": now["tokens"],
        "source": now["source"],
    }
