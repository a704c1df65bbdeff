"""The whole system in order. Read this first; how a model is taught is in ``teaching.py``.

Each step is a plain function that fills one folder from a section of the configuration and earlier folders. A step
whose inputs did not change is kept; a step that was killed leaves nothing behind but a checkpoint to go on from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from deepseek_fusion.core.artifacts import MANIFEST, Artifact, read_json
from deepseek_fusion.core.config import Config
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.core.versions import Version, VersionStore
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.evaluation.ablation import ablate
from deepseek_fusion.evaluation.answers.abilities import AbilitiesConfig, packaged_sets, sit_abilities
from deepseek_fusion.evaluation.answers.controls import sit_controls
from deepseek_fusion.evaluation.answers.endpoint import Endpoint, sit_exam_at
from deepseek_fusion.evaluation.answers.general import packaged_text
from deepseek_fusion.evaluation.answers.sitting import sit_exam
from deepseek_fusion.evaluation.card import CardConfig, grade
from deepseek_fusion.evaluation.consistency.build import check_consistency
from deepseek_fusion.evaluation.consistency.judge import can_teach, train_judge
from deepseek_fusion.evaluation.consistency.labels import ClaimDesk, open_desk
from deepseek_fusion.evaluation.coverage import map_coverage
from deepseek_fusion.evaluation.exams.build import sit_sets
from deepseek_fusion.evaluation.gate import exit_code
from deepseek_fusion.evaluation.gate import judge as judge_release
from deepseek_fusion.evaluation.graded import Graded
from deepseek_fusion.evaluation.progress import track_progress
from deepseek_fusion.evaluation.questions.exam import write_exam
from deepseek_fusion.evaluation.questions.leaks import check_leaks
from deepseek_fusion.evaluation.robustness.build import attack_exam
from deepseek_fusion.evaluation.routed import route_exam
from deepseek_fusion.evaluation.statistics.calibration import calibrate
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.extraction.build import extract_triples
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.retrieval.build import Lookup, build_index, encoder_of
from deepseek_fusion.models.parallel import check_parallel
from deepseek_fusion.models.ranks import count
from deepseek_fusion.models.source import ModelSource, find_model
from deepseek_fusion.serving.release import Title, package_release
from deepseek_fusion.serving.weights import export_weights
from deepseek_fusion.teaching import (
    EXAM,
    SITTING,
    Ground,
    Taught,
    as_kept,
    format_control,
    injected,
    read_corpus,
    sat,
    scaled,
    staged,
    taught,
    tuner,
)
from deepseek_fusion.training.routing.fitting import train_router

LEAKS, ATTACK = ("leaks",), ("robustness", "seed", "bootstrap")
CONTROLS, MEASURED = ("controls", "seed"), ("seed", "bootstrap")
"""The same for what only the examination needs (see `teaching.py`)."""

LABELS = "labels.jsonl"
"""What people said about claims, in the work folder (`evaluate label`)."""


@dataclass(frozen=True)
class Release:
    """What `teach` and `inject` leave behind; `passed` is the gate's verdict, None where nothing was compared."""

    version: Version
    path: Path
    card: Path
    report: Path
    passed: bool | None


@dataclass(frozen=True)
class Examination:
    """What `evaluate` leaves behind."""

    card: Path
    report: Path
    passed: bool | None


def teach(config: Config, run: Run) -> Release:
    """Documents and facts in, an examined release out. It becomes the current one unless the gate finds it worse.

    Raises:
        FusionError: something in the project is wrong; nothing half-written is left.
    """
    ground = _to_teach(config, run)
    config = tuner(config, run, ground).tuned()
    made = taught(config, config.curriculum, run, ground, ground.graph, ground.corpus)
    config, made = scaled(config, run, ground, made)
    return _released(config, run, ground, made, "teach")


