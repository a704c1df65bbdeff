"""Names are replaced by what they are."""

from __future__ import annotations

import pytest

from deepseek_fusion.evaluation.consistency.encoder.masking import Masked, masked
from deepseek_fusion.evaluation.consistency.reading.claims import Asked, ClaimReader
from deepseek_fusion.evaluation.consistency.reading.layout import plain_lines
from deepseek_fusion.knowledge.graph import Graph
from evaluation.consistency.test_checker import EN, ZH


def masks(graph: Graph, answer: str, asked: Asked | None = None) -> list[Masked]:
    passages = list(ClaimReader(graph).passages(answer, asked))
    return list(masked(plain_lines(answer), passages, asked, graph))


@pytest.mark.parametrize(
    ("graph", "answer", "asked", "text"),
    [
        (EN, "Gout brings joint pain, Asthma never.", None, "disease A brings symptom, disease B never."),
        (EN, "Swelling? No.", Asked("symptom", "Gout"), "disease A, symptoms: symptom? No."),
        (EN, "Gout, i.e. M10.9.", None, "disease A, i.e. ICD-10 code."),
        (ZH, "痛风不会引起咳嗽。哮喘会。", None, "疾病 A不会引起症状。疾病 B会。"),
    ],
)
def test_masks(graph: Graph, answer: str, asked: Asked | None, text: str) -> None:
    (mask,) = masks(graph, answer, asked)
    assert mask.text == text


def test_mentions_know_both_places() -> None:
    answer = "Gout is not about hiccups but Swelling."
    (mask,) = masks(EN, answer)
    said = {answer[slice(*one.place)]: (one.kind, mask.text[slice(*one.span)]) for one in mask.mentions}
    assert said["Swelling"] == ("item", "symptom")
    assert said["hiccups"] == ("words", "hiccups")
    assert mask.subjects == [("Gout", (0, len("disease A")))]


def test_long_answers_are_read_in_stretches() -> None:
    answer = "Gout brings Swelling. " * 60
    found = masks(EN, answer)
    assert len(found) > 1
    assert max(len(mask.text) for mask in found) < 500
    assert [one.place for mask in found for one in mask.mentions] == [
        (start, start + 8) for start in range(12, len(answer), 22)
    ]


def test_nothing_to_read() -> None:
    assert masks(EN, "") == []
