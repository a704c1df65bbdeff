from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepseek_fusion.corpus.semantic.features import PAIR_COUNTS, PASSAGE_COUNTS, pairs, passages
from deepseek_fusion.corpus.semantic.tokens import BUCKETS, FEATURES, Tokens


def test_words_marks_and_lines_are_tokens_of_their_own() -> None:
    read = Tokens(["Gout, since 1984.\n是", "痛风"], 50)
    assert read.counts.tolist() == [7, 2]  # Gout , since 1984 . line 是 / 痛 风
    assert read.is_digit.tolist() == [False, False, False, True, False, False, False, False, False]
    assert read.is_line.tolist() == [False, False, False, False, False, True, False, False, False]
    assert read.is_han.sum() == 3
    assert read.is_stop.tolist()[4:6] == [True, True]


def test_a_word_is_the_same_row_wherever_it_stands_and_its_case_is_another_feature() -> None:
    read = Tokens(["gout Gout GOUT", "the gout"], 50)
    assert len(set(read.ids[[0, 1, 2, 4], 0])) == 1
    assert len(set(read.ids[[0, 1, 2], 3])) == 3
    assert read.is_name.tolist() == [False, True, True, False, False]  # never the first of a text


def test_full_width_is_folded_and_long_texts_keep_both_ends() -> None:
    wide, narrow = Tokens(["ＡＢＣ，１２"], 50), Tokens(["ABC,12"], 50)
    assert np.array_equal(wide.ids, narrow.ids)
    long = Tokens([" ".join(f"w{number}" for number in range(500))], 20, 5)
    ends = Tokens([" ".join(f"w{number}" for number in range(500))], 2000)
    assert long.counts.tolist() == [20]
    assert np.array_equal(long.ids[-5:], ends.ids[-5:])
    assert np.array_equal(long.ids[:15], ends.ids[:15])


@example(["\ue001"])  # what stands between texts
@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_any_text_can_be_read(texts: list[str]) -> None:
    read = Tokens(texts, 16, 4)
    assert read.ids.shape == (len(read.text), FEATURES)
    assert ((read.ids >= 0) & (read.ids < BUCKETS)).all()
    assert read.counts.max() <= 16
    assert pairs(texts, texts).counts.shape == (len(texts), PAIR_COUNTS)
    assert np.isfinite(passages(texts).counts).all()
    assert passages(texts).counts.shape == (len(texts), PASSAGE_COUNTS)


@pytest.mark.parametrize(
    ("question", "answer", "matched"),
    [
        ("What causes gout?", "Gout is caused by uric acid", [True, False, True, False, False, False]),
        ("痛风的病因", "痛风由尿酸引起", [True, True, False, False, False, False, False]),
    ],
)
def test_what_answer_and_question_share(question: str, answer: str, matched: list[bool]) -> None:
    """Words by their stem, Han characters in pairs."""
    assert pairs([question, "x"], [answer, "gout 痛风"]).answer.matched.tolist()[: len(matched)] == matched


def test_a_row_is_read_alike_in_any_company() -> None:
    texts = ["A menu\nA menu\nA menu", "Gout hurts. Gout is caused by uric acid.", "痛风。痛风由尿酸引起。"]
    together = passages(texts).counts
    for number, text in enumerate(texts):
        assert np.allclose(passages([text]).counts[0], together[number], atol=1e-6)
    assert together[0, -2] == pytest.approx(2 / 3)  # lines that occur before
