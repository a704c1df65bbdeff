"""The exam as it is served: prompts of the domain answered by the taught model, all others by its base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_json, write_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.card import Sitting
from deepseek_fusion.evaluation.questions.families import FAMILIES, Family, Item
from deepseek_fusion.evaluation.statistics.rates import Rate, rate, wilson
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import load_language
from deepseek_fusion.models.router import Router
from deepseek_fusion.models.source import ModelSource


@stage("routed", version=2)
def route_exam(
    out: Path,
    section: EvaluationConfig,
    model: ModelSource,
    router: Artifact,
    graph: Artifact,
    exam: Artifact,
    before: Artifact,
    after: Artifact,
) -> None:
    """Write `prompts.jsonl`, the way that each prompt goes, and `routed.json`: what that does to the exam, and how
    often the router was wrong on prompts held out of it.

    Answers are greedy, so a prompt that goes to the base is answered as `before`, any other one as `after`; nothing has
    to be answered again. A sentence to complete is routed as if it were a question. Items with options are left out:
    nobody asks like that, and they are most of the text.
    """
    then, now = Sitting.read(exam, before), Sitting.read(exam, after)
    general = now.general.get("questions", ())
    items = [item for item in now.items if not item.options]
    prompts = list(dict.fromkeys([*(item.prompt for item in items), *(row["question"] for row in general)]))
    own = Router.load(router.path / "router")
    shares = own.probabilities(load_language(model, model.torch_dtype), prompts)
    taken = {prompt: own.takes(share) for prompt, share in zip(prompts, shares, strict=True)}
    rows = zip(prompts, shares, taken.values(), strict=True)
    write_jsonl(out / "prompts.jsonl", [{"prompt": p, "probability": share, "taken": way} for p, share, way in rows])
    subjects = {Graph.fact_id(triple): triple.subject for triple in Graph.load(graph.path).triples}
    served = _Served(then, now, taken, subjects, section)
    write_json(
        out / "routed.json",
        {
            "threshold": own.threshold,
            "layer": own.layer,
            "held_out": _held_out(read_json(router.path / "calibration.json")["held_out"]),
            "to_base": served.to_base(items),
            "families": [served.family(family) for family in FAMILIES if any(item.family == family for item in items)],
            "questions": served.questions() if now.general else None,
        },
    )


@dataclass(frozen=True)
class _Served:
    then: Sitting
    now: Sitting
    taken: dict[str, bool]
    subjects: dict[str, str]
    config: EvaluationConfig

    def to_base(self, items: Sequence[Item]) -> Rate:
        """Share of exam items that lose the adapter."""
        return self._rate([not self.taken[item.prompt] for item in items], [item.prompt for item in items])

    def family(self, family: Family) -> dict[str, Any]:
        """How many items of a family lose the adapter, and how many facts are answered rightly."""
        right: list[bool] = []
        clusters: list[str] = []
        items = [item for item, _ in self.now.of(family)]
        for item in items:
            row = (self.now if self.taken[item.prompt] else self.then).rows[item.id]
            right += [row["declined"]] if family == "refusal" else row["right"]
            clusters += [item.id] if family == "refusal" else [self.subjects[fact] for fact in item.facts]
        return {"family": family, "to_base": self.to_base(items), "now": self._rate(right, clusters)}

    def questions(self) -> dict[str, Any]:
        """General questions: how many go to the base, how many are right, and of those right before, still are."""
        names = [row["question"] for row in self.now.general["questions"]]
        old, new = ([row["right"] for row in moment.general["questions"]] for moment in (self.then, self.now))
        right = [b if self.taken[name] else a for name, a, b in zip(names, old, new, strict=True)]
        kept = [(name, b) for name, a, b in zip(names, old, right, strict=True) if a]
        return {
            "to_base": self._rate([not self.taken[name] for name in names], names),
            "now": self._rate(right, names),
            "as_before": self._rate([b for _, b in kept], [name for name, _ in kept]),
        }

    def _rate(self, right: Sequence[bool], clusters: Sequence[str]) -> Rate:
        return rate(right, clusters, self.config.bootstrap, self.config.seed)


def _held_out(counts: dict[str, dict[str, int]]) -> dict[str, Rate]:
    """Held-out errors with Wilson's intervals: the adapter off for known and unknown names, on for the other kinds."""
    return {
        kind: _share(own["n"] - own["taken"] if kind in ("known", "unknown") else own["taken"], own["n"])
        for kind, own in counts.items()
        if own["n"]
    }


def _share(wrong: int, n: int) -> Rate:
    low, high = wilson(wrong / n, n)
    return {"value": wrong / n, "low": low, "high": high, "n": n}
