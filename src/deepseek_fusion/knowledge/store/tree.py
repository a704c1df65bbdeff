"""How deep each node lies below the roots of the hierarchy."""

from __future__ import annotations

import numpy as np

from deepseek_fusion.knowledge.language import fold
from deepseek_fusion.knowledge.ontology import PARENT
from deepseek_fusion.knowledge.store.tables import Numbers


def is_hierarchy(relation: str) -> bool:
    """Whether the objects of a relation stand above its subjects."""
    return fold(relation) in PARENT


def depths_of(nodes: int, child: Numbers, parent: Numbers) -> Numbers:
    """The fewest steps from a root to each node, [nodes]; -1 for what has neither parent nor child, or hangs on a
    circle without a root."""
    other = child != parent
    order = np.argsort(parent[other], kind="stable")
    child, parent = child[other][order].astype(np.int64), parent[other][order].astype(np.int64)
    starts = np.searchsorted(parent, np.arange(nodes + 1))
    has_parent, has_child = np.zeros(nodes, bool), np.zeros(nodes, bool)
    has_parent[child], has_child[parent] = True, True
    depths = np.where(has_child & ~has_parent, 0, -1).astype(np.int32)
    level, depth = np.flatnonzero(depths == 0), 0
    while len(level):
        depth += 1
        below = np.unique(child[slices(starts, level)])
        level = below[depths[below] < 0]
        depths[level] = depth
    return depths


def slices(starts: Numbers, nodes: Numbers) -> Numbers:
    """All rows of some nodes, where the rows of node n are starts[n] to starts[n + 1]."""
    first = starts[nodes].astype(np.int64)
    sizes = starts[nodes + 1].astype(np.int64) - first
    ends = np.cumsum(sizes)
    return np.repeat(first - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0)
