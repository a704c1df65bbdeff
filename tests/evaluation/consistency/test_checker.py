"""Verdicts on answers in free text, in English and Chinese."""

from __future__ import annotations

from typing import Any

import pytest

from deepseek_fusion.evaluation.consistency.checker import Checker, functional_relations
from deepseek_fusion.evaluation.consistency.reading.claims import Asked
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from knowledge_samples import CHINESE, ENGLISH

MORE_ENGLISH = """
Dengue Fever | code | A90
Dengue Fever | symptom | Fever
Dengue Fever | symptom | Headaches
Dengue Fever | specialty | Internal Medicine
Fatigue | code | R53
Fatigue | symptom | Weakness
Fatigue | specialty | Neurology
Gout | dose | 500 mg
Asthma | dose | 2.5 g
Migraine | dose | 10 mL
"""
MORE_CHINESE = """
登革热 | 症状 | 发热
登革热 | 编码 | A90
肺炎（未特指） | 症状 | 发热
肺炎（未特指） | 编码 | J18
"""
Facts = list[tuple[str, str]]


def graph(facts: str, nouns: dict[str, tuple[str, str]], **more: Any) -> Graph:
    rows = [[field.strip() for field in line.split("|")] for line in facts.strip().splitlines()]
    relations = {key: Relation(*pair) for key, pair in nouns.items()}
    return Graph(tuple(Triple(*row) for row in rows), more.pop("subject_type", "disease"), relations, **more)


EN = graph(
    ENGLISH.strip() + MORE_ENGLISH,
    {
        "code": ("ICD-10 code", "ICD-10 codes"),
        "symptom": ("symptom", "symptoms"),
        "specialty": ("medical specialty", "medical specialties"),
        "dose": ("dose", "doses"),
    },
    synonyms={"Seizures": ("Fits",), "Acute Bronchitis": ("Chest Cold",)},
)
ZH = graph(CHINESE.strip() + MORE_CHINESE, {"编码": ("编码", "编码"), "症状": ("症状", "症状")}, subject_type="疾病")


@pytest.fixture(scope="module")
def english() -> Checker:
    return Checker(EN)


@pytest.fixture(scope="module")
def chinese() -> Checker:
    return Checker(ZH)


def verdicts(checker: Checker, answer: str, asked: Asked | None = None) -> Facts:
    """Object and verdict of every claim, with a mark for a denial."""
    return [
        (("not " if found.claim.negated else "") + str(found.claim.object), found.verdict)
        for found in checker.check(answer, asked)
    ]


GOUT = Asked("symptom", "Gout")


