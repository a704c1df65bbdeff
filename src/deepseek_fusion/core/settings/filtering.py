"""What of the documents stays: fields to read, thresholds, personal data, the domain, exams to keep clear of."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from deepseek_fusion.core.settings.section import Section

Treatment = Literal["mask", "keep", "reject"]


class PersonalConfig(Section):
    """What is done with each kind of personal data: put a label in its place, keep it, or reject the text."""

    name: Treatment = Field(default="mask", description="Names after a title or a label, and those a record states.")
    id: Treatment = Field(
        default="mask", description="Identity numbers with valid check digits, and numbers after a label such as MRN."
    )
    phone: Treatment = Field(default="mask", description="Telephone numbers.")
    mail: Treatment = Field(default="mask", description="Mail addresses.")
    card: Treatment = Field(default="mask", description="Numbers of bank cards with a valid check digit.")
    birth: Literal["mask", "keep", "reject", "year"] = Field(
        default="mask", description="Dates of birth; `year` keeps the year."
    )
    address: Treatment = Field(default="mask", description="Postal addresses that a record states.")


class DomainConfig(Section):
    """What the documents should be about."""

    terms: tuple[str, ...] = Field(
        default=(),
        description="Files of facts or ontologies whose names and synonyms are the domain's words, relative to the "
        "YAML.",
    )
    seeds: tuple[str, ...] = Field(
        default=(), description="Documents that are surely in the domain, relative to the YAML; instead of terms."
    )
    relevance: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="Documents less relevant than this are rejected: the cosine between the TF-IDF vector of a "
        "document and the part of it that consists of the domain's words.",
    )


class SemanticConfig(Section):
    """Does an answer answer its question, is a passage coherent prose."""

    judges: tuple[Literal["answers", "passages"], ...] = Field(
        default=(),
        description="What is judged: `answers` of rows with a question and an answer, `passages` (all other rows); "
        "the level is off if empty. Judge a sample first: on sources unlike its own the packaged model rejects many "
        "good rows.",
    )
    model: str | None = Field(
        default=None,
        description="Model file that `corpus train` wrote, relative to the YAML; the packaged one if absent.",
    )
    threshold: float = Field(
        default=0.8, ge=0, le=1, description="Rows whose calibrated probability is lower are rejected."
    )
    question_field: str = Field(default="question", description="The field or column of a row that is a question.")
    answer_field: str = Field(
        default="answer", description="The field or column of a row that is its answer; the text where it has none."
    )


class CorpusConfig(Section):
    """Documents in, clean rows out."""

    text_field: str = Field(default="text", description="The field or column of a row that is its text.")
    keep_fields: tuple[str, ...] = Field(
        default=(), description="Fields or columns of a row to keep beside its text, as metadata."
    )
    languages: tuple[Literal["en", "zh"], ...] = Field(
        default=("en", "zh"), min_length=1, description="Documents in other languages are rejected."
    )
    min_characters: int = Field(default=40, ge=1, description="Shorter documents are rejected.")
    repetition: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Documents are rejected if at least this share of their word 5-grams repeats earlier ones of the "
        "same document; 1 rejects none.",
    )
    near_duplicate: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Documents whose estimated Jaccard similarity of word 5-grams reaches this are duplicates.",
    )
    personal: PersonalConfig = Field(default_factory=PersonalConfig, description="Personal data.")
    semantic: SemanticConfig = Field(default_factory=SemanticConfig, description="Whether it makes sense.")
    domain: DomainConfig = Field(default_factory=DomainConfig, description="Relevance to the domain; off if empty.")
    exams: tuple[str, ...] = Field(
        default=(),
        description="Files of exams, relative to the YAML; documents that hold parts of them word by word are "
        "rejected.",
    )
    exam_words: int = Field(
        default=13, ge=5, description="Words in a row (Chinese: twice as many characters) that count as a part."
    )
