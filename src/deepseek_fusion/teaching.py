"""How a model is taught: phase after phase, each from the adapter of the one before, for `inject` with gates between.

The recipes in ``pipeline.py`` say when; this module says with which stages and settings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import Config, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import say
from deepseek_fusion.core.run import Run, Stage
from deepseek_fusion.core.settings.curriculum import CurriculumConfig
from deepseek_fusion.core.settings.phases import ALONE, DistilConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.curriculum.progressive import StageConfig, pick_lessons
from deepseek_fusion.evaluation.ablation import Trial
from deepseek_fusion.evaluation.answers.sitting import sit_exam
from deepseek_fusion.evaluation.gate import judge
from deepseek_fusion.evaluation.questions.exam import write_exam
from deepseek_fusion.knowledge.asking.shuffle import shuffle_answers
from deepseek_fusion.models.source import ModelSource, find_model
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.distil import distil, examine_teacher, write_teachings
from deepseek_fusion.training.reinforce import reinforce
from deepseek_fusion.training.replay import write_replay
from deepseek_fusion.tuning import Tuner

EXAM, SITTING, CONTROL = ("refusals", "seed"), ("general_tokens",), ("control", "seed")
"""The fields of the evaluation section that each stage depends on; a change of another one leaves it alone."""

TOGETHER = {stage.name: stage for stage in (train_adapter, distil, reinforce)}
"""Stages that several processes work on; in the others all but the first wait."""

INJECTION = ("instruct", "distil", "reinforce")
"""Graph augmentation, semantic distillation, domain reinforcement: the stages of `inject`."""

FROM_BASE = {"false_refusals": None, "forgetting": None, "perplexity": None}
"""Margins that the first stage of `inject` need not keep: to learn anything costs the base some of these."""


@dataclass(frozen=True)
class Ground:
    """What every model of a project is examined on, and what its base answers."""

    model: ModelSource
    general: Source
    corpus: Artifact
    graph: Artifact
    exam: Artifact
    before: Artifact


@dataclass(frozen=True)
class Taught:
    """The lessons, if any phase needed them, and what became of them.

    Attributes:
        adapters: one after each phase.
        parts: one after each stage of the ontology, where the lessons came in several.
    """

    lessons: Artifact | None
    adapters: list[Artifact]
    parts: list[Artifact]

    def after(self, made: list[Artifact]) -> Taught:
        """The same with one more phase, taught in one piece or in several."""
        return Taught(self.lessons, [*self.adapters, made[-1]], self.parts or (made if len(made) > 1 else []))


def read_corpus(config: Config, run: Run, more: tuple[str, ...] = (), make: Stage[...] = build_corpus) -> Artifact:
    """The corpus of the project's documents, and of more; `make` may read them elsewhere."""
    section = config.corpus
    judge = (section.semantic.model,) if section.semantic.model and section.semantic.judges else ()
    named = (section.domain.terms, section.domain.seeds, section.exams, judge)
    others = (Source(patterns, config.folder) if patterns else None for patterns in named)
    return run.step(make, section, Source((*config.documents, *more), config.folder), *others)


def sat(config: Config, run: Run, ground: Ground, model: ModelSource, adapter: Artifact | None) -> Artifact:
    """What a model answers in the exam of the project."""
    section = config.evaluation.only(*SITTING)
    return run.step(sit_exam, section, model, adapter, ground.exam, ground.general, ground.corpus)


def taught(
    config: Config, curriculum: CurriculumConfig, run: Run, ground: Ground, graph: Artifact, corpus: Artifact | None
) -> Taught:
    """Every phase in order."""
    needed = {"instruct", *ALONE}.intersection(config.training.names)
    lessons = _lessons(curriculum, run, ground, graph, corpus) if needed else None
    result = Taught(lessons, [], [])
    for number in range(len(config.training.phases)):
        section = config.training.of_phase(number)
        before = result.adapters[-1] if result.adapters else None
        result = result.after(_phase(config, section, run, ground, graph, lessons, before))
    return result


