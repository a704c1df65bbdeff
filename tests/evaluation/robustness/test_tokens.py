"""What an attack may replace, and with what."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from transformers import ByT5Tokenizer

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.robustness.tokens import Target, Vocabulary, _common_characters, _units
from deepseek_fusion.models.loading import Language
from evaluation.robustness.conftest import exam_questions, small_graph, targets

Load = Callable[[str], Language]


def vocabulary(language: Load, tongue: str) -> Vocabulary:
    return Vocabulary(language("llama"), small_graph(tongue))


@pytest.mark.parametrize("tongue", ["en", "zh"])
def test_candidates_are_real_text_in_the_script_of_the_language(language: Load, tongue: str) -> None:
    words = vocabulary(language, tongue)
    special = set(words.language.tokenizer.all_special_ids)
    script = {"en": r" ?[A-Za-z]+|[,.;:!?]", "zh": "[\u4e00-\u9fff]+|[，。；：！？、]"}[tongue]
    assert {name for name, _ in words.candidates} >= {"word", "mark"}
    for (_, length), units_Cn in words.candidates.items():
        assert units_Cn.shape[1] == length
        for unit in units_Cn[:: max(1, len(units_Cn) // 50)].tolist():
            text = words.language.decode(unit)
            assert re.fullmatch(script, text), text
            assert words.language.encode(text) == unit
            assert not special & set(unit)


@pytest.mark.parametrize("tongue", ["en", "zh"])
def test_names_relation_and_template_are_out_of_reach(language: Load, tongue: str) -> None:
    words = vocabulary(language, tongue)
    for target in targets(words, tongue):
        assert list(target.ids) == words.language.encode_question(target.question.prompt)
        said = [words.language.decode(list(target.unit(place))) for place in range(len(target.units))]
        assert len(said) >= 3
        place = 0
        for text in said:  # they stand in the question one after the other, beside what is kept
            place = target.question.prompt.index(text, place) + len(text)
        kept = [target.question.prompt[start:end] for start, end in target.question.kept]
        assert target.question.group.anchor in kept
        assert any(noun in kept for noun in target.question.nouns)
        masked = target.with_units(
            {place: (words.language.end_of_turn,) * len(target.unit(place)) for place in range(len(said))}
        )
        left = words.language.decode(list(masked.ids))
        assert all(name in left for name in kept)


def test_a_character_spelt_in_bytes_is_one_unit() -> None:
    assert list(_units([(0, 4), (4, 5), (4, 5), (4, 5), (5, 6), (6, 9)])) == [(0, 1), (1, 4), (4, 5), (5, 6)]
    assert list(_units([(8, 15), (15, 17), (16, 17), (17, 18)])) == [(0, 1), (1, 3), (3, 4)]
    assert list(_units([])) == []


def test_common_characters() -> None:
    characters = list(_common_characters())
    assert len(characters) == len(set(characters)) == 3755
    assert (characters[0], characters[-1]) == ("啊", "座")


def flip(words: Vocabulary, target: Target, old: str, new: str) -> Target | None:
    place = next(place for place in range(len(target.units)) if words.language.decode(list(target.unit(place))) == old)
    return words.replaced(target, {place: tuple(words.language.encode(new))})


def test_a_replacement_is_read_back_as_the_same_tokens(language: Load) -> None:
    words = vocabulary(language, "en")
    target = targets(words, "en")[0]
    made = flip(words, target, " about", " entry")
    assert made is not None
    assert made.text == target.question.prompt.replace("about", "entry")
    assert list(made.ids) == words.language.encode_question(made.text)
    assert made.changed == (next(p for p in range(len(target.units)) if target.unit(p) != made.unit(p)),)
    assert flip(words, target, " about", " about") is None


def test_two_tokens_that_the_tokenizer_would_join_are_refused(language: Load) -> None:
    words = vocabulary(language, "en")
    target = next(target for target in targets(words, "en") if "mention" in target.text)
    last = [words.language.decode(list(target.unit(place))) for place in range(len(target.units))]
    refused = [
        unit
        for place in range(len(last) - 3, len(last))
        for unit in words.candidates_for(target.unit(place)).tolist()
        if words.replaced(target, {place: tuple(unit)}) is None and tuple(unit) != target.unit(place)
    ]
    assert refused
    assert all(len(unit) == 1 for unit in refused)


@pytest.mark.parametrize(
    ("tongue", "old", "new"), [("en", " about", " not"), ("en", " about", " ICD"), ("zh", "同事问起", "我不知道")]
)
def test_nothing_that_turns_the_question_round_is_added(language: Load, tongue: str, old: str, new: str) -> None:
    words = vocabulary(language, tongue)
    target = next(target for target in targets(words, tongue) if old in target.text)
    harmless = next(
        text
        for unit in words.candidates_for(tuple(words.language.encode(old))).tolist()
        if len(unit) == len(words.language.encode(new))
        and not words.telling.search(text := words.language.decode(unit))
    )
    assert flip(words, target, old, new) is None
    assert flip(words, target, old, harmless) is not None


def test_a_tokenizer_without_places_is_refused(language: Load) -> None:
    with pytest.raises(FusionError, match="does not tell where tokens stand"):
        Vocabulary(Language(language("llama").model, ByT5Tokenizer()), small_graph("en"))


def test_a_template_that_changes_the_question_is_told(language: Load) -> None:
    words = vocabulary(language, "en")
    words.language.tokenizer.chat_template = "{{ messages[0]['content'] | upper }}"
    assert words.target(exam_questions("en")[0], "X") == "the chat template changes the question"
