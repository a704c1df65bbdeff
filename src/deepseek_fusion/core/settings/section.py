"""What every section of the configuration is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def only(self, *fields: str) -> Self:
        """The same section with every other field at its default: what a stage must not depend on."""
        return type(self)(**{field: getattr(self, field) for field in fields})


def as_tree(section: BaseModel) -> Mapping[str, Any]:
    """The section as plain JSON values, in declaration order; used for keys and manifests."""
    return section.model_dump(mode="json")
