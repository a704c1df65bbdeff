"""How lm-evaluation-harness grades our written answers: the two functions that written.yaml names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deepseek_fusion.knowledge.asking.matching import is_declined, is_listed


def right_facts(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, tuple[int, int]]:
    """How many facts of an item are listed in its answer, and how many there are; a refusal counts as one fact."""
    if not doc["gold"]:
        return {"right": (int(is_declined(results[0])), 1)}
    return {"right": (sum(is_listed(results[0], names) for names in doc["gold"]), len(doc["gold"]))}


def share(counts: Sequence[tuple[int, int]]) -> float:
    """The share of right facts over all items."""
    return sum(right for right, _ in counts) / sum(n for _, n in counts)
