"""Settings that a project leaves to a probe: chosen, used, kept, and never seen by the exam."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.config import LoraConfig, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.versions import VersionStore
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.tuning import RATES
from test_pipeline import taught, times, write_project

AUTO = {"auto": ["learning_rate", "rank", "adapter_scale"], "probe_facts": 8}


def made(work: Path, stage: str, file: str) -> list[dict[str, Any]]:
    return [read_json(path) for path in sorted(work.glob(f"{stage}/*/{file}"))]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_a_probe_chose_is_what_is_taught(models: Callable[[str], Path], tmp_path: Path, language: str) -> None:
    file = write_project(tmp_path / "p", models("llama"), language, training=AUTO)
    taught(file)
    work = file.parent / "work"
    trials = made(work, "trial", "trial.json")
    assert len(trials) == 5  # three rates, and two ranks besides the one that they were tried with
    assert {trial["learning_rate"] for trial in trials} <= {0.01 * factor for factor in RATES}
    assert {(trial["rank"], trial["alpha"]) for trial in trials} == {(4, 16), (8, 32), (16, 64)}
    best = min(trials, key=lambda trial: trial["score"])
    assert best in [table["chosen"] for table in made(work, "choice", "choice.json")]

    card = read_json(VersionStore(work).current().release / "card.json")
    assert card["inputs"]["adapter"]["stage"] == "scaled"
    (scaled,) = work.glob("scaled/*")
    teaching = read_json(scaled / "manifest.json")["inputs"]
    section = read_json(work / "adapter" / teaching[1]["key"] / "manifest.json")["section"]
    assert section["lora"] == {"rank": best["rank"], "alpha": best["alpha"], "targets": ["all-linear"]}
    assert section["learning_rate"] == best["learning_rate"]
    assert "auto" not in section
    leaks = made(work, "leaks", "leaks.json")
    assert len(leaks) == 3  # the lessons, and the questions of the probe and of the scale
    assert not [found for found in leaks if found["exact"] or found["near"]]

    before = times(work)
    taught(file)
    assert times(work) == before


def test_a_probe_has_two_subjects_however_many_facts_each_of_them_has(
    models: Callable[[str], Path], tmp_path: Path
) -> None:
    """Without another subject no name can be invented that is like theirs."""
    file = write_project(tmp_path / "p", models("llama"), training={"auto": ["rank"], "probe_facts": 1})
    taught(file)
    graphs = [Graph.load(folder).triples for folder in (file.parent / "work" / "graph").iterdir()]
    few, every = sorted(len({triple.subject for triple in triples}) for triples in graphs)
    assert 2 <= few < every


def test_a_probe_in_which_all_diverge_is_one_sentence(models: Callable[[str], Path], tmp_path: Path) -> None:
    file = write_project(tmp_path / "p", models("llama"), training={**AUTO, "learning_rate": 1e30})
    with pytest.raises(FusionError, match=r"^training.auto: every short training diverged; lower training.learning"):
        taught(file)


@pytest.mark.parametrize("field", ["learning_rate", "rank", "adapter_scale"])
def test_without_lessons_nothing_can_be_chosen(models: Callable[[str], Path], tmp_path: Path, field: str) -> None:
    settings = {"auto": [field], "phases": ["adapt"], "adapt": {"tokens": 300}}
    file = write_project(tmp_path / "p", models("llama"), training=settings)
    with pytest.raises(FusionError, match=f"^training.auto: {field} is chosen .*; give a value instead"):
        taught(file)


def test_a_phase_does_not_depend_on_how_its_settings_were_chosen() -> None:
    plain, auto = TrainingConfig(), TrainingConfig(auto=("rank",), probe_facts=3, log_to="mlflow")
    assert auto.of_phase(0) == plain.of_phase(0)
    assert not {"auto", "probe_facts", "log_to"} & plain.model_dump().keys()
    assert {"auto", "probe_facts", "log_to"} <= auto.model_dump().keys()
    assert TrainingConfig(lora=LoraConfig(rank=3)).of_phase(0) != plain.of_phase(0)
