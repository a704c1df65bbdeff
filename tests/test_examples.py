"""Every example is a project that loads; the medical one is made and taught for real (slow)."""

from __future__ import annotations

import csv
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.versions import VersionStore
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.pipeline import inject, teach
from deepseek_fusion.serving.predict import predict
from deepseek_fusion.training.distil import distil, write_teachings
from deepseek_fusion.training.reinforce import reinforce

EXAMPLES = Path(__file__).parents[1] / "examples"
PROJECTS = sorted(EXAMPLES.glob("*/*.yaml"))
SPECIALTIES = ("Cardiology", "Dermatology")
TINY = (
    "curriculum.exposures=4",
    "training.batch_tokens=256",
    "training.lora.rank=4",
    "training.replay={texts: 4, max_tokens: 16}",
    "training.adapt.tokens=400",
    "training.multitask.epochs=1",
    "training.reinforce={steps: 2, questions: 2, samples: 2, max_tokens: 4}",
    "evaluation={general_tokens: 256, refusals: 4, control: 0.0, bootstrap: 100}",
    "serving.tolerance=0.01",
)


def test_there_are_examples_of_two_domains_and_two_languages() -> None:
    names = {str(path.relative_to(EXAMPLES)) for path in PROJECTS}
    assert {"medical/fusion.yaml", "medical/full.yaml", "medical/zh.yaml", "merchants/fusion.yaml"} <= names


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_example_loads_and_says_what_it_needs(path: Path) -> None:
    config = load_config(path)
    assert config.model == "smollm2" or "GPU" in path.read_text(encoding="utf-8").splitlines()[0]
    assert config.licenses
    assert (path.parent / "README.md").is_file()
    made = (path.parent / "make_data.py").read_text(encoding="utf-8")
    for source in config.knowledge.sources:
        assert Path(source).name in made
    assert path.read_text(encoding="utf-8").startswith("# ")  # what it teaches, in one line


def test_projects_of_one_folder_have_names_of_their_own() -> None:
    names = [(path.parent, load_config(path).name) for path in PROJECTS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "language", "phases"),
    [
        ("adapt", "en", ["adapt", "instruct+adapt"]),
        ("multitask", "en", ["instruct", "multitask"]),
        ("multitask", "zh", ["instruct", "multitask"]),
    ],
)
def test_each_phase_runs_tiny_in_its_example(
    models: Callable[[str], Path], tmp_path: Path, name: str, language: str, phases: list[str]
) -> None:
    folder = small_medical(tmp_path, name, language)
    place = "tasks" if language == "en" else "zh/tasks"
    tasks = {task: f"data/{place}/{task}.jsonl" for task in ("specialty", "urgency", "words", "notes")}
    overrides = [f"model={models('llama')}", "precision=float32", "threads=1", *TINY]
    overrides += [f"training.multitask.tasks.{task}.files=[{file}]" for task, file in tasks.items()] * (
        name == "multitask"
    )
    config = load_config(folder / f"{name}.yaml", overrides)
    with Run(config.work_folder) as run:
        release = teach(config, run)
    cost = read_json(release.card)["cost"]
    assert [*(phase["phase"] for phase in cost["before"]), cost["phase"]] == phases
    if name == "multitask":
        assert cost["heads"].keys() == {"specialty", "urgency", "words"}
        text = "68 year old woman with severe Fever for 3 days. Takes Aspirin."
        (answers,) = predict(release.path, [text])
        assert answers["specialty"]["label"] in SPECIALTIES
        assert [row["word"] for row in answers["words"]] == [*text[:-1].replace(".", " .").split(), "."]


def small_medical(place: Path, name: str, language: str = "en") -> Path:
    """The folder of the medical example with one of its projects, few facts, tasks on them and notes."""
    folder = place / "medical"
    for part in ("ehr", "zh/tasks", "tasks"):
        (folder / "data" / part).mkdir(parents=True)
    shutil.copy(EXAMPLES / "medical" / f"{name}.yaml", folder)
    triples = folder / "data" / "triples.csv"
    with triples.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("subject", "relation", "object"), *facts_like_the_example()])
    tasks = folder / "data" / ("tasks" if language == "en" else "zh/tasks")
    make_tasks = runpy.run_path(str(EXAMPLES / "medical" / "make_tasks.py"))
    assert make_tasks["write_tasks"](triples, tasks, language) > 20
    for number in range(30):
        note = f"Visit {number}: the patient of room {number * 3} was seen on day {number * 7}. 第{number}次复诊。"
        (folder / "data" / "ehr" / f"{number}.txt").write_text(note, encoding="utf-8")
    return folder


