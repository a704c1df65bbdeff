from __future__ import annotations

import random
import subprocess
import sys

import pytest

from deepseek_fusion.corpus.minhash import NearDuplicates, signature_of, similarity


def jaccard(first: list[str], second: list[str]) -> float:
    left, right = ({tuple(words[place : place + 5]) for place in range(len(words) - 4)} for words in (first, second))
    return len(left & right) / len(left | right)


def variant(words: list[str], changes: int, generator: random.Random) -> list[str]:
    copy = list(words)
    for place in generator.sample(range(len(words)), changes):
        copy[place] = f"new{place}"
    return copy


def test_the_estimate_is_close_to_the_true_similarity() -> None:
    generator = random.Random(0)
    errors = []
    for number in range(60):
        words = [f"w{generator.randrange(5000)}" for _ in range(300)]
        other = variant(words, number % 12, generator)
        errors.append(similarity(signature_of(words), signature_of(other)) - jaccard(words, other))
    assert max(map(abs, errors)) < 0.15  # more than three standard errors of 128 bins
    assert abs(sum(errors) / len(errors)) < 0.02


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_pairs_above_the_threshold_are_found(threshold: float) -> None:
    generator = random.Random(1)
    found = wanted = 0
    for _ in range(80):
        words = [f"w{generator.randrange(5000)}" for _ in range(200)]
        other = variant(words, generator.randrange(12), generator)
        index = NearDuplicates(threshold)
        assert index.add("first", words) is None
        near = index.add("second", other)
        if jaccard(words, other) > min(threshold + 0.1, 0.99):
            wanted += 1
            found += near is not None
        elif jaccard(words, other) < threshold - 0.15:
            assert near is None
    assert wanted
    assert found >= 0.95 * wanted


def test_short_texts_are_duplicates_only_if_equal() -> None:
    index = NearDuplicates(1.0)
    assert index.add("a", ["痛", "风"]) is None
    assert index.add("b", ["痛", "疯"]) is None
    assert index.add("c", ["痛", "风"]) == ("a", 1.0)
    assert index.add("d", []) is None


def test_signatures_are_the_same_in_every_process() -> None:
    code = "from deepseek_fusion.corpus.minhash import signature_of; print(sum(signature_of(list('关节痛风发作时'))))"
    results = {
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert results == {f"{sum(signature_of(list('关节痛风发作时')))}\n"}
