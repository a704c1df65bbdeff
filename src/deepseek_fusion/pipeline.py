"""The whole system in order. Read this first.

Each step is a plain function that fills one folder from a section of the configuration and earlier folders. A step
whose inputs did not change is kept; a step that was killed leaves nothing behind but a checkpoint to go on from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import Config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.core.versions import Version, VersionStore
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.abilities import AbilitiesConfig, packaged_sets, sit_abilities
from deepseek_fusion.evaluation.card import CardConfig, grade
from deepseek_fusion.evaluation.controls import sit_controls
from deepseek_fusion.evaluation.exam import write_exam
from deepseek_fusion.evaluation.general import packaged_text
from deepseek_fusion.evaluation.graded import Graded
from deepseek_fusion.evaluation.leaks import check_leaks
from deepseek_fusion.evaluation.sitting import sit_exam
from deepseek_fusion.knowledge.build import build_graph
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.shuffle import shuffle_answers
from deepseek_fusion.models.source import ModelSource, find_model
from deepseek_fusion.serving.release import Title, package_release
from deepseek_fusion.serving.weights import export_weights
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.replay import write_replay

EXAM, LEAKS, SITTING = ("refusals", "seed"), ("leaks",), ("general_tokens",)
CONTROL, CONTROLS = ("control", "seed"), ("controls", "seed")
"""The fields of the evaluation section that each stage depends on; a change of another one leaves it alone."""


@dataclass(frozen=True)
class Release:
    """What `teach` leaves behind."""

    version: Version
    path: Path
    card: Path
    report: Path


def teach(config: Config, run: Run) -> Release:
    """Documents and facts in, an examined release out.

    Raises:
        FusionError: something in the project is wrong; nothing half-written is left.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    model = find_model(config.model, config.folder, config.precision)
    general = Source((config.evaluation.general_text or str(packaged_text()),), config.folder)

    corpus = run.step(build_corpus, config.corpus, Source(config.documents, config.folder))
    graph = run.step(build_graph, config.knowledge, Source(config.knowledge.sources, config.folder), corpus)
    exam = run.step(
        write_exam, config.evaluation.only(*EXAM), graph, graph
    )  # before lessons exist: held out by construction
    before = run.step(sit_exam, config.evaluation.only(*SITTING), model, None, exam, general, corpus)
    sets, spoken = packaged_sets(), AbilitiesConfig(language=Graph.load(graph.path).language)
    abilities_before = run.step(sit_abilities, spoken, model, None, sets)

    lessons, adapter = _taught(config, run, model, graph, corpus)
    leaks = run.step(check_leaks, config.evaluation.only(*LEAKS), exam, lessons, graph)
    after = run.step(sit_exam, config.evaluation.only(*SITTING), model, adapter, exam, general, corpus)
    abilities_after = run.step(sit_abilities, spoken, model, adapter, sets)
    controls = _controls(config, run, model, adapter, graph, exam)
    control_exam, control = _format_control(config, run, model, graph)

    weights = run.step(export_weights, config.serving, model, adapter)
    card = run.step(
        grade,
        CardConfig(name=config.name, command=f"deepseek-fusion teach {config.file.name}", evaluation=config.evaluation),
        Graded(
            model,
            graph,
            exam,
            before,
            after,
            abilities_before,
            abilities_after,
            corpus,
            lessons,
            adapter,
            weights,
            control_exam,
            control,
            controls=controls,
            leaks=leaks,
        ),
    )
    release = run.step(package_release, Title(name=config.name, licenses=config.licenses), model, weights, card)
    return _published(run, release)


def quick(config: Config) -> Config:
    """The same project on a few facts: minutes on a laptop, to see that everything works."""
    return config.model_copy(
        update={
            "knowledge": config.knowledge.model_copy(update={"max_facts": 30}),
            "curriculum": config.curriculum.model_copy(update={"exposures": 16}),
            "training": config.training.model_copy(
                update={"replay": config.training.replay.model_copy(update={"texts": 32})}
            ),
            "evaluation": config.evaluation.model_copy(
                update={"general_tokens": 1024, "refusals": 12, "control": 0.0, "controls": 0}
            ),
        }
    )


def _taught(
    config: Config, run: Run, model: ModelSource, graph: Artifact, corpus: Artifact | None
) -> tuple[Artifact, Artifact]:
    lessons = run.step(write_lessons, config.curriculum, graph, corpus)
    replay = run.step(write_replay, config.training.replay, model) if config.training.replay_share else None
    return lessons, run.step(train_adapter, config.training, model, lessons, replay)


def _controls(
    config: Config, run: Run, model: ModelSource, adapter: Artifact, graph: Artifact, exam: Artifact
) -> Artifact | None:
    if not config.evaluation.controls:
        return None
    return run.step(sit_controls, config.evaluation.only(*CONTROLS), model, adapter, graph, exam)


def _format_control(
    config: Config, run: Run, model: ModelSource, graph: Artifact
) -> tuple[Artifact | None, Artifact | None]:
    """Teach shuffled answers in the same way and examine the truth: what form alone is worth."""
    if not config.evaluation.control:
        return None, None
    shuffled = run.step(shuffle_answers, config.evaluation.only(*CONTROL), graph)
    exam = run.step(write_exam, config.evaluation.only(*EXAM), shuffled, graph)
    _, adapter = _taught(config, run, model, shuffled, None)
    return exam, run.step(sit_exam, config.evaluation.only(*SITTING), model, adapter, exam, None, None)


def _published(run: Run, release: Artifact) -> Release:
    card = read_json(release.path / "card.json")
    known = {name: card["summary"][name] for name in ("facts", "learned", "kept", "lost")}
    version = VersionStore(run.work).add(release.path, known)
    return Release(version, release.path, release.path / "card.json", release.path / "report.html")
