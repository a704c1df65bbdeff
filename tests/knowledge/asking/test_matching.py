"""When an answer counts."""

from __future__ import annotations

import pytest

from deepseek_fusion.knowledge.asking.matching import Accepted, Verdict, is_declined, is_listed, is_mentioned, verify


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("Fever", "fever"),
        ("fever, cough and fatigue", "Cough"),
        ("fever, cough and fatigue", "Fatigue"),
        (" Fever, Cough.", "cough"),
        ("Fever; cough", "cough"),
        ("The symptoms are: fever, cough.", "fever"),
        ("M10.9", "M10.9"),
        ("G40.909", "G40.909"),
        ("The code: g40.909.", "G40.909"),
        ("Nausea and Vomiting", "Nausea and Vomiting"),
        ("Fever, nausea and vomiting, pain", "Nausea and Vomiting"),
        ("Pneumonia, organism unspecified", "Pneumonia, organism unspecified"),
        ("St. John's Wort", "St. John's Wort"),
        ("发烧、咳嗽和疲劳。", "疲劳"),
        ("发烧，咳嗽", "咳嗽"),
        ("症状是：发烧；咳嗽。", "发烧"),
        ("Ｍ１０．９", "M10.9"),
        ("恶心和呕吐、发烧", "恶心和呕吐"),
        ("肺炎（病原体未特指）", "肺炎(病原体未特指)"),
        ("1. Fever\n2. Cough", "Fever"),
        ("- Fever\n- Cough\n", "Cough"),
        ("fever", "发烧|fever"),
    ],
)
def test_a_listed_item_counts(answer: str, name: str) -> None:
    assert is_listed(answer, name.split("|"))
    assert is_mentioned(answer, name.split("|"))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("Chest Pain", "Pain"),
        ("high fever", "fever"),
        ("feverish", "fever"),
        ("G40.909", "G40"),
        ("G40", "G40.909"),
        ("G40.9091", "G40.909"),
        ("15300", "5300"),
        ("关节痛", "痛"),
        ("高烧", "烧"),
        ("", "fever"),
        ("cough", "fever"),
    ],
)
def test_a_part_of_an_item_does_not(answer: str, name: str) -> None:
    assert not is_listed(answer, [name])


@pytest.mark.parametrize(
    ("answer", "name", "mentioned"),
    [
        ("It is known to cause a high fever often", "fever", True),
        ("feverish", "fever", False),
        ("Paris is the capital", "paris", True),
        ("患者常有高烧和咳嗽", "咳嗽", True),
        ("患者发烧", "咳嗽", False),
        ("H2O", "O", False),
    ],
)
def test_a_mention_anywhere(answer: str, name: str, mentioned: bool) -> None:
    assert is_mentioned(answer, [name]) is mentioned


def test_nothing_matches_no_names() -> None:
    assert not is_listed("fever", [])
    assert not is_mentioned("fever", [])


@pytest.mark.parametrize(
    "answer",
    [
        "I do not know.",
        "I don't know",
        "I’m not aware of it.",
        "I have no information on that.",
        "我不知道。",
        "对此不清楚",
        "Unknown.",
    ],
)
def test_declining(answer: str) -> None:
    assert is_declined(answer)


@pytest.mark.parametrize("answer", ["Fever, cough", "It is known by the code M10.9", "发烧", "", "I know it: gout."])
def test_answering_is_not_declining(answer: str) -> None:
    assert not is_declined(answer)


GOUT = Accepted((("Joint Pain", "Arthralgia"), ("Nausea and Vomiting",), ("Nausea",)), ("Pain",), wanted=2)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Joint Pain", Verdict(1, 0, 0, 0, False)),
        ("joint pain, nausea and vomiting.", Verdict(2, 0, 0, 0, False)),
        ("Nausea and Vomiting, nausea", Verdict(2, 0, 0, 0, False)),
        ("arthralgia", Verdict(0, 1, 0, 0, False)),
        ("Joint Pain, arthralgia", Verdict(1, 0, 0, 1, False)),
        ("Joint Pain, Joint Pain", Verdict(1, 0, 0, 1, False)),
        ("pain", Verdict(0, 0, 1, 0, False)),
        ("pain, fever; nausea", Verdict(1, 0, 1, 1, False)),
        ("Joint Pains", Verdict(0, 0, 0, 1, False)),
        ("", Verdict(0, 0, 0, 0, False)),
        ("I do not know.", Verdict(0, 0, 0, 1, True)),
        ("我不知道。", Verdict(0, 0, 0, 1, True)),
    ],
)
def test_every_item_of_an_answer_is_judged_once(answer: str, expected: Verdict) -> None:
    assert verify(answer, GOUT) == expected
