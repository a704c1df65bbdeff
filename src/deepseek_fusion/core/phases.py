"""The phases of teaching: which there are, in what order they may stand, and what each of them sets for itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from deepseek_fusion.core.section import Section

PHASES = ("adapt", "instruct", "multitask")
"""Each but `instruct`, whose settings are those of `training` itself, has a section of its name in `training`."""


class PhaseConfig(Section):
    """What a phase sets for itself. Of phases learned together, the rate and the share of the first hold."""

    learning_rate: float = Field(default=1e-3, gt=0, description="Peak learning rate of this phase.")
    replay_share: float = Field(
        default=0.08, ge=0, lt=1, description="Share of this phase's training tokens that is replay; 0 turns it off."
    )
    batch_tokens: int | None = Field(
        default=None, ge=16, description="Tokens a step; if absent, such that there are about 200 steps."
    )


class AdaptConfig(PhaseConfig):
    """Phase `adapt`: domain-adaptive pretraining (Gururangan et al. 2020, arXiv 2004.10964). Every token of the
    documents is learned; one document in 20 is held out to measure by."""

    learning_rate: float = Field(default=5e-4, gt=0, description="Peak learning rate of this phase.")
    replay_share: float = Field(
        default=0.15, ge=0, lt=1, description="Share of this phase's training tokens that is replay; 0 turns it off."
    )
    documents: tuple[str, ...] = Field(
        default=(),
        description="Further documents for this phase alone, beside those of the project, relative to the YAML.",
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        description="Tokens of documents to read, in rounds through all; if absent, up to 200,000 in at most four "
        "rounds, and everything once.",
    )


class TaskConfig(Section):
    """One task of phase `multitask`."""

    kind: Literal["classification", "rating", "labelling", "text"] = Field(
        description="What a row holds: `text` and `label`; `text` and `rating`; `text`, `words` and `tags`; or `text` "
        "alone, or `question` and `answer`, to learn to write."
    )
    files: tuple[str, ...] = Field(min_length=1, description="JSON Lines files of rows, relative to the YAML.")


class MultitaskConfig(PhaseConfig):
    """Phase `multitask`: writing, classes, ratings and labels of words learned on one adapter, balanced by
    uncertainty (Kendall et al. 2018, arXiv 1705.07115)."""

    tasks: dict[str, TaskConfig] = Field(default_factory=dict, description="Tasks by name.")
    epochs: int = Field(default=3, ge=1, description="How often each row is read.")


def check_phases(phases: tuple[str, ...]) -> tuple[str, ...]:
    """The phases, if they can be taught in this order.

    Raises:
        PydanticCustomError: a name is unknown or stands twice in one phase, or `multitask` is not last.
    """
    for phase in phases:
        names = phase.split("+")
        if not set(names) <= set(PHASES) or len(set(names)) < len(names):
            raise PydanticCustomError(
                "phases",
                "Should hold {phases}, or some of them joined by + to be learned together",
                {"phases": ", ".join(PHASES)},
            )
    if any("multitask" in phase.split("+") for phase in phases[:-1]):
        raise PydanticCustomError("phases", "Should end with multitask: later phases would change what its heads read")
    return phases