def test_the_example_of_injection_injects(models: Callable[[str], Path], tmp_path: Path) -> None:
    folder = small_medical(tmp_path, "inject")
    overrides = [f"model={models('llama')}", "precision=float32", "threads=1", *TINY]
    config = load_config(folder / "inject.yaml", overrides)
    with Run(config.work_folder) as run:
        card = read_json(inject(config, run).card)
    stages = {stage["stage"]: stage["state"] for stage in card["ablation"]["stages"]}
    assert stages == {"instruct": "kept", "distil": "skipped", "reinforce": "kept"}


def facts_like_the_example() -> list[tuple[str, str, str]]:
    """Eight diseases with the relations of the medical example."""
    rows = []
    for number, name in enumerate(["Gout", "Asthma", "Anemia", "Angina", "Migraine", "Eczema", "Rubella", "Scabies"]):
        rows += [
            (name, "icd10", f"M{number}.{number + 1}"),
            (name, "symptom", f"Fever {chr(65 + number)}"),
            (name, "symptom", f"Pain {chr(75 + number)}"),
            (name, "medication", f"Drug {chr(65 + number)}"),
            (name, "medication", f"Salve {chr(75 + number)}"),
            (name, "specialty", SPECIALTIES[number % 2]),
        ]
    return rows


PHASES = ["training.lora.rank=4", "training.batch_tokens=64", "curriculum.exposures=4"]
FACTS = "Gout | icd10 | M10.9\nGout | symptom | Fever\nAsthma | icd10 | J45\nAsthma | symptom | Cough"


def test_the_example_of_distillation_distils(
    run: Run, graph: Callable[..., Artifact], source: Callable[[str], ModelSource]
) -> None:
    config = load_config(EXAMPLES / "medical" / "distil.yaml", PHASES)
    assert config.training.distil.teacher
    facts = graph(FACTS)
    lessons = run.step(write_lessons, config.curriculum, facts, None)
    teachings = run.step(write_teachings, config.training.distil, source("llama"), source("qwen2"), lessons, facts)
    made = run.step(distil, config.training, source("llama"), teachings, None, None)
    curve = read_json(made.path / "training.json")["curve"]
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_the_example_of_reinforcement_reinforces(
    run: Run, graph: Callable[..., Artifact], source: Callable[[str], ModelSource]
) -> None:
    small = ["training.reinforce.steps=2", "training.reinforce.max_tokens=4"]
    config = load_config(EXAMPLES / "medical" / "reinforce.yaml", [*PHASES, *small])
    facts = graph(FACTS)
    lessons = run.step(write_lessons, config.curriculum, facts, None)
    made = run.step(reinforce, config.training, source("llama"), lessons, facts, None, None)
    assert len(read_json(made.path / "training.json")["curve"]) == 2


def test_the_example_of_reasoning_leaves_room_for_the_thoughts() -> None:
    training = load_config(EXAMPLES / "medical" / "reasoning.yaml").training
    assert training.distil.method == "chains"
    assert training.distil.max_tokens + 256 <= training.max_length


@pytest.mark.slow
def test_the_medical_example_is_made_and_taught_in_the_quick_size(tmp_path: Path) -> None:
    pytest.importorskip("faker_healthcare")
    folder = Path(
        shutil.copytree(EXAMPLES / "medical", tmp_path / "medical", ignore=shutil.ignore_patterns("data", "work"))
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, folder / "make_data.py"], check=True, env=environment)
    done = subprocess.run(
        [sys.executable, "-m", "deepseek_fusion", "teach", folder / "fusion.yaml", "--quick"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    card = read_json(VersionStore(folder / "work").current().release / "card.json")
    assert card["summary"]["learned"] > 0
    assert card["summary"]["now"]["value"] > card["summary"]["before"]["value"]
    assert card["general"]["perplexity"]["change"] < 0.15
