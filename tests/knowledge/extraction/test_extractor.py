"""Triples out of text, by both methods, on names that no training has seen."""

from __future__ import annotations

import pytest

from deepseek_fusion.knowledge.extraction.extractor import Extraction, Extractor, Method
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple

ENGLISH = Graph(
    (
        Triple("Pneumonia", "symptom", "Fever"),
        Triple("Pneumonia", "icd10", "J18.9"),
        Triple("Asthma", "symptom", "Wheezing"),
        Triple("Asthma", "icd10", "J45.9"),
        Triple("Asthma", "symptom", "Shortness of Breath"),
        Triple("Influenza", "symptom", "Pneumonia"),
    ),
    "disease",
    {"symptom": Relation("symptom", "symptoms"), "icd10": Relation("ICD-10 code", "ICD-10 codes")},
    {"Influenza": ("flu",)},
)
CHINESE = Graph(
    (
        Triple("肺炎", "症状", "发热"),
        Triple("哮喘", "症状", "喘息"),
        Triple("哮喘", "药物", "沙丁胺醇"),
        Triple("流行性感冒", "症状", "咳嗽"),
    ),
    "疾病",
    {"症状": Relation("症状", "症状"), "药物": Relation("药物", "药物")},
    {"流行性感冒": ("流感",)},
)
METHODS: list[Method] = ["dictionary", "seq2seq"]


def read(graph: Graph, method: Method, text: str) -> list[Extraction]:
    return list(Extractor(graph, method).extract([("d", text)]))


def statements(graph: Graph, method: Method, text: str) -> set[tuple[str, str, str]]:
    return {found.statement for found in read(graph, method, text)}


@pytest.mark.parametrize("method", METHODS)
def test_a_sentence_gives_its_triples_and_the_place_they_stand_at(method: Method) -> None:
    text = "Hello there.\nThe symptoms of ASTHMA are fever and wheezing."
    found = read(ENGLISH, method, text)
    assert {each.statement for each in found} == {("Asthma", "symptom", "Fever"), ("Asthma", "symptom", "Wheezing")}
    for each in found:
        assert each.sentence == text[each.start : each.end] == "The symptoms of ASTHMA are fever and wheezing."
        assert each.subject_span is not None
        assert text[slice(*each.subject_span)] == "ASTHMA"
        assert each.object_span is not None
        assert text[slice(*each.object_span)].casefold() == each.object.casefold()
        assert each.known == (each.object == "Wheezing")
        assert 0 < each.confidence <= 1


@pytest.mark.parametrize("method", METHODS)
def test_chinese_gives_its_triples(method: Method) -> None:
    found = statements(CHINESE, method, "哮喘的症状包括发热、喘息和咳嗽。")
    assert found == {("哮喘", "症状", value) for value in ("发热", "喘息", "咳嗽")}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (ENGLISH, "Fever is not a symptom of asthma."),
        (ENGLISH, "It is unclear whether asthma has wheezing."),
        (CHINESE, "喘息不是肺炎的症状。"),
        (CHINESE, "哮喘没有发热。"),
    ],
)
def test_what_is_denied_or_left_open_is_not_read(method: Method, graph: Graph, text: str) -> None:
    assert statements(graph, method, text) == set()


@pytest.mark.parametrize("method", METHODS)
def test_a_synonym_is_linked_and_less_sure(method: Method) -> None:
    (own,) = read(ENGLISH, method, "The symptom of influenza is fever.")
    (other,) = read(ENGLISH, method, "The symptom of flu is fever.")
    assert own.statement == other.statement == ("Influenza", "symptom", "Fever")
    assert other.confidence < own.confidence


@pytest.mark.parametrize("method", METHODS)
def test_a_name_in_no_dictionary_is_kept_as_new_and_less_sure(method: Method) -> None:
    found = {each.object: each for each in read(ENGLISH, method, "The symptoms of asthma are wheezing and hiccups.")}
    assert found["hiccups"].new == ("object",)
    assert found["Wheezing"].new == ()
    assert found["hiccups"].confidence < found["Wheezing"].confidence


@pytest.mark.parametrize("method", METHODS)
def test_a_subject_is_remembered_from_the_sentence_before(method: Method) -> None:
    found = read(ENGLISH, method, "Asthma is common. Its symptoms are fever and wheezing.")
    assert {each.statement[0] for each in found} == {"Asthma"}
    assert {each.subject_span for each in found} == {None}


def test_a_model_tells_two_subjects_apart_where_each_has_its_own() -> None:
    found = statements(ENGLISH, "seq2seq", "Asthma leads to wheezing, while influenza leads to fever.")
    assert found == {("Asthma", "symptom", "Wheezing"), ("Influenza", "symptom", "Fever")}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", ["", " \n\t ", "\0\0\0", "。。。！？", "a" * 100_000, "-" * 10_000, "\ud800 fever"])
def test_text_that_says_nothing_gives_nothing(method: Method, text: str) -> None:
    assert read(ENGLISH, method, text) == []


@pytest.mark.parametrize("method", METHODS)
def test_a_very_long_sentence_is_read_in_pieces(method: Method) -> None:
    long = "and so on, " * 5000
    text = f"{long} The symptom of asthma is fever\0. {long}"
    assert ("Asthma", "symptom", "Fever") in statements(ENGLISH, method, text)


def test_a_code_is_not_found_inside_a_longer_one() -> None:
    graph = Graph((Triple("Asthma", "icd10", "J45"), *ENGLISH.triples), "disease", ENGLISH.relations)
    found = statements(graph, "dictionary", "The ICD-10 code of asthma is J45.9.")
    assert found == {("Asthma", "icd10", "J45.9")}
