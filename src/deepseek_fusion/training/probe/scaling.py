"""How much of a trained update to keep: less of it answers less, and forgets less."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, write_json
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.events import say, track
from deepseek_fusion.core.run import stage
from deepseek_fusion.models.loading import load_language
from deepseek_fusion.models.lora import load_adapter, save_adapter, scale_adapter
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.lessons import read_samples
from deepseek_fusion.training.probe.measuring import measure
from deepseek_fusion.training.replay import read_replay

SCALES = (1.0, 0.9, 0.8, 0.7, 0.6)


@stage("scaled", version=1)
def scale_best(
    out: Path, section: TrainingConfig, model: ModelSource, adapter: Artifact, questions: Artifact, general: Artifact
) -> None:
    """Write the adapter at the scale with the lowest score, its `training.json`, and `scales.json`.

    Args:
        section: only the weight of the replay counts.
        questions: as `write_validation` leaves them.
        general: replay that the adapter was not trained on.
    """
    language = load_language(model, model.torch_dtype)
    shape = load_adapter(language.model, adapter.path / "adapter")
    samples, held_out = read_samples(questions, language), read_replay(general)
    rows = []
    with track("choosing a scale", len(SCALES)) as progress:
        for scale in SCALES:
            scale_adapter(language.model, adapter.path / "adapter", scale)
            measured = measure(language, samples, held_out)
            rows.append({"scale": scale, **asdict(measured), "score": measured.score(section.replay_weight)})
            progress.advance()
    best = min(rows, key=lambda row: row["score"])
    scale_adapter(language.model, adapter.path / "adapter", best["scale"])
    save_adapter(language.model, shape, model.path, out / "adapter")
    shutil.copy(adapter.path / "training.json", out / "training.json")
    write_json(out / "scales.json", {"chosen": best["scale"], "scales": rows})
    say(f"{best['scale']:.0%} of the update is kept")
