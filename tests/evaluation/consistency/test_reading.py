"""How answers are laid out and put: tables, replies, retractions, doubts, headings and talk, in both languages."""

from __future__ import annotations

import pytest

from deepseek_fusion.evaluation.consistency.checker import Checker
from deepseek_fusion.evaluation.consistency.reading.claims import Asked
from deepseek_fusion.evaluation.consistency.reading.layout import plain_lines

from .test_checker import EN, GOUT, ZH, Facts, verdicts

DO_GOUT = Asked("症状", "痛风")
SWELLING = [("Swelling", "supported")]
NO_COUGH = [("not Cough", "supported")]


@pytest.fixture(scope="module")
def english() -> Checker:
    return Checker(EN)


@pytest.fixture(scope="module")
def chinese() -> Checker:
    return Checker(ZH)


@pytest.mark.parametrize(
    ("answer", "asked", "expected"),
    [
        # tables
        (
            "| Disease | Symptom | Code |\n|---|---|---|\n| Gout | Blue Tongue | M10.9 |\n| Asthma | Cough | J46 |",
            None,
            [("Blue Tongue", "unknown"), ("M10.9", "supported"), ("Cough", "supported"), ("J46", "contradicted")],
        ),
        (
            "| Disease | Symptom |\n|---|---|\n| Gout | Swelling |\n| Fatigue | Weakness |",
            None,
            [*SWELLING, ("Weakness", "supported")],
        ),
        (
            "| | Gout | Asthma |\n|---|---|---|\n| Symptoms | Swelling | Swelling |",
            None,
            [*SWELLING, ("Swelling", "contradicted")],
        ),
        # questions and what answers them
        ("Q: Is swelling a symptom of Gout?\nA: Yes, it is.", None, SWELLING),
        ("Q: Does Gout cause cough?\nA: No.", None, NO_COUGH),
        ("Does Gout cause cough? It does not.", None, NO_COUGH),
        ("Does Gout cause cough? I can't tell.", None, [("Cough", "unknown")]),
        (
            "What are the symptoms?\nSwelling\nWhere is it treated?\nRheumatology",
            GOUT,
            [*SWELLING, ("Rheumatology", "supported")],
        ),
        # what is taken back
        ("I used to think that Gout causes cough, but it does not.", None, NO_COUGH),
        ("Earlier I said that Gout causes cough. That was wrong.", None, NO_COUGH),
        ("If someone tells you that Gout causes cough, don't believe them.", None, NO_COUGH),
        ("✅ Swelling\n❌ Cough", GOUT, [*SWELLING, ("not Cough", "supported")]),
        # what is denied is something else
        ("You cannot have Gout without swelling.", None, SWELLING),
        ("Without swelling, Gout is unlikely.", None, SWELLING),
        ("Gout is hard to imagine without swelling.", None, SWELLING),
        ("Don't forget that Gout causes swelling.", None, SWELLING),
        ("What most people don't know is that Gout causes swelling.", None, SWELLING),
        ("No symptom is seen more often in Gout than swelling.", None, SWELLING),
        ("If your swelling won't go away, you may have Gout.", None, SWELLING),
        ("Cough would be unusual in Gout.", None, NO_COUGH),
        # doubts
        (
            "It has been suggested that Gout causes swelling, but this remains to be proven.",
            None,
            [("Swelling", "unknown")],
        ),
        ("Some believe that Gout causes swelling, others disagree.", None, [("Swelling", "unknown")]),
        ("Data on swelling in Gout are lacking.", None, [("not Swelling", "unknown")]),
        ("The role of swelling in Gout has not been established.", None, [("Swelling", "unknown")]),
        # talk, headings and figures say nothing
        ("Great question! Gout causes swelling.", None, SWELLING),
        ("As an AI model, I cannot give medical advice, but Gout causes swelling.", None, SWELLING),
        ("Based on the information provided, Gout causes swelling.", None, SWELLING),
        ("History of Gout. Reports swelling.", None, SWELLING),
        ("Gout has two main symptoms. The first is swelling (80% of patients).", None, SWELLING),
        ("Swelling (80%), cough (15%)", GOUT, [*SWELLING, ("Cough", "contradicted")]),
        # who is meant
        ("Unlike Gout, which causes swelling, Malaria causes fever.", None, [*SWELLING, ("Fever", "unknown")]),
        ("Gout and Asthma are easily mixed up. Only the former causes swelling.", None, SWELLING),
        (
            "Gout, for which Blue Tongue is the usual sign, causes swelling.",
            None,
            [("Blue Tongue", "unknown"), *SWELLING],
        ),
        ("Gout causes swelling, and Fatigue weakness.", None, [*SWELLING, ("Weakness", "supported")]),
        ("Gout: Swelling\nFatigue: Weakness", None, [*SWELLING, ("Weakness", "supported")]),
        # words that deny, doubt or stress
        ("Gout lies outside cough.", None, NO_COUGH),
        ("Cough is foreign to Gout.", None, NO_COUGH),
        ("Nobody doubts that Gout causes swelling.", None, SWELLING),
        ("It isn't uncommon for Gout to bring swelling.", None, SWELLING),
        ("Gout causes cough. I take that back.", None, NO_COUGH),
        ("Who knows if Gout causes cough.", None, [("Cough", "unknown")]),
    ],
)  # fmt: skip
def test_english(english: Checker, answer: str, asked: Asked | None, expected: Facts) -> None:
    assert verdicts(english, answer, asked) == expected


