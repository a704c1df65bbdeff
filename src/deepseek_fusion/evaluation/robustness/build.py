"""The door: what one model makes of changed and attacked questions."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, write_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.answering import answer_all
from deepseek_fusion.evaluation.exam import read_exam
from deepseek_fusion.evaluation.robustness.attack import HotFlip, Projected, Random, losses
from deepseek_fusion.evaluation.robustness.perturb import CHANGES, change
from deepseek_fusion.evaluation.robustness.question import Question, questions_of
from deepseek_fusion.evaluation.robustness.siege import Fate, Ratio, besiege, is_right, lowered, ratio, standing_at
from deepseek_fusion.evaluation.robustness.tokens import Target, Vocabulary
from deepseek_fusion.evaluation.statistics import Rate, rate
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import load_adapter, merge_lora
from deepseek_fusion.models.source import ModelSource

CONTROL = "random"
EXAMPLES = 3


@stage("robustness", version=1)
def attack_exam(
    out: Path, section: EvaluationConfig, model: ModelSource, adapter: Artifact | None, graph: Artifact, exam: Artifact
) -> None:
    """Write `robustness.json`: accuracy on changed questions, and under attacks of a growing budget."""
    language = load_language(model, model.torch_dtype)
    if adapter is not None:
        load_adapter(language.model, adapter.path / "adapter")
        merge_lora(language.model)
    language.model.requires_grad_(False)
    facts = Graph.load(graph.path)
    asked = questions_of(facts, read_exam(exam.path))
    some = random.Random(section.seed).sample(asked, min(len(asked), section.robustness.questions))
    vocabulary = Vocabulary(language, facts)
    trial = _Trial(language, vocabulary, section, facts, some, taught=adapter is not None)
    write_json(out / "robustness.json", trial.report())


@dataclass
class _Trial:
    language: Language
    vocabulary: Vocabulary
    section: EvaluationConfig
    graph: Graph
    questions: list[Question]
    taught: bool
    excluded: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        answers = self._answers([question.prompt for question in self.questions], self.questions)
        right = [is_right(question.item, answer) for question, answer in zip(self.questions, answers, strict=True)]
        perturbations = self._perturbations(right)
        targets = self._targets(answers, right)
        attacks = self._attacks(targets)
        return {
            "clean": self._rate(right, self.questions),
            "perturbations": perturbations,
            "attacks": [{"name": name, "curve": self._curve(fates)} for name, fates in attacks.items()],
            "ratio": {
                f"{name}_over_{CONTROL}": self._ratios(fates, attacks[CONTROL])
                for name, fates in attacks.items()
                if name != CONTROL
            },
            "examples": self.examples,
            "excluded": dict(self.excluded),
        }

    def _perturbations(self, clean: Sequence[bool]) -> list[dict[str, Any]]:
        rows = []
        for kind in CHANGES[self.graph.language]:
            made = [change(kind, self.graph, question, self.section.seed) for question in self.questions]
            kept = [place for place, changed in enumerate(made) if changed]
            self._exclude(f"{kind}: nothing to change it with", len(made) - len(kept))
            asked = [self.questions[place] for place in kept]
            changes = [changed for changed in made if changed]
            answers = self._answers([changed.prompt for changed in changes], asked)
            right = [
                is_right(question.item, answer, changed.untrue)
                for question, answer, changed in zip(asked, answers, changes, strict=True)
            ]
            rows.append(
                {
                    "name": kind,
                    "accuracy": self._rate(right, asked),
                    "clean": self._rate([clean[place] for place in kept], asked),
                    "n": len(kept),
                }
            )
            shown = zip(asked, [changed.prompt for changed in changes], answers, right, strict=True)
            self._show(kind, [row for row, place in zip(shown, kept, strict=True) if clean[place]])
        return rows

    def _targets(self, answers: Sequence[str], right: Sequence[bool]) -> list[Target]:
        found: list[Target] = []
        for question, answer, was_right in zip(self.questions, answers, right, strict=True):
            made = self.vocabulary.target(question, answer) if was_right else "answered wrongly as it stands"
            if isinstance(made, str):
                self._exclude(f"attack: {made}")
            elif not math.isfinite(losses(self.language, [made])[0]):
                self._exclude("attack: the loss of the answer is not a number")
            else:
                found.append(made)
        return found

    def _attacks(self, targets: Sequence[Target]) -> dict[str, list[Fate]]:
        """The control comes last: it replaces at the places that HotFlip chose."""
        budget = self.section.robustness.budget
        fates: dict[str, list[Fate]] = {}
        with track("attacking", 3 * budget) as progress:
            for name, attack in (("hotflip", HotFlip(self.vocabulary)), ("projected", Projected(self.vocabulary))):
                fates[name] = besiege(self.language, attack, targets, budget, progress.advance)
            places = {fate.target.id: fate.target.changed for fate in fates["hotflip"]}
            control = Random(self.vocabulary, places, self.section.seed)
            fates[CONTROL] = besiege(self.language, control, targets, budget, progress.advance)
        for name, own in fates.items():
            self._show(name, [(fate.target.question, fate.target.text, fate.answer, fate.fell is None) for fate in own])
        return fates

    def _curve(self, fates: Sequence[Fate]) -> list[dict[str, Any]]:
        asked = [fate.target.question for fate in fates]
        budgets = range(self.section.robustness.budget + 1)
        return [{"budget": b, "accuracy": self._rate(standing_at(fates, b), asked)} for b in budgets]

    def _ratios(self, fates: Sequence[Fate], control: Sequence[Fate]) -> dict[str, Any]:
        """Accuracy lowered, as a ratio: averaged over the budgets, and at each."""
        subjects = [fate.target.question.group.anchor for fate in fates]
        budgets = range(1, self.section.robustness.budget + 1)

        def over(spent: Sequence[int]) -> Ratio:
            return ratio(
                lowered(fates, spent), lowered(control, spent), subjects, self.section.bootstrap, self.section.seed
            )

        return {**over(budgets), "by_budget": [{"budget": b, **over([b])} for b in budgets]}

    def _answers(self, prompts: Sequence[str], questions: Sequence[Question]) -> list[str]:
        return answer_all(
            self.language,
            [self.language.encode_question(prompt) for prompt in prompts],
            [question.item.expected for question in questions],
            draft=self.taught,
        )

    def _exclude(self, reason: str, times: int = 1) -> None:
        if times:
            self.excluded[reason] += times

    def _show(self, attack: str, rows: Sequence[tuple[Question, str, str, bool]]) -> None:
        """Keep some examples, those that went wrong first."""
        for question, text, answer, right in sorted(rows, key=lambda row: row[3])[:EXAMPLES]:
            self.examples.append(
                {
                    "attack": attack,
                    "prompt": question.prompt,
                    "attacked": text,
                    "answer": answer.strip(),
                    "gold": [names[0] for names in question.item.gold],
                    "right": right,
                }
            )

    def _rate(self, right: Sequence[bool], questions: Sequence[Question]) -> Rate:
        subjects = [question.group.anchor for question in questions]
        return rate(right, subjects, self.section.bootstrap, self.section.seed)