def inject(config: Config, run: Run) -> Release:
    """The same in three stages, each examined: lessons on the graph, what a teacher makes of them, what earns rewards.

    A stage that is worse than the one before is left out, and so is a teacher that does not know enough.

    Raises:
        FusionError: the same, or no stage was better than nothing.
    """
    config = staged(config)
    ground = _to_teach(config, run)
    config = tuner(config, run, ground).tuned()
    made, trials = injected(config, run, ground)
    ablation = run.step(ablate, None, *trials)
    if not made.adapters:
        raise FusionError(f"inject: every stage was left out; {ablation.path / 'ablation.json'} says why.")
    return _released(as_kept(config, trials), run, ground, made, "inject", ablation)


def _released(
    config: Config, run: Run, ground: Ground, made: Taught, command: str, ablation: Artifact | None = None
) -> Release:
    """The last adapter examined, graded and packaged."""
    adapter, lessons = made.adapters[-1], made.lessons
    leaks = lessons and run.step(check_leaks, config.evaluation.only(*LEAKS), ground.exam, lessons, ground.graph)
    after = sat(config, run, ground, ground.model, adapter)
    control_exam, control = format_control(config, run, ground, made)
    router = None
    if lessons and config.training.router:
        router = run.step(train_router, config.training.only("seed"), ground.model, lessons, ground.graph)

    weights = run.step(export_weights, config.serving, ground.model, adapter)
    graded = Graded(
        ground.model,
        ground.graph,
        ground.exam,
        ground.before,
        after,
        corpus=ground.corpus,
        lessons=lessons,
        adapter=adapter,
        weights=weights,
        control_exam=control_exam,
        control=control,
        leaks=leaks,
        router=router,
        ablation=ablation,
        progress=_progress(config, run, ground, made),
    )
    graded = _measured(config, run, graded, judge=None)
    card = run.step(grade, _card(config, f"deepseek-fusion {command} {config.file.name}"), graded)
    title = Title(name=config.name, licenses=config.licenses)
    release = run.step(package_release, title, ground.model, weights, card, router, *_lookup(config, run, ground))
    return _published(run, release, _passed(graded))


def evaluate(config: Config, run: Run, examined: str) -> Examination:
    """Examine any model on a project: all that `teach` measures of its own model, and what takes longer.

    Args:
        examined: a folder (a release, too), a GGUF file, a hub id, or an OpenAI-compatible endpoint, `URL#MODEL`.

    Raises:
        FusionError: the project or the model is wrong, or the endpoint does not answer.
    """
    ground = _ground(config, run, _base(config))
    command = f"deepseek-fusion evaluate {examined} {config.file.name}"
    if examined.startswith(("http://", "https://")):
        endpoint = Endpoint(*_url_and_model(examined))
        after = run.step(sit_exam_at, config.evaluation.only("seed"), endpoint, ground.exam)
        graded = Graded(endpoint, ground.graph, ground.exam, ground.before, after, corpus=ground.corpus)
    else:
        graded = _thoroughly(config, run, ground, find_model(_weights_in(examined), Path.cwd(), config.precision))
    graded = _measured(config, run, graded, _judge(config, run, ground.graph))
    card = run.step(grade, _card(config, command), graded)
    return Examination(card.path / "card.json", card.path / "report.html", _passed(graded))


def extract(config: Config, run: Run, documents: Source | None) -> Artifact:
    """Triples and records out of the project's documents, or out of others, in the terms of its graph.

    Raises:
        FusionError: something in the project, a document or the model is wrong.
    """
    if documents is None:
        corpus = read_corpus(config, run)
    else:
        anything = {"min_characters": 1, "repetition": 1.0}
        short = config.corpus.only("text_field", "languages", "personal").model_copy(update=anything)
        corpus = run.step(build_corpus, short, documents)
    every = config.knowledge.model_copy(update={"max_facts": None})  # all names, however few facts are taught
    graph = make_graph(run, every, Source(config.knowledge.sources, config.folder), corpus)
    return run.step(extract_triples, config.knowledge.extraction, graph, corpus)