@pytest.mark.parametrize(
    ("answer", "asked", "expected"),
    [
        ("Joint Pain, Cough", GOUT, [("Joint Pain", "supported"), ("Cough", "contradicted")]),
        ("- joint pain\n- SWELLING", GOUT, [("Joint Pain", "supported"), ("Swelling", "supported")]),
        ("Ｊｏｉｎｔ　Ｐａｉｎ", GOUT, [("Joint Pain", "supported")]),
        ("Blue Tongue", GOUT, [("Blue Tongue", "unknown")]),
        ("Rheumatology", GOUT, [("Rheumatology", "contradicted")]),  # true of it, but no symptom
        ("Gout does not cause cough.", None, [("not Cough", "supported")]),
        (
            "Gout never causes joint pain or swelling.",
            None,
            [("not Joint Pain", "contradicted"), ("not Swelling", "contradicted")],
        ),
        ("Gout causes joint pain but not cough.", None, [("Joint Pain", "supported"), ("not Cough", "supported")]),
        (
            "Asthma comes with wheezing, not with swelling.",
            None,
            [("Wheezing", "supported"), ("not Swelling", "supported")],
        ),
        ("Cough is not a symptom of Gout.", None, [("not Cough", "supported")]),
        ("Wheezing is absent in Asthma.", None, [("not Wheezing", "contradicted")]),
        (
            "Not only cough but also wheezing occurs in Asthma.",
            None,
            [("Cough", "supported"), ("Wheezing", "supported")],
        ),
        ("Asthma may cause cough.", None, [("Cough", "supported")]),
        ("It is unclear whether Gout causes swelling.", None, [("Swelling", "unknown")]),
        ("Does Gout cause swelling?", None, [("Swelling", "unknown")]),
        ("Swelling? Yes, that is typical of Gout.", None, [("Swelling", "supported")]),
        ("Asthma is coded J45.", None, [("J45", "supported")]),
        ("Asthma is coded J45.9.", None, [("J45.9", "contradicted")]),
        ("The code of Epilepsy is G40", None, [("G40", "contradicted")]),
        ("The code of Epilepsy is g40.909.", None, [("G40.909", "supported")]),
        ("The ICD-10 code of Asthma is not J46.", None, [("not J46", "supported")]),
        ("Gout (M10.9) belongs to Rheumatology.", None, [("M10.9", "supported"), ("Rheumatology", "supported")]),
        ("Gout's medical specialty is Sports Medicine.", None, [("Sports Medicine", "contradicted")]),
        ("Malaria causes fever.", None, [("Fever", "unknown")]),
        ("Yellow Fever causes headaches.", GOUT, [("Headaches", "unknown")]),
        ("Dengue Fever causes fever and a headache.", None, [("Fever", "supported"), ("Headaches", "supported")]),
        ("Fever", Asked("symptom", "Gout"), [("Fever", "contradicted")]),
        ("Fatigue", Asked("symptom", "Anemia"), [("Fatigue", "supported")]),
        ("Anemia comes with fatigue.", None, [("Fatigue", "supported")]),
        ("Fatigue comes with weakness.", None, [("Weakness", "supported")]),
        ("A chest cold makes you cough.", None, [("Cough", "supported")]),
        ("Epilepsy brings fits.", None, [("Seizures", "supported")]),
        (
            "Asthma causes wheezing, whereas Gout causes wheezing.",
            None,
            [("Wheezing", "supported"), ("Wheezing", "contradicted")],
        ),
        ("Unlike Gout, Asthma causes swelling.", None, [("Swelling", "contradicted")]),
        (
            "Gout causes swelling. It does not cause joint pain.",
            None,
            [("Swelling", "supported"), ("not Joint Pain", "contradicted")],
        ),
        ("The dose for Gout is 0.5 g.", None, [("500 mg", "supported")]),
        ("The dose for Asthma is 2,500 mg.", None, [("2.5 g", "supported")]),
        ("The dose for Asthma is 250 mg.", None, [("250 mg", "contradicted")]),
        ("I do not know.", GOUT, []),
        ("", GOUT, []),
        ("As everybody knows, Gout causes swelling.", None, [("Swelling", "supported")]),
        ("Malaria causes cough, while Gout causes swelling.", None, [("Cough", "unknown"), ("Swelling", "supported")]),
        ("If a person shows cough, Gout is a possible explanation.", None, [("Cough", "contradicted")]),
        (
            "Unlike Asthma, which causes wheezing, Gout causes swelling.",
            None,
            [("Wheezing", "supported"), ("Swelling", "supported")],
        ),
        (
            "Gout and Asthma differ: the former causes swelling, the latter causes cough.",
            None,
            [("Swelling", "supported"), ("Cough", "supported")],
        ),
        (
            "Gout and Asthma are coded M10.9 and J45, respectively.",
            None,
            [("M10.9", "supported"), ("J45", "supported")],
        ),
        ("Gout does not just cause swelling.", None, [("Swelling", "supported")]),
        ("Gout causes swelling, doesn't it?", None, [("Swelling", "supported")]),
        ("Not all patients with Gout develop swelling.", None, [("Swelling", "supported")]),
        ("Gout is a disease.", None, []),
        ("Weakness is seen in Fatigue.", None, [("Weakness", "supported")]),
    ],
)  # fmt: skip
def test_english(english: Checker, answer: str, asked: Asked | None, expected: Facts) -> None:
    assert verdicts(english, answer, asked) == expected


