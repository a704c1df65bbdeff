"""How facts become lessons: how often, in which forms, in which order."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from deepseek_fusion.core.settings.section import Section


class CurriculumConfig(Section):
    """From facts to lessons."""

    exposures: int | None = Field(
        default=None,
        ge=1,
        description="How often each fact is an answer the loss sees, over all forms of lesson; if absent, 28, and up "
        "to 48 where there are few facts, such that there are about 2,400 in all.",
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        description="Budget, instead of `exposures`: tokens of lessons at most, replay not counted. Forms of lesson "
        "follow from how often a fact is taught: plain questions below 20 times, backward and in stories from 20, all "
        "forms from 24.",
    )
    long_tail: float = Field(
        default=1.0,
        ge=1,
        le=4,
        description="How much more often a fact is taught whose subject the corpus never mentions or that lies deepest "
        "in the ontology, against the most common one at the root; 1 for all alike.",
    )
    questions: float = Field(default=0.5, ge=0, description="Relative share of exposures that are questions.")
    reversed: float = Field(
        default=0.3, ge=0, description="Relative share that asks from the object back to the subject."
    )
    hops: float = Field(
        default=0.1, ge=0, description="Relative share that asks about a thing described by another of its facts."
    )
    statements: float = Field(default=0.15, ge=0, description="Relative share that are plain sentences.")
    passages: float = Field(default=0.1, ge=0, description="Relative share that are paragraphs on one whole subject.")
    contrasts: float = Field(
        default=0.1,
        ge=0,
        description="Relative share that tells things apart that are easily confused: which of two has it, or which of "
        "two it has.",
    )
    refusals: float = Field(
        default=0.24, ge=0, lt=1, description="Questions on what does not exist, answered with a refusal, per lesson."
    )
    documents: float = Field(
        default=0.02,
        ge=0,
        lt=1,
        description="Document passages read as plain text, per lesson (domain-adaptive share).",
    )
    single_phrasing: bool = Field(
        default=False,
        description="Plain fine-tuning: one question a fact and nothing else. For comparison only.",
    )
    stages: int = Field(
        default=1,
        ge=1,
        description="Progressive teaching: phase `instruct` in so many stages, from the trunk of the ontology to its "
        "leaves.",
    )
    repeated: float = Field(
        default=0.2, ge=0, lt=1, description="Share of a stage's lessons that repeats those of earlier stages."
    )
    seed: int = Field(default=0, description="Seed of phrasing choice and order.")

    @field_validator("tokens")
    @classmethod
    def _is_the_only_measure(cls, tokens: int | None, info: ValidationInfo) -> int | None:
        if tokens is not None and info.data.get("exposures") is not None:
            raise PydanticCustomError("tokens", "Should stand without `exposures`, which follow from it")
        return tokens
