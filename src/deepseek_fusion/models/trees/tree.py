"""Rows of tokens that begin alike, laid out as one sequence that holds each common beginning once.

Sorted rows form a tree: the head of a chat template, the questions on one document, the options of one question. A
token sees its ancestors only and has its depth as its position (tree attention: SpecInfer, Miao et al. 2024, arXiv
2305.09781), so that nothing is padded and nothing is computed twice, forward and backward.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Row = Sequence[int]


@dataclass(frozen=True)
class Tree:
    """Some rows as one sequence of nodes.

    Attributes:
        ids: token of each node; a parent stands before its children.
        depths: position of each node in its rows.
        paths: for each row, the nodes of its tokens.
        shared: for each row, how many of its tokens an earlier row of the tree brought along.
    """

    ids: list[int]
    depths: list[int]
    paths: list[list[int]]
    shared: list[int]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Tree:
        """The tree of some rows, in whatever order they come."""
        ids: list[int] = []
        depths: list[int] = []
        paths: list[list[int]] = [[] for _ in rows]
        shared = [0] * len(rows)
        before: int | None = None
        for index in sorted(range(len(rows)), key=lambda i: tuple(rows[i])):
            row = rows[index]
            common = 0 if before is None else common_beginning(rows[before], row)
            new = range(len(ids), len(ids) + len(row) - common)
            paths[index] = [*(paths[before][:common] if before is not None else ()), *new]
            ids += row[common:]
            depths += range(common, len(row))
            shared[index], before = common, index
        return cls(ids, depths, paths, shared)


def common_beginning(first: Row, second: Row) -> int:
    """How many tokens two rows begin with alike."""
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


def forests(rows: Sequence[Row], order: Iterable[int], nodes: int) -> Iterator[list[int]]:
    """Rows, in the given order, in parts whose trees have at most `nodes` nodes, or hold one row.

    A row is thought to share what it has in common with the one before it, so sorted rows make the fullest parts.
    """
    part: list[int] = []
    size = 0
    for index in order:
        new = len(rows[index]) - (common_beginning(rows[part[-1]], rows[index]) if part else 0)
        if part and size + new > nodes:
            yield part
            part, size, new = [], 0, len(rows[index])
        part.append(index)
        size += new
    if part:
        yield part
