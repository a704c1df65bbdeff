"""Questions and what a graph accepts as their answers."""

from __future__ import annotations

from typing import Any

from deepseek_fusion.knowledge.asking.matching import Accepted
from deepseek_fusion.knowledge.asking.questions import Question, informed, verifiable
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple


def test_questions_know_what_the_graph_accepts() -> None:
    triples = (
        Triple("Gout", "symptom", "Joint Pain"),
        Triple("Gout", "symptom", "Fever"),
        Triple("Flu", "symptom", "Fever"),
        Triple("Joint Pain", "parent", "Pain"),
    )
    nouns = {"symptom": Relation("symptom", "symptoms"), "parent": Relation("parent", "parents")}
    graph = Graph(triples, "disease", nouns, {"Joint Pain": ("Arthralgia",)})
    ids = [graph.fact_id(triple) for triple in triples]
    rows: list[dict[str, Any]] = [
        {"kind": "question", "prompt": "All?", "facts": ids[:2], "parts": [["Joint Pain, Fever", True]]},
        {"kind": "question", "prompt": "One?", "facts": ids[1:2], "parts": [["Fever", True]]},
        {"kind": "reversed", "prompt": "Who?", "facts": ids[1:3], "parts": [["Gout, Flu", True]]},
        {"kind": "multihop", "prompt": "Of that with Joint Pain?", "facts": ids[1:2], "parts": [["Fever", True]]},
        {"kind": "refusal", "prompt": "Zog?", "facts": [], "parts": [["I do not know.", True]]},
        {"kind": "question", "prompt": "Gone?", "facts": ["0" * 12], "parts": [["x", True]]},
        {"kind": "statement", "prompt": None, "facts": ids[:1], "parts": [["x", True]]},
    ]
    right = (("Joint Pain", "Arthralgia"), ("Fever",))
    assert verifiable([*rows, rows[0]], graph) == [
        Question("All?", Accepted(right, ("Pain",), 2), "Joint Pain, Fever", ("Gout",)),
        Question("One?", Accepted(right, ("Pain",), 1), "Fever", ("Gout",)),
        Question("Who?", Accepted((("Gout",), ("Flu",)), (), 2), "Gout, Flu", ("Gout", "Flu")),
        Question("Zog?", Accepted((), (), 0), "I do not know.", ()),
    ]
    hop = Question("Of that with Joint Pain?", Accepted(right, ("Pain",), 1), "Fever", ("Gout",))
    assert verifiable(rows, graph, {"multihop"}) == [hop]


def test_the_facts_on_all_subjects_stand_before_a_question() -> None:
    triples = (Triple("Gout", "symptom", "Pain"), Triple("Gout", "symptom", "Fever"), Triple("Flu", "symptom", "Fever"))
    graph = Graph(triples, "disease", {"symptom": Relation("symptom", "symptoms")})
    question = Question("Which?", Accepted((("Gout",), ("Flu",)), (), 2), "Gout, Flu", ("Gout", "Flu"))
    (told,) = informed([question], graph)
    assert told.startswith("The symptoms of Gout are Pain, Fever. The symptom of Flu is Fever.\n")
    assert told.endswith(" Which?")


def test_a_sentence_answers_if_it_mentions_as_much_as_was_asked() -> None:
    question = Question("?", Accepted((("Fever", "pyrexia"), ("Cough",), ("Pain",)), (), 2), "Fever, Cough", ("Gout",))
    assert question.answered("It comes with pyrexia and some pain.")
    assert not question.answered("It comes with fever.")
    assert not question.answered("I do not know. Fever, cough.")
    unknown = Question("?", Accepted((), (), 0), "I do not know.", ())
    assert unknown.answered("That is unknown.")
    assert not unknown.answered("Fever.")