def labelling(config: Config, labeller: str) -> ClaimDesk:
    """The claims of the current release that wait for a person's judgement.

    Raises:
        FusionError: nothing has been released, or what it was made of is gone.
    """
    card = read_json(VersionStore(config.work_folder).current().release / "card.json")
    graded = Graded.of(card, config.work_folder, _base(config))
    if graded.consistency is None:
        raise FusionError("evaluate label: the current release has no claims; run `deepseek-fusion teach` again.")
    section = config.evaluation.consistency
    file = config.work_folder / LABELS
    return open_desk(graded.consistency, graded.graph, file, labeller, section.sample, section.seed)


def quick(config: Config) -> Config:
    """The same project on a few facts: minutes on a laptop, to see that everything works."""
    return config.model_copy(
        update={
            "knowledge": config.knowledge.model_copy(update={"max_facts": 30}),
            "curriculum": config.curriculum.model_copy(update={"exposures": 16}),
            "training": config.training.model_copy(
                update={
                    "replay": config.training.replay.model_copy(update={"texts": 32}),
                    "adapt": config.training.adapt.model_copy(update={"tokens": 8192}),
                    "reinforce": config.training.reinforce.model_copy(update={"steps": 16}),
                    "multitask": config.training.multitask.model_copy(update={"epochs": 1}),
                }
            ),
            "evaluation": config.evaluation.model_copy(update={"general_tokens": 1024, "refusals": 12, "control": 0.0}),
        }
    )


def _lookup(config: Config, run: Run, ground: Ground) -> list[Lookup]:
    """The index of documents and facts; none unless passages of it are wanted."""
    section = config.knowledge.retrieval
    if not section.passages:
        return []
    encoder = encoder_of(section, config.folder)
    return [
        Lookup(run.step(build_index, section.only("letters"), ground.corpus, ground.graph, encoder), section.passages)
    ]


def _progress(config: Config, run: Run, ground: Ground, made: Taught) -> Artifact | None:
    """What was recalled after each stage of the ontology, where it was taught in several."""
    sittings = [sat(config, run, ground, ground.model, part) for part in made.parts]
    section = config.evaluation.only(*MEASURED)
    return run.step(track_progress, section, ground.graph, ground.exam, *sittings) if sittings else None


def _to_teach(config: Config, run: Run) -> Ground:
    """The ground, once it is clear that these processes can teach on it."""
    model = _base(config)
    check_parallel(config.training, model, count())
    return _ground(config, run, model)


def _base(config: Config) -> ModelSource:
    return find_model(config.model, config.folder, config.precision)


def _ground(config: Config, run: Run, model: ModelSource) -> Ground:
    if config.threads:
        torch.set_num_threads(config.threads)
    if own := config.evaluation.general_text:
        general = Source((own,), config.folder)
    else:
        general = Source((packaged_text().name,), packaged_text().parent)
    corpus = read_corpus(config, run)
    graph = make_graph(run, config.knowledge, Source(config.knowledge.sources, config.folder), corpus)
    exam = run.step(write_exam, config.evaluation.only(*EXAM), graph, graph)  # before lessons: held out by construction
    before = run.step(sit_exam, config.evaluation.only(*SITTING), model, None, exam, general, corpus)
    return Ground(model, general, corpus, graph, exam, before)


