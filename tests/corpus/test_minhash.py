from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from deepseek_fusion.corpus.minhash import BINS, near_duplicates, shingles, signatures, similarity
from deepseek_fusion.corpus.words import Words


def jaccard(first: list[str], second: list[str]) -> float:
    left, right = ({tuple(words[place : place + 5]) for place in range(len(words) - 4)} for words in (first, second))
    return len(left & right) / len(left | right)


def drawn(length: int, generator: random.Random) -> list[str]:
    return [f"w{generator.randrange(5000)}" for _ in range(length)]


def variant(words: list[str], changes: int, generator: random.Random) -> list[str]:
    copy = list(words)
    for place in generator.sample(range(len(words)), changes):
        copy[place] = f"new{place}"
    return copy


def alike(texts: Sequence[list[str] | str], threshold: float) -> tuple[np.ndarray, np.ndarray]:
    words = worded(*texts)
    grams = shingles(words)
    return near_duplicates(signatures(words), threshold, lambda numbers: (grams[number] for number in numbers))


def signed(*texts: list[str] | str) -> np.ndarray:
    return signatures(worded(*texts))


def worded(*texts: list[str] | str) -> Words:
    return Words([text if isinstance(text, str) else " ".join(text) for text in texts])


def test_the_estimate_is_close_to_the_true_similarity() -> None:
    generator = random.Random(0)
    errors = []
    for number in range(60):
        words = drawn(300, generator)
        other = variant(words, number % 12, generator)
        first, second = signed(words, other)
        errors.append(similarity(first, second) - jaccard(words, other))
    assert max(map(abs, errors)) < 0.15  # more than three standard errors of 128 bins
    assert abs(sum(errors) / len(errors)) < 0.02


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_pairs_above_the_threshold_are_found(threshold: float) -> None:
    generator = random.Random(1)
    pairs = []
    for _ in range(80):
        words = drawn(200, generator)
        pairs.append((words, variant(words, generator.randrange(45), generator)))
    nearest, best = alike([text for pair in pairs for text in pair], threshold)
    found = best[1::2] >= threshold
    assert (nearest[1::2][found] == 2 * np.flatnonzero(found)).all()
    true = np.array([jaccard(*pair) for pair in pairs])
    assert 0 < np.sum(true >= threshold) < len(pairs)
    wrong = true[found != (true >= threshold)]
    assert len(wrong) <= 2  # of 80: the estimate is wrong by two standard errors
    assert (abs(wrong - threshold) < 0.1).all()


def test_of_long_texts_a_sample_of_thousands_decides() -> None:
    generator = random.Random(3)
    pairs = []
    for changes in (380, 540) * 4:  # similarities of .83 and .76, which 128 bins would often take for each other
        words = drawn(20_000, generator)
        pairs.append((words, variant(words, changes, generator)))
    _, best = alike([text for pair in pairs for text in pair], 0.8)
    for pair, found in zip(pairs, best[1::2].tolist(), strict=True):
        assert abs(jaccard(*pair) - 0.8) > 0.015
        assert (found >= 0.8) == (jaccard(*pair) >= 0.8)


def test_only_a_text_that_stays_makes_another_one_go() -> None:
    generator = random.Random(2)
    texts = [drawn(100, generator)]
    for _ in range(12):
        texts.append(variant(texts[-1], 2, generator))  # each is like the one before, and the last not like the first
    nearest, best = alike(texts, 0.7)
    staying = np.flatnonzero(best < 0.7)
    assert 1 < len(staying) < len(texts)
    for number in range(len(texts)):
        if best[number] >= 0.7:
            assert nearest[number] in staying
            assert abs(jaccard(texts[number], texts[nearest[number]]) - best[number]) < 0.1
    for number in staying:
        assert all(jaccard(texts[number], texts[other]) < 0.7 for other in staying if other < number)


@pytest.mark.parametrize("seed", range(12))
def test_what_goes_by_a_text_that_goes_later_is_asked_again(seed: int) -> None:
    generator = random.Random(seed)
    texts = [drawn(100, generator)]
    for _ in range(12):
        texts.append(variant(texts[-1], 2, generator))
    nearest, best = alike(texts, 0.7)
    gone = best >= 0.7
    assert gone.any()
    assert not gone[nearest[gone]].any()


def test_many_copies_are_all_copies_of_the_first() -> None:
    nearest, best = alike(["the same few words again and again"] * 500 + ["something else"], 0.8)
    assert nearest[1:500].tolist() == [0] * 499
    assert best.tolist() == [0, *[1.0] * 499, 0]


def test_short_texts_are_duplicates_only_if_equal() -> None:
    nearest, _ = alike(["痛风", "痛疯", "痛 风", "!", "?"], 1.0)
    assert nearest.tolist() == [-1, -1, 0, -1, 3]
    assert not signed("", "!").any()
    assert signed().shape == (0, BINS)
    assert alike([], 0.8)[0].shape == (0,)