SWOLLEN = [("红肿", "supported")]
COUGHS_NOT = [("not 咳嗽", "supported")]


@pytest.mark.parametrize(
    ("answer", "asked", "expected"),
    [
        (
            "| 疾病 | 症状 | 编码 |\n|---|---|---|\n| 痛风 | 蓝舌 | M10 |\n| 哮喘 | 红肿 | J45 |",
            None,
            [("蓝舌", "unknown"), ("M10", "contradicted"), ("红肿", "contradicted"), ("J45", "supported")],
        ),
        ("问：痛风会引起红肿吗？\n答：会。", None, SWOLLEN),
        ("问：痛风会引起咳嗽吗？\n答：不会。", None, COUGHS_NOT),
        ("我以前以为痛风会引起咳嗽，其实不会。", None, COUGHS_NOT),
        ("前面说痛风会引起咳嗽。那是说错了。", None, COUGHS_NOT),
        ("谁要是说痛风会引起咳嗽，别信。", None, COUGHS_NOT),
        ("✅ 红肿\n❌ 咳嗽", DO_GOUT, [*SWOLLEN, *COUGHS_NOT]),
        ("痛风不会引起咳嗽，可以引起红肿。", None, [*COUGHS_NOT, *SWOLLEN]),
        ("常见的有红肿、关节痛，咳嗽则不在其列。", DO_GOUT, [*SWOLLEN, ("关节痛", "supported"), *COUGHS_NOT]),
        ("痛风离不开红肿。", None, SWOLLEN),
        ("没有红肿，痛风很难诊断。", None, SWOLLEN),
        ("很难想象没有红肿的痛风。", None, SWOLLEN),
        ("别忘了痛风还会引起红肿。", None, SWOLLEN),
        ("很多人不知道，痛风会引起红肿。", None, SWOLLEN),
        ("动不动就红肿，八成是痛风。", None, SWOLLEN),
        ("痛风不会引起咳嗽吧？", None, COUGHS_NOT),
        ("有研究提示痛风会引起红肿，但仍需进一步验证。", None, [("红肿", "unknown")]),
        ("有人认为痛风会引起红肿，也有人不同意。", None, [("红肿", "unknown")]),
        ("红肿在痛风中的作用尚未明确。", None, [("红肿", "unknown")]),
        ("痛风也许会引起红肿，也许不会。", None, [("红肿", "unknown")]),
        ("疟疾我不清楚，痛风会引起红肿。", None, SWOLLEN),
        ("这是个好问题！痛风会引起红肿。", None, SWOLLEN),
        ("作为人工智能，我不能提供医疗建议，但痛风会引起红肿。", None, SWOLLEN),
        ("痛风有三大症状。第一是红肿（80%）。", None, SWOLLEN),
        ("患疟疾时，人会发热。", None, [("发热", "unknown")]),
        ("红肿：痛风患者常见。\n蓝舌：也很常见。", None, [*SWOLLEN, ("蓝舌", "unknown")]),
    ],
)  # fmt: skip
def test_chinese(chinese: Checker, answer: str, asked: Asked | None, expected: Facts) -> None:
    assert verdicts(chinese, answer, asked) == expected


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ("| X | Y |\n|---|:-:|\n| a | b |\nend", "X: a\nY: b\nend"),
        ("a | b", "a | b"),
        ("| | B |\n|---|---|\n| a | b |", "a\nB: b"),
        ("Q: why?\n**A:** so", "why?\nso"),
        ("1. one 2. two", "\none \ntwo"),
        ("答：是", "是"),
    ],
)
def test_layout_becomes_lines(answer: str, lines: str) -> None:
    assert plain_lines(answer) == lines


def test_a_table_cut_off_keeps_what_it_has() -> None:
    assert plain_lines("| X | Y |\n|---|---|\n| a") == "X: a"
