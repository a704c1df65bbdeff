"""The door: what one model makes of changed and attacked questions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, write_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.answers.answering import answer_all
from deepseek_fusion.evaluation.answers.sitting import load_taught
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.robustness.attack import HotFlip, Projected, Random
from deepseek_fusion.evaluation.robustness.perturb import CHANGES, Changed, change
from deepseek_fusion.evaluation.robustness.question import Question, questions_of
from deepseek_fusion.evaluation.robustness.siege import Fate, besiege, is_right
from deepseek_fusion.evaluation.robustness.summary import CONTROL, Row, summarise
from deepseek_fusion.evaluation.robustness.tokens import Target, Vocabulary
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import ModelSource

UNCHANGED = "nothing to change, or nothing to change it with"
WRONG = "answered wrongly as it stands"


@stage("robustness", version=1)
def attack_exam(
    out: Path, section: EvaluationConfig, model: ModelSource, adapter: Artifact | None, graph: Artifact, exam: Artifact
) -> None:
    """Write `questions.jsonl` (what became of each question) and `robustness.json` (the figures drawn from it).

    Raises:
        FusionError: the model's tokenizer does not tell where tokens stand in a text.
    """
    language = load_taught(model, adapter)
    language.model.requires_grad_(False)
    facts = Graph.load(graph.path)
    asked = questions_of(facts, read_exam(exam.path))
    some = random.Random(section.seed).sample(asked, min(len(asked), section.robustness.questions))
    trial = _Trial(language, facts, some, section.seed, section.robustness.budget, taught=adapter is not None)
    rows = trial.rows()
    write_jsonl(out / "questions.jsonl", rows)
    write_json(out / "robustness.json", summarise(rows, section.robustness.budget, section.bootstrap, section.seed))


@dataclass(frozen=True)
class _Trial:
    language: Language
    graph: Graph
    questions: list[Question]
    seed: int
    budget: int
    taught: bool

    def rows(self) -> list[Row]:
        answers = self._answers([question.prompt for question in self.questions], self.questions)
        rows = [self._row(question, answer) for question, answer in zip(self.questions, answers, strict=True)]
        self._change(rows)
        self._attack(rows)
        return rows

    def _row(self, question: Question, answer: str) -> Row:
        return {
            "id": question.item.id,
            "subject": question.group.anchor,
            "prompt": question.prompt,
            "gold": [names[0] for names in question.item.gold],
            "answer": answer,
            "right": is_right(question.item, answer),
            "changes": {},
            "attacks": {},
            "excluded": {},
        }

    def _change(self, rows: Sequence[Row]) -> None:
        """Ask every question under every kind of change, all in one go."""
        made: list[tuple[Row, Question, str, Changed]] = []
        for kind in CHANGES[self.graph.language]:
            for row, question in zip(rows, self.questions, strict=True):
                if changed := change(kind, self.graph, question, self.seed):
                    made.append((row, question, kind, changed))
                else:
                    row["excluded"][kind] = UNCHANGED
        answers = self._answers([changed.prompt for *_, changed in made], [question for _, question, *_ in made])
        for (row, question, kind, changed), answer in zip(made, answers, strict=True):
            right = is_right(question.item, answer, changed.untrue)
            row["changes"][kind] = {"prompt": changed.prompt, "answer": answer, "right": right}

    def _attack(self, rows: Sequence[Row]) -> None:
        """The control comes last: it replaces at the places that HotFlip chose."""
        vocabulary = Vocabulary(self.language, self.graph)
        targets = self._targets(vocabulary, rows)
        fates: dict[str, list[Fate]] = {}
        with track("attacking", 3 * self.budget) as progress:
            for name, attack in (("hotflip", HotFlip(vocabulary)), ("projected", Projected(vocabulary))):
                fates[name] = besiege(self.language, attack, targets, self.budget, progress.advance)
            places = {fate.target.id: fate.target.changed for fate in fates["hotflip"]}
            control = Random(vocabulary, places, self.seed)
            fates[CONTROL] = besiege(self.language, control, targets, self.budget, progress.advance)
        by_id = {row["id"]: row for row in rows}
        for name, own in fates.items():
            for fate in own:
                case = {"prompt": fate.target.text, "answer": fate.answer, "fell": fate.fell}
                by_id[fate.target.id]["attacks"][name] = case

    def _targets(self, vocabulary: Vocabulary, rows: Sequence[Row]) -> list[Target]:
        """The questions that can be attacked; the others get the reason why not."""
        found: list[Target] = []
        for question, row in zip(self.questions, rows, strict=True):
            made = vocabulary.target(question, row["answer"]) if row["right"] else WRONG
            if isinstance(made, Target):
                found.append(made)
            else:
                row["excluded"]["attack"] = made
        return found

    def _answers(self, prompts: Sequence[str], questions: Sequence[Question]) -> list[str]:
        return answer_all(
            self.language,
            [self.language.encode_question(prompt) for prompt in prompts],
            [question.item.expected for question in questions],
            draft=self.taught,
        )
