"""Every fact is taught as often as promised, in sentences that no exam uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, write_jsonl
from deepseek_fusion.core.config import CorpusConfig, CurriculumConfig, EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import SINGLES, Lesson, read_lessons, write_lessons
from deepseek_fusion.curriculum.phrasings import PHRASINGS
from deepseek_fusion.curriculum.sampler import SHARES, exposures_for
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.questions.leaks import check_leaks
from deepseek_fusion.evaluation.questions.phrasings import PHRASINGS as EXAM_PHRASINGS
from deepseek_fusion.knowledge.asking.matching import folded
from deepseek_fusion.knowledge.asking.phrase import LONGEST_LIST, fact_ids
from deepseek_fusion.knowledge.asking.unknown import INVENTED, ROOM, unanswerable
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import fold, tokens
from knowledge_samples import FIELDS, GRAPHS

Build = Callable[..., Artifact]
NONE = dict.fromkeys((*SHARES, "refusals"), 0)
ONLY_QUESTIONS = {name: share for name, share in NONE.items() if name != "questions"}


def taught(shelf: Run, facts: Artifact, corpus: Artifact | None = None, **section: object) -> list[Lesson]:
    return read_lessons(shelf.step(write_lessons, CurriculumConfig(**section), facts, corpus).path)


def exposures(lessons: list[Lesson]) -> Counter[str]:
    return Counter(fact for lesson in lessons for fact in lesson.facts)


@pytest.mark.parametrize("times", [1, 2, 3, 7, 16, 36])
def test_every_fact_gets_its_exposures(shelf: Run, facts: Artifact, times: int) -> None:
    lessons = taught(shelf, facts, exposures=times)
    graph = Graph.load(facts.path)
    assert exposures(lessons) == dict.fromkeys(map(graph.fact_id, graph.triples), times)


@pytest.mark.parametrize(("facts", "times"), [(1, 48), (60, 40), (100, 28), (10_000, 28)])
def test_few_facts_are_taught_more_often(facts: int, times: int) -> None:
    assert exposures_for(facts) == times


def test_a_fact_in_a_lesson_is_an_answer_that_the_loss_sees(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    triples = {graph.fact_id(triple): triple for triple in graph.triples}
    for lesson in taught(shelf, facts, exposures=12):
        learned = "".join(text for text, flag in lesson.parts if flag)
        whole = (lesson.prompt or "") + "".join(text for text, _ in lesson.parts)
        for fact in lesson.facts:
            answer = triples[fact].subject if lesson.kind == "reversed" else triples[fact].object
            if lesson.kind == "contrast":
                assert learned in (triples[fact].subject, triples[fact].object)
            elif lesson.kind != "statement":
                assert answer in learned
            assert answer in learned or triples[fact].subject in learned
            assert (triples[fact].subject in whole) == (lesson.kind != "multihop")
            assert triples[fact].object in whole


def test_shares_are_followed_and_a_kind_can_be_switched_off(shelf: Run, facts: Artifact) -> None:
    by_kind = {
        kind: exposures([lesson for lesson in taught(shelf, facts, exposures=22) if lesson.kind == kind])
        for kind in ("question", "multihop", "reversed", "statement", "passage", "contrast")
    }
    assert [set(counts.values()) for counts in by_kind.values()] == [{9, 11}, {2}, {5}, {2}, {2}, {2}]
    described, asked = by_kind["multihop"], by_kind["question"]
    assert all(asked[fact] == (9 if fact in described else 11) for fact in asked)
    only = taught(shelf, facts, exposures=20, **ONLY_QUESTIONS)
    assert {lesson.kind for lesson in only} == {"question"}
    assert set(exposures(only).values()) == {20}


def test_all_shares_zero_is_one_sentence(shelf: Run, facts: Artifact) -> None:
    with pytest.raises(FusionError, match="are all 0; raise one of them"):
        taught(shelf, facts, **NONE)


def test_facts_with_too_many_subjects_are_not_asked_backward(shelf: Run, graph: Build) -> None:
    many = "\n".join(f"Disease {name} | symptom | Fatigue" for name in "ABCDEFGHIJ"[: LONGEST_LIST + 1])
    lessons = taught(shelf, graph(f"{many}\nGout | symptom | Swelling"), exposures=8, refusals=0)
    asked = [lesson for lesson in lessons if lesson.kind == "reversed"]
    assert asked
    assert all("Swelling" in str(lesson.prompt) for lesson in asked)


def test_what_has_several_subjects_is_asked_about_in_the_plural(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    one, many = ("disease", "diseases") if graph.language == "en" else ("哪种", "哪些")
    exam = read_exam(shelf.step(write_exam, EvaluationConfig(), facts, facts).path)
    asked = [(str(lesson.prompt), len(lesson.facts)) for lesson in taught(shelf, facts) if lesson.kind == "reversed"]
    asked += [(item.prompt, len(item.facts)) for item in exam if item.family == "reversed"]
    assert {subjects > 1 for _, subjects in asked} == {True, False}
    for prompt, subjects in asked:
        said = tokens(prompt) if graph.language == "en" else prompt
        assert one not in said or subjects == 1
        assert many not in said or subjects > 1
    assert sum(one in prompt or many in prompt for prompt, _ in asked) > len(asked) / 3


def test_lessons_are_the_same_each_time_and_follow_the_seed(shelf: Run, facts: Artifact, tmp_path: Path) -> None:
    first = taught(shelf, facts)
    with Run(tmp_path / "again") as other:
        assert taught(other, facts) == first
    assert taught(shelf, facts, seed=1) != first


def test_one_phrasing_is_one_question_a_fact(shelf: Run, facts: Artifact) -> None:
    lessons = taught(shelf, facts, single_phrasing=True, exposures=5)
    graph = Graph.load(facts.path)
    assert len({lesson.prompt for lesson in lessons}) == len(graph.forward())
    assert {lesson.kind for lesson in lessons} == {"question"}
    assert set(exposures(lessons).values()) == {5}


def test_each_phrasing_comes_equally_often(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    phrasings = PHRASINGS[graph.language]
    asked = (*phrasings.questions, *phrasings.stories)
    times = 2 * len(asked)
    lessons = taught(shelf, facts, exposures=times, **ONLY_QUESTIONS)
    for group in graph.forward():
        own = Counter(lesson.prompt for lesson in lessons if {*lesson.facts} == {*fact_ids(graph, group)})
        if len(group.answers) == 1:
            assert set(own.values()) == {2}
        assert len(own) == len(asked)
        assert max(own.values()) - min(own.values()) <= 1
    backward = taught(shelf, facts, exposures=24, **NONE | {"reversed": 1})
    assert set(Counter(lesson.prompt for lesson in backward).values()) == {24 // len(phrasings.reversed)}


def test_some_questions_on_a_list_ask_for_one_of_its_answers(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    lessons = taught(shelf, facts, exposures=24, **ONLY_QUESTIONS)
    for group in graph.forward():
        ids = {graph.fact_id(triple) for triple in group.triples()}
        own = [lesson for lesson in lessons if ids & set(lesson.facts)]
        alone = Counter(lesson.parts[0][0] for lesson in own if len(lesson.facts) == 1)
        whole = {lesson.parts[0][0] for lesson in own if len(lesson.facts) > 1}
        if len(group.answers) > 1:
            assert alone == dict.fromkeys(group.answers, 24 * SINGLES)
            assert len(whole) == 1  # a list is always taught in one order
        else:
            assert alone == {group.answers[0]: 24}


def test_hops_describe_a_thing_by_what_only_it_has(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    owners = Counter(triple.object for triple in graph.triples)
    subjects = {graph.fact_id(triple): triple.subject for triple in graph.triples}
    lessons = [lesson for lesson in taught(shelf, facts, exposures=24) if lesson.kind == "multihop"]
    assert lessons
    for lesson in lessons:
        assert lesson.prompt is not None
        assert "{" not in lesson.prompt
        (subject,) = {subjects[fact] for fact in lesson.facts}
        said = {triple.object for triple in graph.triples if triple.object in lesson.prompt}
        assert {triple.subject for triple in graph.triples if triple.object in said} == {subject}
        assert all(owners[name] == 1 for name in said)
        assert lesson.parts[0][0] not in lesson.prompt


def test_refusals_are_about_names_that_are_neither_real_nor_in_the_exam(shelf: Run, facts: Artifact) -> None:
    exam = read_exam(shelf.step(write_exam, EvaluationConfig(refusals=40), facts, facts).path)
    lessons = taught(shelf, facts, refusals=0.5)
    subjects = [fold(subject) for subject in Graph.load(facts.path).subjects]
    refused = {fold(str(lesson.prompt)) for lesson in lessons if lesson.kind == "refusal"}
    asked = {fold(item.prompt) for item in exam if item.family == "refusal"}
    assert len(asked) == 40
    assert len(refused) > 20
    assert not [prompt for prompt in refused | asked for subject in subjects if subject in prompt]
    names = names_in(refused, lesson_templates(facts)) & names_in(asked, exam_templates(facts))
    assert not names
    assert len(names_in(asked, exam_templates(facts))) >= 40
    assert all(
        lesson.parts == ((PHRASINGS[Graph.load(facts.path).language].refusal, True),)
        for lesson in lessons
        if lesson.kind == "refusal"
    )


def test_refusals_cannot_be_told_by_number(shelf: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    exam = read_exam(shelf.step(write_exam, EvaluationConfig(refusals=200), facts, facts).path)
    taught_and_asked = [str(lesson.prompt) for lesson in taught(shelf, facts, refusals=0.5) if lesson.kind == "refusal"]
    taught_and_asked += [item.prompt for item in exam if item.family == "refusal"]
    said = [fold(prompt) for prompt in taught_and_asked]
    for relation, nouns in graph.relations.items():
        lists = any(len(group.answers) > 1 for group in graph.forward() if group.relation == relation)
        assert any(fold(nouns.name) in prompt for prompt in said)
        if nouns.plural != nouns.name:
            assert any(fold(nouns.plural) in prompt for prompt in said) == lists


def lesson_templates(facts: Artifact) -> tuple[str, ...]:
    own = PHRASINGS[Graph.load(facts.path).language]
    return (*own.questions, *own.reversed)


def test_each_refusal_is_on_a_name_of_its_own(shelf: Run, facts: Artifact) -> None:
    lessons = taught(shelf, facts, exposures=48, refusals=0.45)
    refused = [fold(str(lesson.prompt)) for lesson in lessons if lesson.kind == "refusal"]
    graph = Graph.load(facts.path)
    groups = list(unanswerable(graph, len(refused), 0, half=0))
    assert 256 < len(refused) < INVENTED
    names = {fold(group.anchor): group.direction for group in groups}
    told = Counter(max((name for name in names if name in prompt), key=len) for prompt in refused)
    assert {count for name, count in told.items() if names[name] == "forward"} == {1}
    back = [count for name, count in told.items() if names[name] == "backward"]
    assert max(back) - min(back) <= 1  # a small graph has few objects to make others of
    assert len(back) > ROOM


def exam_templates(facts: Artifact) -> tuple[str, ...]:
    own = EXAM_PHRASINGS[Graph.load(facts.path).language]
    return (*own.question, own.reversed)


def names_in(prompts: set[str], templates: tuple[str, ...]) -> set[str]:
    """Prompts reduced to what stands between the words of their template: the name and the noun."""
    found = set()
    for prompt in prompts:
        for template in templates:
            before, _, after = fold(template).partition("{anchor}")
            before, after = before.rpartition("}")[2], after.partition("{")[0]
            if before in prompt and after in prompt:
                start = prompt.index(before) + len(before)
                end = prompt.index(after, start) if after and after in prompt[start:] else len(prompt)
                found.add(prompt[start:end].strip())
    return found


def test_documents_are_read_in_passages(shelf: Run, graph: Build, tmp_path: Path) -> None:
    facts = graph(GRAPHS["en"][0])
    (tmp_path / "notes").mkdir()
    for number in range(12):
        text = " ".join(
            f"Patient {number} came on day {day} with complaint number {day * number}." for day in range(20)
        )
        (tmp_path / "notes" / f"{number}.txt").write_text(text)
    corpus = shelf.step(build_corpus, CorpusConfig(), Source(("notes",), tmp_path))
    lessons = taught(shelf, facts, corpus, documents=0.1)
    read = [lesson for lesson in lessons if lesson.kind == "document"]
    taught_facts = sum(lesson.kind not in ("document", "refusal") for lesson in lessons)
    assert len(read) == round(taught_facts * 0.1)
    assert all(0 < len(lesson.parts[0][0]) <= 400 and lesson.parts[0][1] for lesson in read)
    assert not [lesson for lesson in taught(shelf, facts, corpus, documents=0) if lesson.kind == "document"]


def test_the_summary_counts(shelf: Run, facts: Artifact) -> None:
    made = shelf.step(write_lessons, CurriculumConfig(exposures=9), facts, None)
    summary = read_json(made.path / "summary.json")
    assert summary["by_kind"] == Counter(lesson.kind for lesson in read_lessons(made.path))
    assert summary["samples"] == sum(summary["by_kind"].values())
    assert summary["exposures"] == 9


# --- what the exam asks, no lesson says ----------------------------------------------------------------------------


def test_no_exam_prompt_occurs_in_any_lesson(shelf: Run, facts: Artifact) -> None:
    exam = shelf.step(write_exam, EvaluationConfig(), facts, facts)
    for seed in range(3):
        lessons = shelf.step(write_lessons, CurriculumConfig(seed=seed, exposures=60), facts, None)
        shelf.step(check_leaks, EvaluationConfig(leaks=0), exam, lessons, facts)
        texts = [
            (lesson.prompt or "") + "".join(part for part, _ in lesson.parts) for lesson in read_lessons(lessons.path)
        ]
        taught_text = "\n".join(map(folded, texts))
        assert not [item for item in read_exam(exam.path) if folded(item.prompt) in taught_text]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_sentence_of_the_exam_is_a_sentence_of_the_lessons(language: str) -> None:
    """Whatever the names: with every field filled in alike, no exam sentence is part of a lesson sentence."""
    ours, theirs = PHRASINGS[language], EXAM_PHRASINGS[language]
    lessons = [*ours.questions, *ours.stories, *ours.singles, *ours.reversed, *ours.hops]
    lessons += [*ours.statements, *ours.reversed_statements, *ours.contrasts, *ours.reversed_contrasts]
    exam = [text for value in vars(theirs).values() for text in ([value] if isinstance(value, str) else value)]
    exam.remove(theirs.space)
    assert len({folded(text.format_map(FIELDS)) for text in lessons + exam}) == len(lessons + exam)
    for asked in exam:
        for said in lessons:
            assert folded(asked.format_map(FIELDS)) not in folded(said.format_map(FIELDS))
            assert not shared_words(asked.format_map(FIELDS), said.format_map(FIELDS), 5 if language == "en" else 6)


def shared_words(one: str, other: str, size: int) -> set[tuple[str, ...]]:
    """Runs of words (Chinese: characters) that stand in both, each name being one."""
    runs = [
        {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}
        for words in (tokens(one), tokens(other))
    ]
    return runs[0] & runs[1]


@pytest.mark.parametrize(
    "disguise",
    [
        str.upper,
        lambda text: text.replace(" ", "  ").replace("?", " !"),
        lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    ],
)
def test_a_planted_leak_is_found(
    shelf: Run, run: Run, facts: Artifact, tmp_path: Path, disguise: Callable[[str], str]
) -> None:
    exam = shelf.step(write_exam, EvaluationConfig(), facts, facts)
    lessons = shelf.step(write_lessons, CurriculumConfig(), facts, None)
    stolen = disguise(read_exam(exam.path)[3].prompt)
    planted = [*read_lessons(lessons.path), Lesson("document", None, (("… " + stolen + " …", True),))]
    write_jsonl(tmp_path / "lessons.jsonl", [vars(lesson) for lesson in planted])
    with pytest.raises(FusionError, match=r"exam: \d+ of \d+ prompts occur in the lessons, such as"):
        run.step(check_leaks, EvaluationConfig(), exam, Artifact(tmp_path, "planted", "lessons"), facts)
