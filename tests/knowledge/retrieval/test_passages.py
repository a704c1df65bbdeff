"""Passages: whole sentences, no character lost, in both languages."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_fusion.knowledge.retrieval.passages import passages

ENGLISH = "Dr. Smith saw the patient, e.g. twice. The toe was red! Was it gout? It was."
CHINESE = "患者夜间疼痛。关节红肿！是痛风吗？医生说：“是的。”建议休息。"


def cut(text: str, letters: int) -> list[str]:
    return [text[first:last] for first, last in passages(text, letters)]


def test_sentences_stay_whole_and_short_words_end_none() -> None:
    assert cut(ENGLISH, 40) == [
        "Dr. Smith saw the patient, e.g. twice.",
        "The toe was red! Was it gout? It was.",
    ]


def test_chinese_sentences_end_without_a_space_and_a_character_counts_three() -> None:
    assert cut(CHINESE, 44) == ["患者夜间疼痛。关节红肿！", "是痛风吗？医生说：“是的。”", "建议休息。"]
    assert cut(CHINESE, 600) == [CHINESE]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two, three four five six", ["one two,", "three four", "five six"]),
        ("关节里有结晶，夜间疼", ["关节里有", "结晶，", "夜间疼"]),
        ("x" * 25, ["x" * 12, "x" * 12, "x"]),
    ],
)
def test_a_long_sentence_is_divided_at_pauses(text: str, parts: list[str]) -> None:
    assert cut(text, 12) == parts


@given(st.text(alphabet="ab .!?,\n。！，痛风“”", max_size=200), st.integers(3, 60))
def test_nothing_but_white_space_is_left_out_and_no_passage_is_too_long(text: str, letters: int) -> None:
    spans = passages(text, letters)
    assert "".join("".join(text[first:last] for first, last in spans).split()) == "".join(text.split())
    for (_, before), (after, _) in pairwise(spans):
        assert before <= after
    for first, last in spans:
        part = text[first:last]
        assert part == part.strip()
        assert part
        assert len(part) + 2 * sum("\u4e00" <= character <= "\u9fff" for character in part) <= letters


def test_one_endless_line_takes_no_longer_than_its_length() -> None:
    assert len(cut("x" * 1_000_000, 600)) == 1667