def tuner(config: Config, run: Run, ground: Ground) -> Tuner:
    """What chooses the settings that the project leaves open."""
    return Tuner(config, run, ground.model, ground.corpus, ground.graph, ground.exam)


def scaled(config: Config, run: Run, ground: Ground, made: Taught) -> tuple[Config, Taught]:
    """The last adapter at the scale that does best, where that is left open, and the project with this scale."""
    config, best = tuner(config, run, ground).scaled(made.lessons, made.adapters[-1])
    return config, replace(made, adapters=[*made.adapters[:-1], best])


def staged(config: Config) -> Config:
    """The same project in the stages of `inject`; where no teacher is named, the base is to teach itself.

    Raises:
        FusionError: the update is to be scaled down, which `inject` does not do.
    """
    section = config.training
    if section.adapter_scale != 1 or "adapter_scale" in section.auto:
        raise FusionError(
            "training.adapter_scale: `inject` examines and releases each stage as it was trained; leave it at 1."
        )
    itself = {} if section.distil.teacher else {"method": "context"}
    stages = {"phases": INJECTION, "distil": section.distil.model_copy(update=itself)}
    return config.model_copy(update={"training": section.model_copy(update=stages)})


def injected(config: Config, run: Run, ground: Ground) -> tuple[Taught, list[Trial]]:
    """What was kept, and each stage with its verdict; a stage goes on from the last one that was kept."""
    lessons = _lessons(config.curriculum, run, ground, ground.graph, ground.corpus)
    kept = Taught(lessons, [], [])
    trials: list[Trial] = []
    sitting = ground.before
    for number, name in enumerate(config.training.phases):
        section = config.training.of_phase(number)
        if weak := _too_weak(section, run, ground, lessons):
            trials.append(Trial(name, examined=weak))
        else:
            before = kept.adapters[-1] if kept.adapters else None
            made = _phase(config, section, run, ground, ground.graph, lessons, before)
            answers = sat(config, run, ground, ground.model, made[-1])
            margins = config.gate if before else config.gate.model_copy(update=FROM_BASE)
            gate = run.step(judge, margins, ground.exam, ground.graph, sitting, answers)
            trials.append(Trial(name, made[-1], gate))
            if trials[-1].state == "kept":
                kept, sitting = kept.after(made), answers
        say(trials[-1].verdict)
    return kept, trials


def as_kept(config: Config, trials: list[Trial]) -> Config:
    """The project with nothing but the stages that were kept, whose teacher needs no second proof."""
    kept = tuple(trial.stage for trial in trials if trial.state == "kept")
    section = config.training
    proven = {"phases": kept, "distil": section.distil.model_copy(update={"accuracy": 0.0})}
    return config.model_copy(update={"training": section.model_copy(update=proven)})


def find_teacher(
    section: DistilConfig, folder: Path, precision: Literal["auto", "float32", "bfloat16"]
) -> ModelSource | None:
    """The teacher that a section names, None if the base teaches itself.

    Raises:
        FusionError: it is not there.
    """
    if section.teacher is None:
        return None
    try:
        return find_model(section.teacher, folder, precision)
    except FusionError as error:
        raise FusionError(f"training.distil.teacher: {str(error).removeprefix('model: ')}") from None


def _lessons(
    curriculum: CurriculumConfig, run: Run, ground: Ground, graph: Artifact, corpus: Artifact | None
) -> Artifact:
    """Lessons are the same for every model, unless its tokens are counted."""
    return run.step(write_lessons, curriculum, graph, corpus, ground.model if curriculum.tokens else None)


