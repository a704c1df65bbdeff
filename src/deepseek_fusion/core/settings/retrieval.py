"""What can be found again, and how."""

from __future__ import annotations

from pydantic import Field

from deepseek_fusion.core.settings.section import Section


class RetrievalConfig(Section):
    """The index of documents and facts that `ask` may look into."""

    passages: int = Field(
        default=0,
        ge=0,
        le=20,
        description="How many passages of documents and facts `ask` puts before a question; 0 makes no index.",
    )
    encoder: str | None = Field(
        default="minilm",
        description="What finds passages by their meaning: `minilm` (packaged, English), a folder or hub id of a "
        "sentence encoder (for Chinese a multilingual one); null for words and graph alone.",
    )
    letters: int = Field(
        default=600,
        ge=80,
        description="Longest passage, in Latin letters; a Han character counts as three.",
    )
