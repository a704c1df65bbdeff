"""A question to an index: what is found, by which part, with which citation."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepseek_fusion.knowledge.retrieval.build import facts_of
from deepseek_fusion.knowledge.retrieval.index import Index, fuse
from deepseek_fusion.knowledge.retrieval.store import create, writing
from knowledge.retrieval.samples import DOCUMENTS, GRAPH, Hashing


@pytest.fixture
def index(tmp_path: Path) -> Index:
    create(tmp_path, encoder=Hashing(), name="hashing")
    with writing(tmp_path, Hashing()) as writer:
        writer.name(GRAPH)
        writer.put([*DOCUMENTS, *facts_of(GRAPH)])
    return Index(tmp_path, Hashing())


def test_every_part_says_at_which_rank_it_found_a_passage(index: Index) -> None:
    found = index.search("Which drug helps in podagra?", 3)
    best = found.hits[0]
    assert found.terms == ["drug", "Gout"]
    assert best.text == "The drug of Gout is Allopurinol."
    assert best.ranks["graph"] == 1
    assert best.citation == "facts.csv:2, characters 1 to 32"
    assert all(hit.ranks for hit in found.hits)
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


def test_a_chinese_question_is_answered_with_its_citation(index: Index) -> None:
    found = index.search("帝王病用什么药物？", 1)
    assert found.terms == ["痛风", "药物"]
    assert found.hits[0].text == "痛风的药物是别嘌醇。"
    (hit,) = index.search("大脚趾的关节", 1).hits
    text = next(document.text for document in DOCUMENTS if document.id == hit.document)
    assert (hit.document, text[hit.first : hit.last]) == ("痛风", hit.text)
    assert "meaning" not in hit.ranks  # the encoder knows no Chinese, so it stays out


@pytest.mark.parametrize(
    ("where", "documents"),
    [
        ({"language": "en", "ward": "3"}, {"gout"}),
        ({"ward": ["3", "4"], "language": "zh"}, {"痛风", "流感"}),
        ({"source": "笔记.txt:2"}, {"流感"}),
        ({"ward": "9"}, set()),
        ({"no such field": "x"}, set()),
    ],
)
def test_only_documents_that_are_wanted_are_found(
    index: Index, where: dict[str, str | list[str]], documents: set[str]
) -> None:
    found = {hit.document for hit in index.search("gout 痛风 fever 发热 休息 关节 uric acid toe rest", 10, where).hits}
    assert found == documents


def test_a_question_that_nothing_answers(index: Index) -> None:
    assert index.search("量子力学", 5).hits == []
    assert index.search("zzz", 5, parts=["words", "graph"]).hits == []
    assert index.search("", 5).hits == []
    assert index.search('"; DROP TABLE passages; -- %', 5, parts=["words"]).hits == []


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    create(tmp_path)
    with writing(tmp_path) as writer:
        writer.put([])
    index = Index(tmp_path)
    assert (index.search("gout").hits, len(index)) == ([], 0)
    index.arrange()


def test_ranks_are_fused_by_their_reciprocals() -> None:
    fused = fuse({"words": [7, 8], "meaning": [8, 9], "graph": []})
    assert [(passage, ranks) for passage, _, ranks in fused] == [
        (8, {"words": 2, "meaning": 1}),
        (7, {"words": 1}),
        (9, {"meaning": 2}),
    ]
    assert fused[0][1] == pytest.approx(1 / 62 + 1 / 61)
