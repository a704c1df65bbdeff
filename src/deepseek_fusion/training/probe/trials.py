"""Short trainings with different settings, and which of them was best."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, read_json, write_json
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.events import say
from deepseek_fusion.core.run import stage
from deepseek_fusion.models.loading import load_language
from deepseek_fusion.models.lora import load_adapter
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.lessons import read_samples
from deepseek_fusion.training.probe.measuring import measure
from deepseek_fusion.training.replay import read_replay


@stage("trial", version=1)
def try_adapter(
    out: Path, section: TrainingConfig, model: ModelSource, adapter: Artifact, questions: Artifact, general: Artifact
) -> None:
    """Write `trial.json`: the settings that an adapter was trained with, and what they came to.

    Args:
        section: those settings.
        questions: as `write_validation` leaves them.
        general: replay that the adapter was not trained on.
    """
    language = load_language(model, model.torch_dtype)
    load_adapter(language.model, adapter.path / "adapter")
    measured = measure(language, read_samples(questions, language), read_replay(general))
    settings = {"learning_rate": section.learning_rate, "rank": section.lora.rank, "alpha": section.lora.alpha}
    write_json(out / "trial.json", {**settings, **asdict(measured), "score": measured.score(section.replay_weight)})


@stage("choice", version=1)
def choose(out: Path, section: None, *trials: Artifact) -> None:
    """Write `choice.json`: all trials, and the settings of the one with the lowest score."""
    rows = [read_json(trial.path / "trial.json") for trial in trials]
    best = min(rows, key=lambda row: row["score"])
    write_json(out / "choice.json", {"chosen": best, "trials": rows})
    say(f"chosen by a probe: learning rate {best['learning_rate']:g}, rank {best['rank']}")
