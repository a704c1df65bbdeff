from __future__ import annotations

import pytest

from deepseek_fusion.knowledge.definitions import Definition, find_definitions

NAMES = {"gout": ("gout", "Podagra"), "痛风": ("痛风", "痛风性关节炎"), "J18.9": ("J18.9",)}


@pytest.mark.parametrize(
    ("text", "term", "sentence"),
    [
        ("He came. Gout is a disease of joints. It hurts.", "gout", "Gout is a disease of joints."),
        ("Podagra (acute) refers to pain in the toe", "gout", "Podagra (acute) refers to pain in the toe"),
        ("The gout, or podagra, is defined as\n e.g. crystals", "gout", None),
        ("病史。痛风是一种代谢性疾病。疼痛。", "痛风", "痛风是一种代谢性疾病。"),
        ("痛风性关节炎（急性），又称风湿，是指关节的炎症", "痛风", "痛风性关节炎（急性），又称风湿，是指关节的炎症"),
        ("Gout is painful. Gout was seen in a patient. Is gout a disease?", "gout", None),
        ("痛风是不好的。患者是痛风。", "痛风", None),
        ("Severe gout is a disease.", "gout", None),
        ("J18.9 is a code of pneumonia.", "J18.9", "J18.9 is a code of pneumonia."),
    ],
)
def test_sentences_that_define(text: str, term: str, sentence: str | None) -> None:
    expected = {} if sentence is None else {term: Definition(sentence, "a.txt")}
    assert find_definitions(NAMES, [("a.txt", text)]) == expected


def test_the_first_one_counts() -> None:
    texts = [("1", "nothing"), ("2", "Gout is a disease of kings."), ("3", "Gout is an inflammation of joints.")]
    assert find_definitions(NAMES, texts) == {"gout": Definition("Gout is a disease of kings.", "2")}