def _thoroughly(config: Config, run: Run, ground: Ground, model: ModelSource) -> Graded:
    """A model's answers, and all that `teach` has no time for."""
    section, sets, lookup = config.evaluation, packaged_sets(), _lookup(config, run, ground)
    spoken = AbilitiesConfig(language=Graph.load(ground.graph.path).language)
    files = Source(section.sets, config.folder)
    return Graded(
        model,
        ground.graph,
        ground.exam,
        ground.before,
        sat(config, run, ground, model, None),
        run.step(sit_abilities, spoken, ground.model, None, sets),
        run.step(sit_abilities, spoken, model, None, sets),
        corpus=ground.corpus,
        controls=run.step(sit_controls, section.only(*CONTROLS), model, None, ground.graph, ground.exam, *lookup)
        if section.controls
        else None,
        robustness=run.step(attack_exam, section.only(*ATTACK), model, None, ground.graph, ground.exam)
        if section.robustness.questions
        else None,
        sets=run.step(sit_sets, section.only(*MEASURED), model, None, files) if section.sets else None,
    )


def _judge(config: Config, run: Run, graph: Artifact) -> Artifact | None:
    """A language-inference model of our own, where none is named and the graph can teach one."""
    section = config.evaluation.consistency
    return None if section.nli or not can_teach(Graph.load(graph.path)) else run.step(train_judge, section, graph)


def _measured(config: Config, run: Run, graded: Graded, judge: Artifact | None) -> Graded:
    """What follows from the answers alone."""
    section = config.evaluation.only(*MEASURED)
    labels = Source((LABELS,), run.work) if (run.work / LABELS).is_file() else None
    return replace(
        graded,
        coverage=run.step(map_coverage, section, graded.graph, graded.exam, graded.after),
        coverage_before=run.step(map_coverage, section, graded.graph, graded.exam, graded.before),
        consistency=run.step(
            check_consistency,
            config.evaluation.consistency,
            graded.graph,
            graded.corpus,
            graded.exam,
            graded.after,
            judge,
            labels,
        ),
        calibration=run.step(calibrate, section, graded.graph, graded.exam, graded.before, graded.after)
        if isinstance(graded.model, ModelSource)
        else None,
        routed=run.step(
            route_exam, section, graded.model, graded.router, graded.graph, graded.exam, graded.before, graded.after
        )
        if isinstance(graded.model, ModelSource) and graded.router
        else None,
        gate=_gate(config, run, graded),
    )


def _gate(config: Config, run: Run, graded: Graded) -> Artifact | None:
    """Against the newest release, up to the current one, that sat this exam and answered otherwise."""
    store = VersionStore(run.work)
    versions = store.all()
    newest = versions.index(store.current()) if versions else -1
    for version in reversed(versions[: newest + 1]):
        card = version.release / "card.json"
        inputs = read_json(card).get("inputs", {}) if card.is_file() else {}
        sitting = inputs.get("after")
        if not sitting or inputs["exam"]["key"] != graded.exam.key or sitting["key"] == graded.after.key:
            continue
        current = Artifact(run.work / sitting["stage"] / sitting["key"], sitting["key"], sitting["stage"])
        if (current.path / MANIFEST).is_file():
            return run.step(judge_release, config.gate, graded.exam, graded.graph, current, graded.after)
    return None


def _passed(graded: Graded) -> bool | None:
    return None if graded.gate is None else exit_code(graded.gate) == 0


def _card(config: Config, command: str) -> CardConfig:
    return CardConfig(name=config.name, command=command, evaluation=config.evaluation)


def _weights_in(place: str) -> str:
    """A release holds its model in `merged/`."""
    merged = Path(place) / "merged"
    return str(merged) if (merged / "config.json").is_file() else place


def _url_and_model(place: str) -> tuple[str, str]:
    url, _, model = place.partition("#")
    if not model:
        raise FusionError(f"evaluate: {place} names no model; write it as {url}#MODEL.")
    return url.rstrip("/"), model


def _published(run: Run, release: Artifact, passed: bool | None) -> Release:
    card = read_json(release.path / "card.json")
    known = {name: card["summary"][name] for name in ("facts", "learned", "kept", "lost")}
    version = VersionStore(run.work).add(release.path, known, current=passed is not False)
    return Release(version, release.path, release.path / "card.json", release.path / "report.html", passed)