def _too_weak(section: TrainingConfig, run: Run, ground: Ground, lessons: Artifact) -> Artifact | None:
    """The examination that the base failed, where it was to teach itself."""
    if section.names != ["distil"] or section.distil.method != "context":
        return None
    asked = section.distil.only("accuracy", "sample", "seed")
    examined = run.step(examine_teacher, asked, ground.model, lessons, ground.graph)
    return None if read_json(examined.path / "examined.json")["passed"] else examined


def _phase(
    config: Config,
    section: TrainingConfig,
    run: Run,
    ground: Ground,
    graph: Artifact,
    lessons: Artifact | None,
    before: Artifact | None,
) -> list[Artifact]:
    """The adapter after one phase, whose settings `section` holds; after each part of it, if it comes in parts."""
    model, names = ground.model, section.names
    replay = run.step(write_replay, section.replay, model) if section.replay_share else None
    if names == ["distil"]:
        assert lessons is not None
        teacher = find_teacher(section.distil, config.folder, config.precision)
        teachings = run.step(write_teachings, section.distil, model, teacher, lessons, graph)
        return [run.step(distil, section, model, teachings, replay, before)]
    if names == ["reinforce"]:
        assert lessons is not None
        return [run.step(reinforce, section, model, lessons, graph, replay, before)]
    files = tuple(file for task in section.multitask.tasks.values() for file in task.files)
    documents = _documents(config, run, ground) if "adapt" in names else None
    labels = Source(files, config.folder) if "multitask" in names else None
    parts = _parts(config, names, run, ground, graph, lessons) if "instruct" in names else [None]
    made: list[Artifact] = []
    for number, part in enumerate(parts):
        scale = {} if number == len(parts) - 1 else {"adapter_scale": 1.0}
        own = section.model_copy(update=scale)
        before = run.step(train_adapter, own, model, part, replay, before, documents, labels)
        made.append(before)
        if len(parts) > 1 and graph == ground.graph:
            sat(config, run, ground, model, before)
    return made


def _parts(
    config: Config, names: list[str], run: Run, ground: Ground, graph: Artifact, lessons: Artifact | None
) -> list[Artifact | None]:
    """The lessons, or those of each stage of the ontology."""
    section = config.curriculum
    if section.stages == 1 or lessons is None:
        return [lessons]
    if len(names) > 1:
        raise FusionError(
            f"curriculum.stages: `{'+'.join(names)}` is taught at once; make `instruct` a phase of its own."
        )
    parts = [
        StageConfig(stage=number, stages=section.stages, repeated=section.repeated, seed=section.seed)
        for number in range(section.stages)
    ]
    return [run.step(pick_lessons, part, lessons, graph, ground.graph) for part in parts]


def _documents(config: Config, run: Run, ground: Ground) -> Artifact:
    """The corpus, and with it what phase `adapt` reads besides. A document is held out by its content in both."""
    more = config.training.adapt.documents
    return read_corpus(config, run, more) if more else ground.corpus


def format_control(config: Config, run: Run, ground: Ground, true: Taught) -> tuple[Artifact | None, Artifact | None]:
    """Teach shuffled answers as often and in the same way, and examine the truth: what form alone is worth."""
    if true.lessons is None or not config.evaluation.control:
        return None, None
    shuffled = run.step(shuffle_answers, config.evaluation.only(*CONTROL), ground.graph)
    exam = run.step(write_exam, config.evaluation.only(*EXAM), shuffled, ground.graph)
    as_often = {"exposures": read_json(true.lessons.path / "summary.json")["exposures"]}
    as_large = {}
    for phase, own in zip(config.training.phases, true.adapters, strict=True):
        if "instruct" in phase:
            as_large["batch_tokens"] = read_json(own.path / "training.json")["batch_tokens"]
    false = taught(
        config.model_copy(update={"training": config.training.model_copy(update=as_large)}),
        config.curriculum.model_copy(update=as_often),
        run,
        ground,
        shuffled,
        None,
    )
    return exam, run.step(
        sit_exam, config.evaluation.only(*SITTING), ground.model, false.adapters[-1], exam, None, None
    )
