"""What a card is made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from deepseek_fusion.core.artifacts import MANIFEST, Artifact
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.answers.endpoint import Endpoint
from deepseek_fusion.models.source import ModelSource


@dataclass(frozen=True)
class Graded:
    """Everything that a card is made of. What was not done is None: a model that nobody here taught has no lessons, no
    adapter and no cost."""

    model: ModelSource | Endpoint
    graph: Artifact
    exam: Artifact
    before: Artifact
    after: Artifact
    abilities_before: Artifact | None = None
    abilities_after: Artifact | None = None
    corpus: Artifact | None = None
    lessons: Artifact | None = None
    adapter: Artifact | None = None
    weights: Artifact | None = None
    control_exam: Artifact | None = None
    control: Artifact | None = None
    controls: Artifact | None = None
    leaks: Artifact | None = None
    coverage: Artifact | None = None
    coverage_before: Artifact | None = None
    robustness: Artifact | None = None
    consistency: Artifact | None = None
    sets: Artifact | None = None
    gate: Artifact | None = None
    calibration: Artifact | None = None
    router: Artifact | None = None
    routed: Artifact | None = None
    ablation: Artifact | None = None
    progress: Artifact | None = None

    @property
    def inputs(self) -> dict[str, dict[str, str] | None]:
        """The stage and key of each part, as a manifest has them; for the model its name and key."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: None
            if part is None
            else {"stage": part.stage if isinstance(part, Artifact) else part.name, "key": part.key}
            for name, part in parts.items()
        }

    @property
    def key(self) -> str:
        """Changes whenever one of the parts does."""
        return hashlib.sha256(repr(self.inputs).encode()).hexdigest()[:16]

    @classmethod
    def of(cls, card: dict[str, Any], work: Path, model: ModelSource) -> Self:
        """What an earlier card was made of, to make it again.

        Raises:
            FusionError: a part is no longer in the work folder, or the model is another one.
        """
        parts: dict[str, Any] = {}
        for name, part in card["inputs"].items():
            if name == "model" and part["key"] != model.key:
                raise FusionError(f"card: made of the model {part['key']}, not of {model.key}; load the same model.")
            if name == "model" or part is None:
                parts[name] = part and model
                continue
            parts[name] = Artifact(work / part["stage"] / part["key"], part["key"], part["stage"])
            if not (parts[name].path / MANIFEST).exists():
                raise FusionError(
                    f"card: {parts[name].path} is gone, so it cannot be made again; run the project again."
                )
        return cls(**parts)
