"""Settings chosen by measuring instead of by hand (`training.auto`): what the recipe does before and after teaching.

Every short training and every measurement is an artifact of its own, so an interrupted probe goes on where it was.
Settings are compared on questions of their own, which `check_leaks` proves to be none of the exam's, and on general
text that nothing is trained on.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import Config, TrainingConfig
from deepseek_fusion.core.errors import FusionError, NotANumberError
from deepseek_fusion.core.events import say
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.curriculum.validation import write_validation
from deepseek_fusion.evaluation.questions.leaks import check_leaks
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.probe.scaling import scale_best
from deepseek_fusion.training.probe.trials import choose, try_adapter
from deepseek_fusion.training.replay import write_replay

RATES, RANKS = (1 / 3, 1.0, 3.0), (0.5, 1.0, 2.0)
"""What is tried, as multiples of what the project says."""
HELD_OUT = 1
"""Seed of the general text that nothing is trained on."""


@dataclass(frozen=True)
class Tuner:
    """A project, and what its settings are measured on."""

    config: Config
    run: Run
    model: ModelSource
    corpus: Artifact
    graph: Artifact
    exam: Artifact

    def tuned(self) -> Config:
        """The project with the learning rate and then the rank that did best in short trainings.

        Raises:
            FusionError: one is to be chosen and no phase is `instruct`, or every training diverged.
        """
        training = self.config.training
        wanted = [field for field in ("learning_rate", "rank") if field in training.auto]
        if not wanted:
            return self.config
        if "instruct" not in training.phases:
            raise FusionError(
                f"training.auto: {wanted[0]} is chosen by short trainings of phase `instruct`, which is not among the "
                "phases by itself; give a value instead."
            )
        section = training.of_phase(training.phases.index("instruct"))
        few = self._few()
        lessons = self.run.step(write_lessons, self.config.curriculum, few, None)
        questions = self._questions(few, lessons)
        for field in wanted:
            trials = [self._trial(option, lessons, questions) for option in _options(section, field)]
            section = self._best(section, [trial for trial in trials if trial is not None])
        chosen = {"learning_rate": section.learning_rate, "lora": section.lora}
        return self._with(training.model_copy(update=chosen))

    def scaled(self, lessons: Artifact | None, adapter: Artifact) -> tuple[Config, Artifact]:
        """The adapter at the scale that does best, and the project with this scale.

        Heads need the update as it was trained, so an adapter that has some stays.

        Raises:
            FusionError: the scale is to be chosen and there are no lessons.
        """
        training = self.config.training
        if "adapter_scale" not in training.auto or "multitask" in training.phases[-1].split("+"):
            return self.config, adapter
        if lessons is None:
            raise FusionError("training.auto: adapter_scale is chosen on what lessons teach; give a value instead.")
        questions = self._questions(self.graph, lessons)
        best = self.run.step(
            scale_best, training.only("replay_weight"), self.model, adapter, questions, self._held_out()
        )
        scale = read_json(best.path / "scales.json")["chosen"]
        return self._with(training.model_copy(update={"adapter_scale": scale})), best

    def _few(self) -> Artifact:
        """Whole subjects until there are enough facts for a short training, and two at least: the names that its
        refusals invent are made of theirs."""
        knowledge = self.config.knowledge
        source = Source(knowledge.sources, self.config.folder)
        sizes = sorted(Counter(triple.subject for triple in Graph.load(self.graph.path).triples).values())
        total, facts = sum(sizes), max(self.config.training.probe_facts, sum(sizes[:2]))
        while True:
            section = knowledge.model_copy(update={"max_facts": min(facts, total)})
            few = make_graph(self.run, section, source, self.corpus)
            if facts >= total or len({triple.subject for triple in Graph.load(few.path).triples}) > 1:
                return few
            facts *= 2

    def _questions(self, graph: Artifact, lessons: Artifact) -> Artifact:
        """Questions on a graph that neither lessons nor exam ask."""
        questions = self.run.step(write_validation, None, graph, lessons)
        self.run.step(check_leaks, self.config.evaluation.only("leaks"), self.exam, questions, self.graph)
        return questions

    def _held_out(self) -> Artifact:
        """General text as in replay, written anew."""
        section = self.config.training.replay.model_copy(update={"seed": HELD_OUT})
        return self.run.step(write_replay, section, self.model)

    def _trial(self, option: TrainingConfig, lessons: Artifact, questions: Artifact) -> Artifact | None:
        """One short training, measured; None if it diverged."""
        replay = self.run.step(write_replay, option.replay, self.model) if option.replay_share else None
        try:
            adapter = self.run.step(train_adapter, option, self.model, lessons, replay, None, None, None)
        except NotANumberError as error:
            say(f"left out of the probe: {error}")
            return None
        return self.run.step(try_adapter, option, self.model, adapter, questions, self._held_out())

    def _best(self, section: TrainingConfig, trials: list[Artifact]) -> TrainingConfig:
        if not trials:
            raise FusionError("training.auto: every short training diverged; lower training.learning_rate.")
        table = self.run.step(choose, None, *trials)
        chosen = read_json(table.path / "choice.json")["chosen"]
        shape = section.lora.model_copy(update={"rank": chosen["rank"], "alpha": chosen["alpha"]})
        return section.model_copy(update={"learning_rate": chosen["learning_rate"], "lora": shape})

    def _with(self, training: TrainingConfig) -> Config:
        return self.config.model_copy(update={"training": training})


def _options(section: TrainingConfig, field: str) -> list[TrainingConfig]:
    """The settings to try: a rank keeps its scale."""
    if field == "learning_rate":
        return [section.model_copy(update={"learning_rate": section.learning_rate * factor}) for factor in RATES]
    shape = section.lora
    ranks = sorted({max(1, round(shape.rank * factor)) for factor in RANKS})
    shapes = [shape.model_copy(update={"rank": rank, "alpha": shape.alpha * rank / shape.rank}) for rank in ranks]
    return [section.model_copy(update={"lora": own}) for own in shapes]
