"""The phases of teaching: which there are, in what order they may stand, and what each of them sets for itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from deepseek_fusion.core.settings.section import Section

PHASES = ("adapt", "instruct", "distil", "reinforce", "multitask")
"""Each but `instruct`, whose settings are those of `training` itself, has a section of its name in `training`."""
ALONE = {"distil", "reinforce"}
"""Phases that are learned with no other at once."""


class PhaseConfig(Section):
    """What a phase sets for itself. Of phases learned together, the rate and the share of the first hold."""

    learning_rate: float = Field(default=1e-3, gt=0, description="Peak learning rate of this phase.")
    replay_share: float = Field(
        default=0.08, ge=0, lt=1, description="Share of this phase's training tokens that is replay; 0 turns it off."
    )


class ReadingConfig(PhaseConfig):
    """What a phase sets that reads text in planned steps."""

    batch_tokens: int | None = Field(
        default=None, ge=16, description="Tokens a step; if absent, such that there are about 200 steps."
    )


class AdaptConfig(ReadingConfig):
    """Phase `adapt`: domain-adaptive pretraining (Gururangan et al. 2020, arXiv 2004.10964). Every token of the
    documents is learned; one document in 20 is held out to measure by."""

    learning_rate: float = Field(default=3e-4, gt=0, description="Peak learning rate of this phase.")
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


class DistilConfig(ReadingConfig):
    """Phase `distil`: a teacher's knowledge into a student.

    `logits` caches the likeliest next tokens of a teacher on the lessons (Hinton et al. 2015, arXiv 1503.02531).
    `context` has the base itself for a teacher, with the facts in its context (Snell et al. 2022, arXiv 2209.15189).
    `chains` lets the teacher reason and answer, and teaches what it wrote where the graph finds the answer right
    (DeepSeek-R1, arXiv 2501.12948).
    """

    teacher: str | None = Field(
        default=None, description="The teacher: a local folder, a GGUF file, or a hub id; none for `context`."
    )
    method: Literal["logits", "context", "chains"] = Field(
        default="logits", description="What is taken from the teacher."
    )
    keep: int = Field(default=64, ge=1, description="Likeliest next tokens cached at each position, the rest as one.")
    hard: float = Field(
        default=0.0, ge=0, le=1, description="Weight of the text itself (hard labels) against the teacher."
    )
    epochs: int = Field(default=1, ge=1, description="How often the lessons are read.")
    learning_rate: float = Field(default=1.5e-3, gt=0, description="Peak learning rate of this phase.")
    mapped: float = Field(
        default=0.99,
        gt=0,
        le=1,
        description="Share of the tokens of the lessons that the teacher must have too; a row with others is left out.",
    )
    sample: int = Field(default=64, ge=1, description="Questions on which `context` examines its teacher first.")
    accuracy: float = Field(default=0.8, ge=0, le=1, description="Share of them that it must answer rightly.")
    max_tokens: int = Field(default=1024, ge=1, description="Longest answer that the teacher of `chains` writes.")
    attempts: int = Field(default=1, ge=1, description="Answers that it writes to each question; right ones are kept.")
    temperature: float = Field(default=0.6, gt=0, description="Temperature at which it writes them.")
    seed: int = Field(default=0, description="Seed of that sample and of those answers.")

    @field_validator("method")
    @classmethod
    def _has_its_teacher(cls, value: str, info: ValidationInfo) -> str:
        if (value == "context") == (info.data.get("teacher") is not None):
            raise PydanticCustomError(
                "teacher",
                "Should come with a `teacher`, unless it is `context`, in which the base teaches itself",
            )
        return value


class RewardConfig(Section):
    """What an answer is worth: the mean over its items, at least as many as were asked for."""

    exact: float = Field(default=1.0, description="An item that is right, as the graph has it.")
    alias: float = Field(default=0.9, description="A right item under another of its names.")
    parent: float = Field(default=0.3, description="The term right above a right one: true, but too general.")
    refusal: float = Field(default=1.0, description="Declining to answer where nothing is known.")
    declined: float = Field(
        default=0.2, description="Declining to answer where something is known: better than a wrong answer."
    )


class ReinforceConfig(PhaseConfig):
    """Phase `reinforce`: GRPO (Shao et al. 2024, arXiv 2402.03300) on answers that the graph verifies."""

    steps: int = Field(default=100, ge=1, description="Updates, each on answers that the model of that moment wrote.")
    questions: int = Field(default=4, ge=1, description="Questions a step.")
    samples: int = Field(default=8, ge=2, description="Answers to each question, which are compared with each other.")
    max_tokens: int = Field(default=32, ge=1, description="Longest answer, in tokens.")
    kl: float = Field(default=0.04, ge=0, description="Weight of the divergence from the model it starts from.")
    learning_rate: float = Field(default=1e-4, gt=0, description="Peak learning rate of this phase.")
    replay_share: float = Field(
        default=0.0, ge=0, lt=1, description="Share of this phase's training tokens that is replay."
    )
    rewards: RewardConfig = Field(default_factory=RewardConfig, description="What an answer is worth.")


class TaskConfig(Section):
    """One task of phase `multitask`."""

    kind: Literal["classification", "rating", "labelling", "text"] = Field(
        description="What a row holds: `text` and `label`; `text` and `rating`; `text`, `words` and `tags`; or `text` "
        "alone, or `question` and `answer`, to learn to write."
    )
    files: tuple[str, ...] = Field(min_length=1, description="JSON Lines files of rows, relative to the YAML.")


class MultitaskConfig(ReadingConfig):
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
        if len(names) > 1 and ALONE.intersection(names):
            raise PydanticCustomError("phases", "Should leave distil and reinforce alone, without a +")
    if any("multitask" in phase.split("+") for phase in phases[:-1]):
        raise PydanticCustomError("phases", "Should end with multitask: later phases would change what its heads read")
    return phases
