"""What a text is found by."""

from __future__ import annotations

import pytest

from deepseek_fusion.knowledge.retrieval.words import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Patients' allergies, twice daily", ["the", "patient", "allergy", "twice", "daily"]),
        ("diagnosis of viruses, gas loss", ["diagnosis", "of", "viruse", "gas", "loss"]),
        ("痛风的症状", ["痛风", "风的", "的症", "症状"]),
        ("血，B超检查ＣＴ", ["血", "b", "超检", "检查", "ct"]),
        ("M10.9 ICD_10", ["m10", "9", "icd", "10"]),
        ("！？ ...", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words
