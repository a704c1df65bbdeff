from __future__ import annotations

import pytest

from deepseek_fusion.knowledge.language import fold, language_of, plural_of, tokens


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Type 2 Diabetes", "en"),
        ("2型糖尿病", "zh"),
        ("COVID-19肺炎", "zh"),
        ("The Chinese for pneumonia is 肺炎.", "en"),
        ("人类免疫缺陷病毒[HIV]病造成的传染病", "zh"),
        ("E11.9", "en"),
        ("", "en"),
    ],
)
def test_language_by_share_of_han(text: str, language: str) -> None:
    assert language_of(text) == language


def test_each_han_character_is_a_word() -> None:
    assert tokens("Crohn's病, ＨＩＶ") == ["crohn", "s", "病", "hiv"]


def test_spellings_fold_together() -> None:
    assert fold("  Ｔype  2\u00a0DIABETES ") == fold("type 2 diabetes") == "type 2 diabetes"


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("disease", "diseases"),
        ("entry", "entries"),
        ("assay", "assays"),
        ("business class", "business classes"),
        ("branch", "branches"),
        ("City", "Cities"),
        ("疾病", "疾病"),
    ],
)
def test_regular_plurals(noun: str, plural: str) -> None:
    assert plural_of(noun) == plural
