"""What of a model trains."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from deepseek_fusion.core.settings.section import Section


class LoraConfig(Section):
    """What trains: by default low-rank adapters (Hu et al. 2021, arXiv 2106.09685).

    Younger fields are part of a stage's key only where they are used, so that what was made before them is kept.
    """

    method: Literal["lora", "rslora", "dora", "pissa", "miss", "osf", "full"] = Field(
        default="lora",
        exclude_if=lambda method: method == "lora",
        description="`lora`; `rslora`, scaled by alpha over the root of the rank; `dora`, with magnitudes of their "
        "own; `pissa`, which begins as the principal directions of the weight; `miss`, one shared block; `osf`, the "
        "minor directions; or `full`, every weight of the layers.",
    )
    rank: int = Field(default=16, ge=1, description="Rank r of each adapter; `full` has none.")
    alpha: float = Field(
        default=32.0,
        gt=0,
        description="Scale numerator; the update is alpha/rank times B A. `miss`, `osf` and `full` have none.",
    )
    targets: tuple[str, ...] = Field(
        default=("all-linear",),
        description="Last names of the linear layers that train; `all-linear` for all but the head, `experts` for the "
        "routed experts of a mixture.",
    )
    last_layers: int | None = Field(
        default=None,
        ge=1,
        exclude_if=lambda count: count is None,
        description="Only in so many decoder layers at the end; in all if absent.",
    )
