from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_fusion.corpus.words import Known, Words, table_of
from deepseek_fusion.knowledge.language import fold, language_of, tokens

TEXTS = ["Gout hurts: ICD-10 M10.9, Ménière’s naïve_x", "痛风ＡＢＣ是、关节病 123", "", "\x1e \x1e", "𠀀𠀁b", "ﬁt ½ İ"]
COMBINING = ["e\u0301tude", "각", "か\u3099 ｶﾞ", " \u00a0x\u3000\n", "ς Σ ß", "a\u0327\u0301 b", "\ud800"]


def encoded(texts: Iterable[str]) -> list[bytes]:
    return [text.encode("utf-16-le", "surrogatepass") for text in texts]


def check(texts: list[str]) -> None:
    words = Words(texts)
    wanted = [tokens(text) for text in texts]
    assert words.counts.tolist() == list(map(len, wanted))
    assert words.text.tolist() == [number for number, found in enumerate(wanted) for _ in found]
    assert words.languages == [language_of(fold(text)) for text in texts]
    assert words.folded == encoded(map(fold, texts))
    assert words.lengths.tolist() == [len(fold(text)) for text in texts]
    assert words.visible.tolist() == [sum(map(len, text.split())) for text in texts]
    marks = re.compile("[\\x1e,a-f病]")
    assert words.holding(table_of(marks)).tolist() == [bool(marks.search(text)) for text in texts]
    names: dict[int, str] = {}
    for value, word in zip(words.hashes.tolist(), (word for found in wanted for word in found), strict=True):
        assert names.setdefault(value, word)[:64] == word[:64]
    assert len(names) == len(set(names.values()))


def test_words_are_those_of_the_language_room() -> None:
    check(TEXTS)
    check(COMBINING)


def test_each_character_is_folded_as_alone_and_after_another() -> None:
    characters = [chr(code) for code in range(0x11000) if not 0xD800 <= code < 0xE000]
    assert Words(characters).folded == encoded(map(fold, characters))
    after = [f"가{each} á{each}" for each in characters]
    assert Words(after).folded == encoded(map(fold, after))


def test_known_words_are_found_where_they_stand() -> None:
    places, numbers = Known(["gout", "für", "和"]).among(Words(["Gout und Für", "gouty 痛和"]).hashes)
    assert places.tolist() == [0, 2, 5]
    assert numbers.tolist() == [0, 1, 2]


@given(st.lists(st.text(st.characters(exclude_categories=("Cn",)), max_size=20), max_size=5))
def test_words_of_any_text(texts: list[str]) -> None:
    check(texts)


def test_what_stands_together() -> None:
    words = Words(["痛风，关节 x9", "节"])
    assert words.follows.tolist() == [False, True, False, True, False, False]
    assert words.is_han.tolist() == [True] * 4 + [False, True]
    assert words.is_number.tolist() == [False] * 6
    assert Words(["9x x9"]).is_number.tolist() == [True, False]


@pytest.mark.parametrize("length", [1, 3, 5])
def test_grams_are_equal_where_the_words_are(length: int) -> None:
    texts = ["a b c d e f", "x c d e f a b c d e", "a b", "a  B", ""]
    hashes, text = Words(texts).grams(length)
    found: dict[int, str] = {}
    wanted = []
    for number, each in enumerate(map(tokens, texts)):
        for place in range(max(1, len(each) - length + 1) if each else 0):
            wanted.append((number, " ".join(each[place : place + length])))
    assert text.tolist() == [number for number, _ in wanted]
    for value, (_, gram) in zip(hashes.tolist(), wanted, strict=True):
        assert found.setdefault(value, gram) == gram
    assert len(found) == len(set(found.values()))


def test_hashes_are_the_same_in_every_process() -> None:
    code = "from deepseek_fusion.corpus.words import Words; print(Words(['Gout 痛风']).grams(2)[0].tolist())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{Words(['Gout 痛风']).grams(2)[0].tolist()}\n"}


def test_a_batch_of_nothing() -> None:
    assert Words([]).hashes.shape == (0,)
    assert np.array_equal(Words(["", "!"]).counts, [0, 0])
    assert Words(["", "!"]).grams(5)[0].shape == (0,)
