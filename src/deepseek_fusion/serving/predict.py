"""What the heads of a release say about texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.heads import Heads
from deepseek_fusion.models.loading import load_language


def predict(release: Path, texts: Sequence[str], words: Sequence[Sequence[str]] | None = None) -> list[dict[str, Any]]:
    """For each text the class, the rating and the labelled words of every task that was taught.

    Args:
        words: what to label in each text; if absent, words, marks and Chinese characters.

    Raises:
        FusionError: the folder is no release with heads, or a text is empty.
    """
    if not (release / "merged" / "config.json").is_file():
        raise FusionError(f"{release}: has no merged/ model; give a release folder as `versions` lists them.")
    if not all(text.strip() for text in texts):
        raise FusionError("predict: a text is empty; put it in quotes.")
    heads = Heads.load(release / "adapter")
    return heads.predict(load_language(release / "merged"), texts, words)
