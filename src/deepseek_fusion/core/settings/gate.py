"""What a release may lose against the current one."""

from __future__ import annotations

import re

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from deepseek_fusion.core.settings.section import Section

_MARGIN = re.compile(r"no_worse_than\s+([-+]?\d+(?:\.\d+)?)")


class GateConfig(Section):
    """What a release may lose against the current one, each as `no_worse_than -1`.

    Numbers are percentage points, for perplexity per cent. A dimension without a margin is reported, but fails nothing.
    """

    facts: str | None = Field(
        default="no_worse_than -1", description="Facts listed in the answers to all their questions."
    )
    paraphrase: str | None = Field(default=None, description="Facts listed under another phrasing.")
    cloze: str | None = Field(default=None, description="Facts that complete a sentence.")
    reversed: str | None = Field(default=None, description="Facts answered from the object back to the subject.")
    multihop: str | None = Field(default=None, description="Facts on a thing that is described, not named.")
    choice: str | None = Field(default=None, description="Facts chosen among four.")
    negation: str | None = Field(default=None, description="Facts of which the one that is not true was found.")
    numerals: str | None = Field(default=None, description="Facts with digits chosen among similar ones of others.")
    refusal: str | None = Field(default=None, description="Questions on what does not exist declined.")
    false_refusals: str | None = Field(default=None, description="Real questions declined; 0 or above.")
    forgetting: str | None = Field(default="no_worse_than -2", description="General questions answered rightly.")
    perplexity: str | None = Field(
        default="no_worse_than 5", description="Relative change of perplexity on general text; 0 or above."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_margin(cls, value: object, info: ValidationInfo) -> object:
        found = isinstance(value, str) and _MARGIN.fullmatch(value.strip())
        rises = info.field_name in ("false_refusals", "perplexity")
        if value is None or (found and (float(found[1]) >= 0 if rises else float(found[1]) <= 0)):
            return value
        example, sign = ("5", "0 or above, as more is worse") if rises else ("-1", "0 or below")
        raise PydanticCustomError(
            "margin",
            "Should be `no_worse_than` and a number ({sign}), such as `no_worse_than {example}`",
            {"sign": sign, "example": example},
        )

    def margins(self) -> dict[str, float | None]:
        """The margin of each dimension as a fraction, signed as written."""
        return {
            name: None if text is None else float(text.split()[1]) / 100 for name, text in self.model_dump().items()
        }
