"""Public sets, instructions and the form of a turn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.answers.abilities import (
    ITEMS,
    SETS,
    AbilitiesConfig,
    packaged_sets,
    read_sets,
    sit_abilities,
)
from deepseek_fusion.evaluation.answers.general import QUESTIONS
from deepseek_fusion.evaluation.questions.instructions import INSTRUCTIONS
from deepseek_fusion.knowledge.asking.matching import folded
from deepseek_fusion.knowledge.language import fold
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.prompts import PROMPTS

USABLE = {"input": [{"role": "user", "content": "Ice is\n\n A: cold\n B: hot"}], "ideal": "A"}
UNUSABLE = [
    {"input": [{"role": "user", "content": "Two alike\n\n A: cold\n B: Cold"}], "ideal": "A"},
    {"input": [{"role": "user", "content": "One empty\n\n A: cold\n B: "}], "ideal": "A"},
    {"input": [{"role": "user", "content": "Not among them\n\n A: cold\n B: hot"}], "ideal": "C"},
    {"input": [{"role": "user", "content": "One is missing\n\n A: cold\n C: hot"}], "ideal": "A"},
    {"input": [{"role": "user", "content": "No options at all"}], "ideal": "A"},
    {"input": [{"role": "user", "content": "\n A: without\n B: a question"}], "ideal": "A"},
    {"input": [{"role": "user", "content": "Long " * 99 + "\n A: cold\n B: hot"}], "ideal": "A"},
]


def public_sets(place: Path, usable: int = ITEMS) -> Source:
    """Files as the package has them."""
    for file, _ in SETS.values():
        path = place / file
        path.parent.mkdir(parents=True, exist_ok=True)
        numbered = [
            {"input": [{"role": "user", "content": f"{n}: Ice is\n\n A: cold\n B: hot"}], "ideal": "AB"[n % 2]}
            for n in range(usable)
        ]
        path.write_text("\n".join(map(json.dumps, [*numbered, *UNUSABLE])), encoding="utf-8")
    return Source((".",), place)


def test_unusable_questions_are_counted_and_the_others_asked(tmp_path: Path) -> None:
    for found in read_sets(public_sets(tmp_path)).values():
        assert found.unusable == len(UNUSABLE)
        assert [question.options for question in found.questions[:2]] == [("cold", "hot"), ("hot", "cold")]
        assert found.questions[3].text == "3: Ice is"
        assert len(found.questions) == ITEMS
    assert [question.text for question in read_sets(public_sets(tmp_path, 2 * ITEMS))["quartz"].questions[:2]] == [
        "0: Ice is",
        "2: Ice is",
    ]
    assert read_sets(None) == {}


def test_a_set_with_too_few_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match=r"samples.jsonl: 59 usable questions where 60 are asked; reinstall evals"):
        read_sets(public_sets(tmp_path, ITEMS - 1))


def test_the_packaged_sets_can_be_read() -> None:
    if (files := packaged_sets()) is None:
        pytest.skip("the package evals is not installed")
    for name, found in read_sets(files).items():
        assert len(found.questions) == ITEMS, name
        assert len({question.text for question in found.questions}) == ITEMS
        for question in found.questions:
            assert len({fold(option) for option in question.options}) == len(question.options) >= 2


def test_no_instruction_is_a_replay_prompt_or_a_general_question() -> None:
    others = {folded(prompt) for prompt in PROMPTS} | {folded(question) for question, _ in QUESTIONS}
    asked = [folded(instruction.prompt) for own in INSTRUCTIONS.values() for instruction in own]
    assert len(set(asked)) == len(asked)
    assert not [(a, b) for a in asked for b in others if a in b or b in a]
    assert 20 <= len(INSTRUCTIONS["en"]) <= 30


OBEYED = {
    "en": (
        *("Puppy.", "winter", "snow flakes", "GARDEN", "WHITE", "earth.", "red, green, blue"),
        *(
            "cat, dog, cow, hen",
            "May; June",
            "Yes.",
            "no",
            "2",
            "10.",
            "Surely, I do.",
            "Dear friend, have a good day!",
        ),
        *("Thank you so much, goodbye.", "Rivers flow to the sea.", "Trees are tall. They have leaves."),
        *("A lantern glows.", "The sea is wide.", '"Good morning!"', "The bridge is closed today.", "1 2 3 4 5"),
        *("- read\n- cook\n- sleep", "Apple", "C"),
    ),
    "zh": (
        *("狗", "白", "红、绿、蓝", "猫，狗，牛，羊", "是。", "错", "2", "当然喜欢。", "谢谢你的礼物，再见！"),
        *("河流入海。", "大海很宽。", "今天桥不通车。"),
    ),
}
DISOBEYED = {
    "en": (
        *("A puppy", "the winter", "snow", "garden", "White", "Earth", "red, green", "Cats: cat, dog, cow and hen"),
        *("May, June", "Yes, ice is cold.", "They do not.", "two", "ten", "I do, surely.", "Hello, dear friend!"),
        *("Goodbye, thank you.", "They flow. To the sea.", "Trees are tall.", "A lamp glows.", "The sea, it is wide."),
        *("Good morning", "The bridge is closed.", "1, 2, 3, 4, 5", "- read\n- cook", "the apple", "The letter is C"),
    ),
    "zh": (
        *("小狗长大以后叫大狗", "白色", "红和绿", "猫狗牛羊", "冰是冷的", "不会", "两个", "我当然喜欢", "再见，谢谢"),
        *("河流入海。河很长。", "大海，很宽。", "今天桥通车。"),
    ),
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_instructions_are_checked(language: str) -> None:
    instructions = INSTRUCTIONS[language]  # type: ignore[index]
    for instruction, right, wrong in zip(instructions, OBEYED[language], DISOBEYED[language], strict=True):
        assert instruction.obeyed(right), (instruction.prompt, right)
        assert not instruction.obeyed(wrong), (instruction.prompt, wrong)
        assert not instruction.obeyed("")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_model_is_asked_everything(
    run: Run, source: Callable[[str], ModelSource], tmp_path: Path, language: Literal["en", "zh"]
) -> None:
    section, sets = AbilitiesConfig(language=language), public_sets(tmp_path / "sets")
    made = read_json(run.step(sit_abilities, section, source("llama"), None, sets).path / "abilities.json")
    assert [row["name"] for row in made["sets"]] == list(SETS)
    for row in made["sets"]:
        assert (len(row["answers"]), row["chance"], row["unusable"]) == (ITEMS, 0.5, len(UNUSABLE))
        assert {answer["answer"] for answer in row["answers"]} <= {"cold", "hot"}
        assert 0 < sum(answer["right"] for answer in row["answers"]) < ITEMS  # half of them are on the other side
    spoken = [row["language"] for row in made["instructions"]]
    assert spoken.count("en") == len(INSTRUCTIONS["en"])
    assert spoken.count("zh") == (len(INSTRUCTIONS["zh"]) if language == "zh" else 0)
    assert not any(row["right"] for row in made["instructions"] if not row["ended"])


def test_without_the_package_there_are_no_sets(run: Run, source: Callable[[str], ModelSource]) -> None:
    made = run.step(sit_abilities, AbilitiesConfig(language="en"), source("llama"), None, None)
    absent = read_json(made.path / "abilities.json")
    assert (absent["sets"], absent["absent"]) == ([], "the package evals is not installed")


def test_the_form_of_a_turn_is_seen(models: Callable[[str], Path]) -> None:
    """A model whose head prefers one token says nothing else: the end of its turn, another special token, a word."""
    import torch

    from deepseek_fusion.evaluation.answers.abilities import _instructed
    from deepseek_fusion.models.loading import load_language

    seen = {}
    for said in ("<|im_end|>", "<|im_start|>", "a"):
        language = load_language(models("qwen2"))  # its head is not tied to the embedding
        (token,) = language.encode(said)
        with torch.no_grad():
            language.head.weight.zero_()
            bias = torch.nn.Parameter(torch.zeros(language.head.weight.shape[0]))
            bias[token] = 9.0
            language.head.bias = bias
        rows = list(_instructed(language, "en"))
        seen[said] = {(row["ended"], row["clean"], row["answer"][:2]) for row in rows}
    assert seen == {"<|im_end|>": {(True, True, "")}, "<|im_start|>": {(False, False, "")}, "a": {(False, True, "aa")}}
