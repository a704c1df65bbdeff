"""Kinds of mistakes, told apart in both languages."""

from __future__ import annotations

import time
from typing import Any

import pytest

from deepseek_fusion.evaluation.report.mistakes import Mistakes, cluster_mistakes
from evaluation.card_samples import CHINESE, ENGLISH, many_triples, sample_answers, sample_facts, triples


def facts(table: str) -> list[dict[str, Any]]:
    """The facts of a sample table with ids."""
    return [
        {"id": f"f{place}", "subject": subject, "relation": relation, "object": thing}
        for place, (subject, relation, thing) in enumerate(triples(table))
    ]


def asked(table: str, subject: str, relation: str, now: str, family: str = "question") -> dict[str, Any]:
    """An answer to a question about all facts of a subject and relation."""
    own = [fact for fact in facts(table) if (fact["subject"], fact["relation"]) == (subject, relation)]
    gold, ids = [fact["object"] for fact in own], [fact["id"] for fact in own]
    return {"id": now, "family": family, "prompt": f"{subject}?", "gold": gold, "now": now, "facts": ids}


@pytest.mark.parametrize(
    ("table", "subject", "relation", "now", "kind"),
    [
        (ENGLISH, "Gout", "medication", "I do not know.", "declined"),
        (ENGLISH, "Gout", "medication", "Allopurinol, Colchicine", "partial"),
        (ENGLISH, "Gout", "medication", "Insulin and Metformin", "other"),
        (ENGLISH, "Gout", "medication", "It is treated with Insulin.", "other"),
        (ENGLISH, "Gout", "medication", "Insulins", "else"),
        (ENGLISH, "Gout", "medication", "Emphysema", "other"),
        (ENGLISH, "Gout", "medication", "Fever", "else"),  # true of others, but of another relation
        (ENGLISH, "Gout", "medication", "Gout", "else"),  # only repeats the question
        (ENGLISH, "Gout", "icd10", "M10.92", "else"),
        (ENGLISH, "Gout", "icd10", "k20.90", "other"),
        (ENGLISH, "Gout", "icd10", "", "else"),
        (CHINESE, "高脂血症", "symptom", "不知道", "declined"),
        (CHINESE, "高脂血症", "symptom", "胸痛、疲劳", "partial"),
        (CHINESE, "高脂血症", "symptom", "症状是尿频", "other"),
        (CHINESE, "高脂血症", "symptom", "一切正常", "else"),
    ],
)
def test_kinds_of_mistakes(table: str, subject: str, relation: str, now: str, kind: str) -> None:
    assert Mistakes(facts(table)).kind(asked(table, subject, relation, now)) == kind


def test_an_answer_where_declining_is_right() -> None:
    invented = {"id": "r", "family": "refusal", "prompt": "Velmoria?", "gold": ["I do not know."], "now": "Fever"}
    mistakes = Mistakes(facts(ENGLISH))
    assert mistakes.kind(invented) == "answered"
    assert mistakes.relation(invented) == ""


def test_clusters_are_by_family_relation_and_kind_and_the_largest_comes_first() -> None:
    told = Mistakes(facts(ENGLISH))
    answers = [
        asked(ENGLISH, "Gout", "medication", "Insulin"),
        asked(ENGLISH, "Gout", "icd10", "B20"),
        asked(ENGLISH, "Emphysema", "medication", "Metformin"),
        asked(ENGLISH, "Emphysema", "medication", "Sulfate", "cloze"),
    ]
    kinds = {answer["id"]: told.kind(answer) for answer in answers}
    right = asked(ENGLISH, "Gout", "icd10", "M10.9")
    clusters = cluster_mistakes([*answers, right], kinds, {a["id"]: told.relation(a) for a in answers})
    assert [(row["family"], row["relation"], row["mistake"], row["n"]) for row in clusters] == [
        ("question", "medication", "other", 2),
        ("question", "icd10", "other", 1),
        ("cloze", "medication", "else", 1),
    ]
    assert clusters[0]["examples"] == [answers[0], answers[2]]


def test_thousands_of_answers_take_seconds_not_minutes() -> None:
    import random

    some = sample_facts(many_triples(167), random.Random(1))
    answers, told = sample_answers(some), Mistakes(some)
    start = time.process_time()
    assert {told.kind(answer) for answer in answers} >= {"declined", "partial", "other", "else"}
    assert time.process_time() - start < 5