@pytest.mark.parametrize(
    ("answer", "asked", "expected"),
    [
        ("关节痛、咳嗽", Asked("症状", "痛风"), [("关节痛", "supported"), ("咳嗽", "contradicted")]),
        ("关节痛以及红肿。", Asked("症状", "痛风"), [("关节痛", "supported"), ("红肿", "supported")]),
        ("痛风不会引起咳嗽。", None, [("not 咳嗽", "supported")]),
        ("痛风没有关节痛，也没有咳嗽。", None, [("not 关节痛", "contradicted"), ("not 咳嗽", "supported")]),
        ("痛风的症状是关节痛，而不是咳嗽。", None, [("关节痛", "supported"), ("not 咳嗽", "supported")]),
        ("咳嗽不是痛风的症状。", None, [("not 咳嗽", "supported")]),
        ("痛风不仅有关节痛，还有红肿。", None, [("关节痛", "supported"), ("红肿", "supported")]),
        ("癫痫可能出现恶心和呕吐。", None, [("恶心和呕吐", "supported")]),
        ("我不确定痛风是否会引起红肿。", None, [("红肿", "unknown")]),
        ("哮喘的编码是Ｊ４５。", None, [("J45", "supported")]),
        ("哮喘的编码是J45.9。", None, [("J45.9", "contradicted")]),
        ("疟疾的症状是发热和咳嗽。", None, [("发热", "unknown"), ("咳嗽", "unknown")]),
        ("痛风会引起蓝舌。", None, [("蓝舌", "unknown")]),
        ("肺炎会引起发热。", None, [("发热", "supported")]),
        ("与哮喘不同，痛风会引起咳嗽。", None, [("咳嗽", "contradicted")]),
        ("我不知道。", Asked("症状", "痛风"), []),
        ("咳嗽与痛风毫无关系。", None, [("not 咳嗽", "supported")]),
        ("并不是所有痛风患者都有红肿。", None, [("红肿", "supported")]),
        ("痛风一般不出现咳嗽、关节痛等症状。", None, [("not 咳嗽", "supported"), ("not 关节痛", "contradicted")]),
        ("众所周知，痛风会带来红肿。", None, [("红肿", "supported")]),
        ("痛风会不会引起红肿？", None, [("红肿", "unknown")]),
        ("痛风和哮喘的编码分别是M10.9和J45。", None, [("M10.9", "supported"), ("J45", "supported")]),
    ],
)
def test_chinese(chinese: Checker, answer: str, asked: Asked | None, expected: Facts) -> None:
    assert verdicts(chinese, answer, asked) == expected


def test_a_backward_question_asks_for_subjects(english: Checker, chinese: Checker) -> None:
    asked = Asked("symptom", object="Cough")
    found = english.check("Asthma, Gout and Malaria, but not Acute Bronchitis.", asked)
    said = {judgement.claim.subject: judgement.verdict for judgement in found}
    assert said == {
        "Asthma": "supported",
        "Gout": "contradicted",
        "Malaria": "unknown",
        "Acute Bronchitis": "contradicted",
    }
    assert {judgement.claim.object for judgement in found} == {"Cough"}
    assert chinese.check("哮喘", Asked("编码", object="J45"))[0].verdict == "supported"


def test_a_verdict_names_the_triples_it_rests_on(english: Checker) -> None:
    supported, contradicted = english.check("Joint Pain, Cough", GOUT)
    assert [triple.statement for triple in supported.evidence] == [("Gout", "symptom", "Joint Pain")]
    assert {triple.object for triple in contradicted.evidence} == {"Joint Pain", "Swelling"}
    assert (supported.reason, contradicted.reason) == ("stated", "not_in_list")


@pytest.mark.parametrize(
    ("answer", "asked", "reason"),
    [
        ("Malaria causes fever.", None, "subject"),
        ("Gout was first described in Greece.", None, "relation"),
        ("Blue Tongue", GOUT, "object"),
        ("It is unclear whether Gout causes swelling.", None, "left_open"),
        ("Iron Deficiency needs a dose of 500 mg.", None, "no_list"),
        ("Swelling, Joint Pa", GOUT, "cut_off"),
    ],
)
def test_why_a_claim_stays_unknown(english: Checker, answer: str, asked: Asked | None, reason: str) -> None:
    found = english.check(answer, asked)[-1]
    assert (found.verdict, found.reason) == ("unknown", reason)


def test_a_claim_is_counted_once(english: Checker) -> None:
    assert len(english.check("Swelling, Joint Pain, Swelling, joint pain", GOUT)) == 2


def test_only_relations_seen_with_one_object_often_enough_have_one_by_nature() -> None:
    assert functional_relations(EN) == {"code", "specialty", "dose"}
    assert "dose" not in functional_relations(EN.with_triples(t for t in EN.triples if t.subject != "Gout"))


def test_a_name_under_two_relations_is_read_as_the_words_say() -> None:
    people = graph(
        "Ann | mother | Eve\nAnn | father | Bob\nBob | mother | Zoe\nBob | father | Max\nEve | mother | Kim",
        {"mother": ("mother", "mothers"), "father": ("father", "fathers")},
        subject_type="person",
    )
    checker = Checker(people)
    assert verdicts(checker, "Max is the father of Bob.") == [("Max", "supported")]
    assert verdicts(checker, "The mother of Ann is Kim.") == [("Kim", "contradicted")]
