from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.asking.shuffle import shuffle, shuffle_answers
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple


def graph_of(answers: dict[str, tuple[str, ...]]) -> Graph:
    triples = [Triple(subject, "症状", value) for subject, values in answers.items() for value in values]
    return Graph(tuple(triples), "疾病", {"症状": Relation("症状", "症状")})


def lists(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {group.anchor: group.answers for group in graph.forward()}


def test_whole_lists_move_and_nobody_keeps_its_own() -> None:
    truth = lists(graph := graph_of({f"病{n}": (f"甲{n}", f"乙{n}") for n in range(20)}))
    shuffled = lists(shuffle(graph, 0.5, seed=0))
    assert len(shuffled) == 10
    assert sorted(shuffled.values()) == sorted(truth[subject] for subject in shuffled)
    assert all(truth[subject] != answers for subject, answers in shuffled.items())
    assert shuffle(graph, 0.5, seed=0) == shuffle(graph, 0.5, seed=0) != shuffle(graph, 0.5, seed=1)


def test_at_least_four_subjects_if_there_are() -> None:
    assert len(shuffle(graph_of({f"病{n}": (f"甲{n}",) for n in range(20)}), 0.01, seed=0).subjects) == 4
    assert len(shuffle(graph_of({"病1": ("甲",), "病2": ("乙",)}), 0.25, seed=0).subjects) == 2


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 5))
def test_equal_answers_are_never_swapped_and_as_few_as_possible_dropped(values: list[int], seed: int) -> None:
    truth = lists(graph := graph_of({f"病{place}": (f"症{value}",) for place, value in enumerate(values)}))
    shuffled = lists(shuffle(graph, 1.0, seed))
    assert all(truth[subject] != answers for subject, answers in shuffled.items())
    largest = max(Counter(values).values())
    assert len(shuffled) == min(len(values), 2 * (len(values) - largest))


def test_the_stage_writes_a_graph(tmp_path: Path) -> None:
    graph_of({"痛风": ("关节痛",), "哮喘": ("咳嗽",)}).save(tmp_path)
    (tmp_path / "out").mkdir()
    shuffle_answers(tmp_path / "out", EvaluationConfig(), Artifact(tmp_path, "0", "graph"))
    shuffled = Graph.load(tmp_path / "out")
    assert lists(shuffled) == {"痛风": ("咳嗽",), "哮喘": ("关节痛",)}
    assert shuffled.subject_type == "疾病"


def test_nothing_to_shuffle_is_said(tmp_path: Path) -> None:
    graph_of({"痛风": ("关节痛",), "狼疮": ("关节痛",)}).save(tmp_path)
    with pytest.raises(FusionError, match=r"evaluation\.control: no two subjects"):
        shuffle_answers(tmp_path, EvaluationConfig(), Artifact(tmp_path, "0", "graph"))
