"""Things are told apart from those most like them, and never by what is true of both."""

from __future__ import annotations

import random
from collections.abc import Callable

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import CurriculumConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.curriculum.contrasts import COMMON, NEAREST, Contrasts
from deepseek_fusion.curriculum.lessons import Lesson, read_lessons, write_lessons
from deepseek_fusion.curriculum.sampler import SHARES
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple

NOUNS = {"symptom": Relation("symptom", "symptoms"), "code": Relation("code", "codes")}
OTHERS = dict.fromkeys({*SHARES, "refusals"} - {"contrasts"}, 0)


def graph_of(*lines: str, **known: dict[str, tuple[str, ...]]) -> Graph:
    triples = tuple(Triple(*line.split(" | ")) for line in lines)
    return Graph(triples, "disease", NOUNS, **known)


def lessons_on(shelf: Run, facts: Artifact) -> list[Lesson]:
    section = CurriculumConfig(exposures=6, **OTHERS)
    return read_lessons(shelf.step(write_lessons, section, facts, None).path)


def test_neither_side_of_a_contrast_is_true_of_the_other(facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    true = {triple.statement for triple in graph.triples}
    contrasts = Contrasts(graph, random.Random(0))
    found = [(fact, contrast) for fact in graph.triples for contrast in contrasts.of(fact)]
    assert len(found) > len(graph.triples)
    for fact, contrast in found:
        assert contrast.rival != fact.subject
        assert (contrast.rival, fact.relation, fact.object) not in true
        assert (contrast.rival, fact.relation, contrast.wrong) in true
        assert (fact.subject, fact.relation, contrast.wrong) not in true


def test_a_synonym_is_as_true_as_the_name() -> None:
    lines = ("A | symptom | Fever", "B | symptom | Pyrexia", "B | symptom | Rash", "C | symptom | Cough")
    known = {"Fever": ("Pyrexia",)}
    own = Contrasts(graph_of(*lines, synonyms=known), random.Random(0)).of(Triple("A", "symptom", "Fever"))
    assert {contrast.rival for contrast in own} == {"C"}
    plain = Contrasts(graph_of(*lines), random.Random(0)).of(Triple("A", "symptom", "Fever"))
    assert {contrast.rival for contrast in plain} == {"B", "C"}


def test_the_rivals_are_those_that_share_most() -> None:
    alike = [f"{name} | symptom | {sign}" for name in "ABCDE" for sign in ("Fever", "Rash")]
    codes = [f"{name} | code | {name}1" for name in "ABCDEFGHIJ"]
    others = [f"{name} | symptom | Cough" for name in "FGHIJ"]
    contrasts = Contrasts(graph_of(*others, *codes, *alike), random.Random(0))
    assert set(contrasts.rivals["A"]) == set("BCDE")
    assert all(len(rivals) == NEAREST for rivals in contrasts.rivals.values())


def test_what_nearly_all_have_makes_nothing_alike() -> None:
    many = [f"D{number} | symptom | Fatigue" for number in range(COMMON + 1)]
    pair = ["D0 | symptom | Tremor", f"D{COMMON} | symptom | Tremor"]
    contrasts = Contrasts(graph_of(*many, *pair), random.Random(0))
    assert contrasts.rivals["D0"][0] == f"D{COMMON}"


def test_a_contrast_names_both_and_the_answer_is_one_of_them(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    triples = {graph.fact_id(triple): triple for triple in graph.triples}
    asked = [lesson for lesson in lessons_on(shelf, facts) if lesson.kind == "contrast"]
    sides = set()
    for lesson in asked:
        (fact,) = (triples[own] for own in lesson.facts)
        answer = lesson.parts[0][0]
        side = "subject" if answer == fact.subject else "object"
        sides.add(side)
        objects = tuple(triple.object for triple in graph.triples if triple.relation == fact.relation)
        others = graph.subjects if side == "subject" else objects
        assert lesson.prompt is not None
        assert fact.subject in lesson.prompt
        assert fact.object in lesson.prompt
        assert any(name in lesson.prompt for name in others if name not in (fact.subject, fact.object))
    assert sides == {"subject", "object"}


def test_names_are_never_read_as_fields(shelf: Run, graph: Callable[..., Artifact]) -> None:
    facts = graph("A {noun} | code | {x}\nB {0} | code | {y}\nC | code | }z{")
    prompts = [str(lesson.prompt) for lesson in lessons_on(shelf, facts)]
    assert any("A {noun}" in prompt and "{x}" in prompt for prompt in prompts)


def test_what_differs_from_nothing_is_asked_plainly(shelf: Run, graph: Callable[..., Artifact]) -> None:
    facts = graph("Gout | symptom | Pain\nGout | code | M10")
    lessons = lessons_on(shelf, facts)
    assert [lesson.kind for lesson in lessons] == ["question"] * 12
