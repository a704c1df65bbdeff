"""How often each fact is taught and in which forms: by what there is room for, and by how rare and deep it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import CurriculumConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.curriculum.lessons import Lesson, read_lessons, write_lessons
from deepseek_fusion.curriculum.phrasings import PHRASINGS
from deepseek_fusion.curriculum.sampler import BACKWARD, RICH, SHARES, affordable, plan_lessons, tail_factors, times_of
from deepseek_fusion.knowledge.graph import Graph, Group, Relation, Triple
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.lessons import read_samples

Find = Callable[[str], ModelSource]
ALL = {"question", "reversed", "multihop", "statement", "passage", "contrast"}
TREE = [("Organ", "Body"), ("Heart", "Organ"), ("Valve", "Heart"), ("Leaflet", "Valve")]


@pytest.fixture
def taught(shelf: Run, facts: Artifact, source: Find) -> Callable[..., Artifact]:
    """The lessons of a section, whose tokens are those of the tiny Llama."""

    def teach(**section: object) -> Artifact:
        return shelf.step(write_lessons, CurriculumConfig(**section), facts, None, source("llama"))

    return teach


def exposures(made: Artifact) -> int:
    return int(read_json(made.path / "summary.json")["exposures"])


def kinds(lessons: list[Lesson]) -> set[str]:
    return {lesson.kind for lesson in lessons} - {"refusal"}


@pytest.mark.parametrize("tokens", [8_000, 60_000])
def test_a_budget_is_used_and_kept(
    taught: Callable[..., Artifact], language: Callable[[str], Language], tokens: int
) -> None:
    """Counted by the room that trains, not by the one that writes."""
    llama = language("llama")
    made = taught(tokens=tokens)
    used = sum(map(len, read_samples(made, llama)))
    times = exposures(made)
    assert used <= tokens
    assert used > tokens * (1 - 1.5 / times)
    assert taught(tokens=tokens + 1) != made


def test_few_exposures_are_plain_questions_and_more_come_in_more_forms(
    taught: Callable[..., Artifact], facts: Artifact
) -> None:
    graph = Graph.load(facts.path)
    stories = [text.split("{")[0] for text in PHRASINGS[graph.language].stories if not text.startswith("{")]
    seen = []
    for times in (12, BACKWARD, RICH):
        lessons = read_lessons(taught(tokens=None, exposures=times).path)
        assert kinds(lessons) == ALL  # as configured
        plans = plan_lessons(graph, times, CurriculumConfig(tokens=10**6))
        forms = [{form for form in SHARES if plan.times[form]} for plan in plans.values()]
        assert all(own == forms[0] for own in forms)
        assert all(sum(plan.times.values()) == times for plan in plans.values())
        seen.append((forms[0], {plan.stories for plan in plans.values()}))
    assert seen == [
        ({"questions"}, {False}),
        ({"questions", "reversed"}, {True}),
        (set(SHARES), {True}),
    ]
    poor = taught(tokens=8_000)
    assert exposures(poor) < BACKWARD
    asked = [lesson for lesson in read_lessons(poor.path) if lesson.kind != "refusal"]
    assert {lesson.kind for lesson in asked} == {"question"}
    assert not [lesson for lesson in asked if str(lesson.prompt).startswith(tuple(stories))]
    rich = taught(tokens=80_000)
    assert exposures(rich) >= RICH
    assert kinds(read_lessons(rich.path)) == ALL
    assert [lesson for lesson in read_lessons(rich.path) if str(lesson.prompt).startswith(tuple(stories))]


def test_a_form_that_alone_is_wanted_is_taught_however_few_exposures(facts: Artifact) -> None:
    section = CurriculumConfig(tokens=10**6, **dict.fromkeys(set(SHARES) - {"reversed"}, 0))
    plans = plan_lessons(Graph.load(facts.path), 4, section)
    assert {plan.times["reversed"] for plan in plans.values()} == {4}


def test_a_budget_for_less_than_one_exposure_is_one_sentence(taught: Callable[..., Artifact]) -> None:
    with pytest.raises(FusionError, match=r"curriculum.tokens: to teach each fact once takes [\d,]+ tokens; allow"):
        taught(tokens=100)


def test_a_budget_and_exposures_are_not_given_together(project: Callable[..., Path]) -> None:
    text = "name: x\nknowledge:\n  sources: [facts.csv]\ncurriculum: {exposures: 4, tokens: 1000}\n"
    with pytest.raises(FusionError, match=r"`curriculum.tokens` should stand without `exposures`"):
        load_config(project(text))


@pytest.mark.parametrize(("budget", "times"), [(10, 1), (99, 9), (100, 10), (10**9, 1023)])
def test_the_most_that_a_budget_allows(budget: int, times: int) -> None:
    assert affordable(lambda asked: 10 * asked, budget) == times


def tree(mentions: dict[str, int]) -> Graph:
    triples = tuple(Triple(child, "parent", above) for child, above in TREE)
    return Graph(triples, "structure", {"parent": Relation("parent", "parents")}, mentions=mentions)


def test_rare_and_deep_subjects_are_taught_more_often() -> None:
    factors = tail_factors(tree({"Organ": 99, "Heart": 9, "Valve": 9}), 2.0)
    assert list(factors) == ["Organ", "Heart", "Valve", "Leaflet"]
    assert factors["Heart"] < factors["Valve"] < factors["Leaflet"] == 2.0
    assert factors["Organ"] == 1.0
    deep = tail_factors(tree({}), 3.0)  # no corpus: by depth alone
    assert sorted(deep.values()) == list(deep.values())
    assert deep["Leaflet"] == 3.0
    flat = Graph(
        tuple(Triple(name, "code", f"M{place}") for place, name in enumerate(("Gout", "痛风", "Asthma"))),
        "disease",
        {"code": Relation("code", "codes")},
        mentions={"Gout": 7, "痛风": 1},
    )
    assert tail_factors(flat, 2.0) == pytest.approx({"Gout": 1.0, "痛风": 1 + 2 / 3, "Asthma": 2.0})  # log 2 / log 8
    assert set(tail_factors(flat, 1.0).values()) == {1.0}


def test_the_tail_gets_more_lessons_and_the_head_as_many_as_before(shelf: Run, tmp_path: Path) -> None:
    graph = tree({"Organ": 99, "Heart": 9, "Valve": 9})
    graph.save(tmp_path)
    facts = Artifact(tmp_path, "tree", "graph")
    plain, tail = (
        Counter(
            fact
            for lesson in read_lessons(
                shelf.step(write_lessons, CurriculumConfig(exposures=12, long_tail=most), facts, None).path
            )
            for fact in lesson.facts
        )
        for most in (1.0, 2.0)
    )
    ids = {triple.subject: graph.fact_id(triple) for triple in graph.triples}
    assert set(plain.values()) == {12}
    assert tail[ids["Leaflet"]] == 24
    assert 12 < tail[ids["Heart"]] < tail[ids["Valve"]] < 24


@pytest.mark.parametrize(("subjects", "list_of_four", "code"), [(35, 1, 1), (160, 2, 3), (1000, 4, 4)])
def test_among_many_subjects_lists_and_codes_are_asked_back_from_more_often(
    subjects: int, list_of_four: int, code: int
) -> None:
    names = [f"Disease {chr(0x4E00 + number)}" for number in range(subjects)]
    facts = [Triple(name, "symptom", "Fever") for name in names]
    graph = Graph(tuple(facts), "disease", {"symptom": Relation("symptom", "symptoms")})
    plans = plan_lessons(graph, 25, CurriculumConfig())
    times = plans[names[0]].times["reversed"]

    def asked(anchor: str, *answers: str, direction: str = "backward") -> int:
        return times_of(plans, Group(anchor, "symptom", answers, direction), "reversed")

    assert asked("发热", names[0]) == times
    assert asked("发热", *names[:4]) == list_of_four * times
    assert asked("M10.9", names[0]) == asked("Ｍ１０", names[0]) == code * times
    assert asked(names[0], "M10.9", "Fever", "Gout", "x", direction="forward") == times
