"""Rows as a tree: everything is there once, and can be found again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deepseek_fusion.models.trees.tree import Tree, common_beginning, forests

ROWS = st.lists(st.lists(st.integers(0, 2), max_size=7), max_size=12)


@given(rows=ROWS)
def test_a_tree_holds_every_beginning_once(rows: list[list[int]]) -> None:
    tree = Tree.of(rows)
    assert len(tree.ids) == len({tuple(row[: end + 1]) for row in rows for end in range(len(row))})
    owned = []
    for row, path, shared in zip(rows, tree.paths, tree.shared, strict=True):
        assert [tree.ids[node] for node in path] == row
        assert [tree.depths[node] for node in path] == list(range(len(row)))
        assert path == sorted(path)  # parents before children
        owned += path[shared:]
    assert sorted(owned) == list(range(len(tree.ids)))  # each node is some row's own


@given(rows=ROWS, nodes=st.integers(1, 20))
def test_forests_hold_every_row_and_stay_small(rows: list[list[int]], nodes: int) -> None:
    order = sorted(range(len(rows)), key=lambda i: rows[i])
    parts = list(forests(rows, order, nodes))
    assert [index for part in parts for index in part] == order
    for part in parts:
        assert len(part) == 1 or len(Tree.of([rows[i] for i in part]).ids) <= nodes


def test_common_beginnings() -> None:
    assert common_beginning([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_beginning([1, 2], [1, 2, 3]) == 2
    assert common_beginning([], [1]) == 0
