"""Subjects in stages from the trunk to the leaves."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.ontology import stages_of


def chain(sizes: list[int], relation: str = "parent") -> Graph:
    """A tree with so many subjects at each depth below its root; the first of a level holds the next."""
    above, triples = "根", []
    for depth, size in enumerate(sizes):
        names = [f"part {depth}-{place}" for place in range(size)]
        triples += [Triple(name, relation, above) for name in names]
        above = names[0]
    return Graph(tuple(triples), "structure", {relation: Relation(relation, relation)})


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 8))
def test_stages_follow_depth_and_none_is_empty(sizes: list[int], stages: int) -> None:
    graph = chain(sizes)
    if stages > len(sizes):
        with pytest.raises(
            FusionError, match=rf"curriculum.stages: .* {len(sizes)} depths .* set it to {len(sizes)} or"
        ):
            stages_of(graph, stages)
        return
    found = stages_of(graph, stages)
    order = [found[f"part {depth}-0"] for depth in range(len(sizes))]
    assert order == sorted(order)
    assert set(order) == set(range(stages))
    assert all(found[f"part {depth}-{place}"] == order[depth] for depth, n in enumerate(sizes) for place in range(n))


@pytest.mark.parametrize(
    ("sizes", "stages", "held"),
    [([4, 4, 4, 4], 2, [8, 8]), ([1, 1, 1, 9], 2, [3, 9]), ([9, 1, 1, 1], 3, [9, 2, 1]), ([2, 5, 6, 3], 1, [16])],
)
def test_stages_hold_about_as_many_facts_each(sizes: list[int], stages: int, held: list[int]) -> None:
    assert list(Counter(stages_of(chain(sizes, "上位词"), stages).values()).values()) == held


def test_subjects_in_a_row_have_one_depth() -> None:
    flat = Graph(
        (Triple("Gout", "code", "M10"), Triple("Asthma", "code", "J45")), "disease", {"code": Relation("c", "c")}
    )
    with pytest.raises(FusionError, match="add a relation such as `parent`"):
        stages_of(flat, 2)
