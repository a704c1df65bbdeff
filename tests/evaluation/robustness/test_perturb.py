"""Changed questions still ask the same, and are changed."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import yaml

from deepseek_fusion.curriculum.phrasings import PHRASINGS as LESSON_PHRASINGS
from deepseek_fusion.evaluation.questions.phrasings import PHRASINGS
from deepseek_fusion.evaluation.robustness import perturb
from deepseek_fusion.evaluation.robustness.perturb import CHANGES, change, confusable
from deepseek_fusion.evaluation.robustness.question import questions_of, telling
from deepseek_fusion.knowledge.asking.matching import folded
from deepseek_fusion.knowledge.language import HAN
from evaluation.robustness.conftest import exam_items, exam_questions, small_graph
from knowledge_samples import FIELDS

LANGUAGES = ("en", "zh")
KINDS = [(language, kind) for language in LANGUAGES for kind in CHANGES[language]]
SPELLING = ("typos", "case", "width", "homophones", "lookalikes")


@pytest.mark.parametrize(("language", "kind"), KINDS)
def test_the_same_seed_makes_the_same_change_and_another_seed_another(language: str, kind: str) -> None:
    graph, asked = small_graph(language), exam_questions(language)
    first = [change(kind, graph, question, 1) for question in asked]
    again = [change(kind, graph, question, 1) for question in reversed(asked)][::-1]
    assert first == again
    assert first != [change(kind, graph, question, 2) for question in asked]
    changed = [(made.prompt, question.prompt) for made, question in zip(first, asked, strict=True) if made]
    assert len(changed) > len(asked) // 2
    assert not [pair for pair in changed if pair[0] == pair[1]]


@pytest.mark.parametrize(("language", "kind"), KINDS)
def test_only_the_harder_kinds_touch_the_name_and_none_touches_the_relation(language: str, kind: str) -> None:
    graph = small_graph(language)
    for question in exam_questions(language):
        if made := change(kind, graph, question, 0):
            assert (question.group.anchor in made.prompt) != kind.startswith("name_")
            asked = [noun for noun in question.nouns if noun in question.prompt]
            assert asked
            assert asked[0] in made.prompt


@pytest.mark.parametrize("language", LANGUAGES)
def test_spelling_changes_a_few_characters_and_nothing_else(language: str) -> None:
    graph = small_graph(language)
    for kind in SPELLING:
        for question in exam_questions(language) if kind in CHANGES[language] else ():
            made = change(kind, graph, question, 0)
            if made is None:
                continue
            assert made.untrue == ()
            before, after = question.prompt, made.prompt
            if kind == "case":
                assert after.casefold() == before.casefold()
            elif kind == "width":
                assert unicodedata.normalize("NFKC", after) == unicodedata.normalize("NFKC", before)
            elif kind == "typos":
                assert 0 <= len(before) - len(after) <= round(perturb.TYPOS * len(before))
            else:
                pairs = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
                assert 1 <= len(pairs) <= round(perturb.CONFUSED * len(before)) + 1
                assert all(new in confusable(kind)[old] for old, new in pairs)


def test_keys_that_touch() -> None:
    assert set(perturb._neighbours()["s"]) == set("awedxz")
    assert set(perturb._neighbours()["p"]) == set("ol")
    assert len(perturb._neighbours()) == 26


def test_the_table_of_characters_is_sound() -> None:
    file = Path(perturb.__file__).with_name("confusable.yaml")
    tables = yaml.safe_load(file.read_text(encoding="utf-8"))
    for groups in tables.values():
        assert all(len(set(group)) == len(group) >= 2 for group in groups)
        assert all(HAN.match(character) for group in groups for character in group)
        assert len(set(groups)) == len(groups)
    spoken = "".join(tables["homophones"])
    assert len(set(spoken)) == len(spoken) > 800
    for question in exam_questions("zh"):
        for kind in ("homophones", "lookalikes"):
            assert any(question.prompt[place] in confusable(kind) for place in question.free)


@pytest.mark.parametrize("language", LANGUAGES)
def test_context_is_true_of_another_subject_and_a_premise_false_of_this_one(language: str) -> None:
    graph = small_graph(language)
    true = {triple.statement for triple in graph.triples}
    for question in exam_questions(language):
        subject, relation = question.group.anchor, question.group.relation
        context = change("context", graph, question, 0)
        assert context is not None
        assert context.prompt.endswith(question.prompt)
        others = {name for name in graph.subjects if name != subject and name in context.prompt}
        assert any(all((other, relation, name) in true for name in context.untrue) for other in others)
        premise = change("premise", graph, question, 0)
        assert premise is not None
        assert premise.prompt.endswith(question.prompt)
        for made in (context, premise):
            assert made.untrue
            assert not [name for name in made.untrue if (subject, relation, name) in true]
            assert all(name in made.prompt for name in made.untrue)


def test_what_the_graph_cannot_give_is_not_made_up() -> None:
    graph = small_graph("en")
    alone = graph.with_triples(triple for triple in graph.triples if triple.subject == "Gout")
    question = questions_of(alone, exam_items("en"))[0]
    assert change("context", alone, question, 0) is None
    assert change("premise", alone, question, 0) is None
    assert change("paraphrase", alone, question, 0) is not None


def test_a_spoilt_name_is_never_that_of_something_else() -> None:
    graph = small_graph("en")
    question = exam_questions("en")[0]
    spoilt = {made.prompt for seed in range(60) if (made := change("name_typos", graph, question, seed))}
    name = next(name for name in ("Gut", "Got") if any(name.lower() in text.lower() for text in spoilt))
    others = graph.with_triples([*graph.triples, type(graph.triples[0])(name, "code", "Z9")])
    again = {made.prompt for seed in range(60) if (made := change("name_typos", others, question, seed))}
    assert again == {text for text in spoilt if name.lower() not in text.lower()}
    assert len(again) < len(spoilt)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_of_the_trials_is_taught_or_in_the_exam(language: str) -> None:
    """Whatever the names: with every field filled in alike, none is part of a lesson's or another exam sentence."""
    lessons, exam = LESSON_PHRASINGS[language], PHRASINGS[language]
    taught = [*lessons.questions, *lessons.reversed, *lessons.statements, *lessons.reversed_statements]
    asked = [*exam.question, exam.cloze, exam.choice, exam.reversed]
    ours = [*exam.paraphrase, exam.context, exam.premise]
    said = [folded(text.format_map(FIELDS)) for text in (*taught, *asked)]
    assert len({folded(text.format_map(FIELDS)) for text in ours}) == len(ours)
    for text in ours:
        assert not [other for other in said if folded(text.format_map(FIELDS)) in other]


def test_what_turns_a_question_round_is_found() -> None:
    english, chinese = telling(small_graph("en")), telling(small_graph("zh"))
    for text in ("not", "in gout or", "the CODE", "Joint pain", "other symptoms", "specialties"):
        assert english.findall(text), text
    for text in ("knot", "Gouty", "encoded", "pain", "A colleague asks about it. Which should I mention?"):
        assert not english.findall(text), text
    assert chinese.findall("我不应该")
    assert not chinese.findall("同事问起它，我应该提到哪些？")
