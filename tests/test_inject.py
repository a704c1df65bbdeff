"""Three stages with gates between, on a tiny model: kept, skipped or left out, and every one of them on the card."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import processes
from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.versions import VersionStore
from deepseek_fusion.evaluation.ablation import Trial
from deepseek_fusion.pipeline import Release, inject
from deepseek_fusion.teaching import INJECTION, as_kept, staged
from test_pipeline import times, write_project

Models = Callable[[str], Path]
WEIGHTS = Path("adapter") / "adapter_model.safetensors"
REINFORCE = {"steps": 2, "questions": 2, "samples": 2, "max_tokens": 4, "learning_rate": 1e-6}
DISTIL = {"method": "context", "accuracy": 0.0, "sample": 3, "learning_rate": 1e-5, "keep": 8}


def project(folder: Path, models: Models, language: str = "en", **training: Any) -> Path:
    """A project whose general text is what the lessons read beside, so that a stage that breaks the model shows."""
    margins = {"facts": "no_worse_than -1", "forgetting": None, "perplexity": "no_worse_than 1"}
    file = write_project(
        folder,
        models("llama" if language == "en" else "qwen2"),
        language,
        training={"distil": DISTIL, "reinforce": REINFORCE, **training},
        gate=margins,
        evaluation={"control": 0},
        curriculum={"exposures": 8, "documents": 0.5},
    )
    notes = sorted((folder / "notes").iterdir())
    text = "\n\n".join(note.read_text(encoding="utf-8") for note in notes)
    (folder / "general.txt").write_text(text, encoding="utf-8")
    return file


def injected(file: Path, *overrides: str) -> tuple[Release, dict[str, Any]]:
    config = load_config(file, overrides)
    with Run(config.work_folder) as run:
        release = inject(config, run)
    return release, read_json(release.card)


def states(card: dict[str, Any]) -> list[str]:
    return [stage["state"] for stage in card["ablation"]["stages"]]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_stage_is_examined_and_its_contribution_is_on_the_card(
    models: Models, tmp_path: Path, language: str
) -> None:
    file = project(tmp_path / "p", models, language)
    release, card = injected(file, f"evaluation.control={0.25 if language == 'en' else 0}")
    assert states(card) == ["kept", "kept", "kept"]
    assert [stage["stage"] for stage in card["ablation"]["stages"]] == list(INJECTION)
    assert [stage["against"] for stage in card["ablation"]["stages"]] == [None, "instruct", "distil"]
    assert [*(phase["phase"] for phase in card["cost"]["before"]), card["cost"]["phase"]] == list(INJECTION)
    assert sum(stage["tokens"] for stage in card["ablation"]["stages"]) == card["cost"]["tokens"]
    measured = {row["name"]: row for row in card["ablation"]["dimensions"]}
    families = {row["family"] for row in card["families"]} - {"question"}
    assert families | {"facts", "perplexity", "forgetting"} <= measured.keys()
    perplexity, general = measured["perplexity"], card["general"]["perplexity"]
    assert perplexity["base"]["value"] == general["before"]
    assert perplexity["stages"]["reinforce"]["now"]["value"] == general["now"]
    assert all(row["stages"].keys() == set(INJECTION) for row in measured.values())
    assert (card["control"] is not None) == (language == "en")
    assert card["command"] == "deepseek-fusion inject fusion.yaml"
    text = (release.path / "README.md").read_text(encoding="utf-8")
    assert "|  | base | instruct (kept) | distil (kept) | reinforce (kept) |" in text
    assert text.count("\n| perplexity | ") == 1
    report = release.report.read_text(encoding="utf-8")
    assert "What each stage added" in report
    assert "各阶段的贡献" in report
    before = times(file.parent / "work")
    assert injected(file, f"evaluation.control={0.25 if language == 'en' else 0}")[0].version == release.version
    assert times(file.parent / "work") == before


def test_a_base_that_cannot_teach_itself_and_a_stage_that_makes_worse_are_left_out(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No answer of so small a model is worth anything, and where all are worth the same nothing is reinforced
    monkeypatch.setattr("deepseek_fusion.training.reinforce.reward", lambda answer, *_: float(len(answer)))
    file = project(
        tmp_path / "p",
        models,
        distil={"sample": 3},
        reinforce={**REINFORCE, "steps": 6, "learning_rate": 2.0, "replay_share": 0.3},
    )
    release, card = injected(file)
    assert states(card) == ["kept", "skipped", "rejected"]
    _, skipped, rejected = card["ablation"]["stages"]
    assert (skipped["teacher"]["right"], skipped["teacher"]["examined"], skipped["teacher"]["needed"]) == (0, 3, 0.8)
    assert "perplexity" in rejected["failed"]
    (perplexity,) = [row for row in card["ablation"]["dimensions"] if row["name"] == "perplexity"]
    assert perplexity["stages"]["reinforce"]["difference"]["low"] > 0.01
    assert perplexity["stages"]["instruct"]["now"]["value"] == card["general"]["perplexity"]["now"]
    assert (card["cost"]["phase"], card["cost"]["before"]) == ("instruct", [])
    (lessons,) = (file.parent / "work" / "adapter").glob("*/adapter")
    assert (release.path / WEIGHTS).read_bytes() == (lessons.parent / WEIGHTS).read_bytes()
    assert VersionStore(file.parent / "work").current() == release.version


def test_the_next_stage_goes_on_from_the_last_one_that_was_kept(models: Models, tmp_path: Path) -> None:
    file = project(tmp_path / "p", models, distil={**DISTIL, "learning_rate": 2.0, "epochs": 2})
    _, card = injected(file)
    assert states(card) == ["kept", "rejected", "kept"]
    assert card["ablation"]["stages"][2]["against"] == "instruct"
    assert [*(phase["phase"] for phase in card["cost"]["before"]), card["cost"]["phase"]] == ["instruct", "reinforce"]


def test_a_named_teacher_teaches(models: Models, tmp_path: Path) -> None:
    own = {"teacher": str(models("qwen2")), "keep": 8, "learning_rate": 1e-6}  # it knows nothing, so hardly follow it
    _, card = injected(project(tmp_path / "p", models, distil=own))
    assert states(card) == ["kept", "kept", "kept"]
    (lessons,), (taught,) = ((tmp_path / "p" / "work").glob(f"{stage}/*/{WEIGHTS}") for stage in ("adapter", "distil"))
    assert lessons.read_bytes() != taught.read_bytes()


def test_killed_in_a_stage_it_goes_on(models: Models, tmp_path: Path) -> None:
    longer = {**REINFORCE, "steps": 12}
    file = project(tmp_path / "p", models, reinforce=longer, checkpoint_seconds=0)
    untouched = Path(shutil.copytree(file.parent, tmp_path / "q")) / file.name
    work = file.parent / "work"
    process = processes.start(processes.command_line, file.parent, "inject", file.name, output=tmp_path / "log")
    until = time.monotonic() + 600
    while not list(work.glob("reinforce/*.partial/checkpoint.safetensors")):
        assert process.is_alive(), (tmp_path / "log.err").read_text()
        assert time.monotonic() < until
        time.sleep(0.002)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    finished = times(work)
    assert not list(work.glob("card/*/card.json"))
    release, card = injected(file)
    assert finished.items() <= times(work).items()  # nothing that was finished is made again
    whole, expected = injected(untouched)
    assert (release.path / WEIGHTS).read_bytes() == (whole.path / WEIGHTS).read_bytes()
    assert card["ablation"]["dimensions"] == expected["ablation"]["dimensions"]


def test_without_a_teacher_the_base_teaches_itself_and_the_control_repeats_what_was_kept(
    models: Models, tmp_path: Path
) -> None:
    file = project(tmp_path / "p", models)
    training = staged(load_config(file, ["training.distil={keep: 8}"])).training
    assert (training.phases, training.distil.method, training.distil.keep) == (INJECTION, "context", 8)
    named = staged(load_config(file, [f"training.distil={{teacher: {models('qwen2')}}}"]))
    assert named.training.distil.method == "logits"
    kept = as_kept(named, [Trial("distil")])
    assert kept.training.phases == ()


def test_a_scaled_adapter_is_one_sentence(models: Models, tmp_path: Path) -> None:
    file = project(tmp_path / "p", models)
    with pytest.raises(FusionError, match=r"training.adapter_scale: `inject` examines .* leave it at 1"):
        injected(file, "training.adapter_scale=0.5")
