"""The letter in an answer, with and without thoughts, in both languages."""

from __future__ import annotations

import pytest

from deepseek_fusion.evaluation.exams.prompts import continued, letter_in, lettered, without_thought

OPTIONS = ("Gout", "Fever", "Cough", "Asthma")
ANSWERS = {
    "B": 1,
    "b.": 1,
    "(b)": 1,
    "**D**": 3,
    "B. Fever": 1,
    "C、咳嗽": 2,
    "Answer: D": 3,
    "The answer is (C).": 2,
    "The correct answer is **B. Fever**": 1,
    "Answer: Gout": 0,
    "A is correct": 0,
    "The answer is A because of the toe.": 0,
    "A. Gout B. Fever. The correct answer is B": 1,
    "Option A is wrong. The answer is D": 3,
    "I would take option B": 1,
    r"So \boxed{C}": 2,
    "答案是C": 2,
    "答案：B。因为发烧": 1,
    "应选Ｄ": 3,
    "选项A错误，答案为D": 3,
    "It is asthma, I think": 3,
    "A fever is a sign of it": 1,
    "Gout or fever": None,
    "I do not know.": None,
    "Because I am a model": None,
    "Ebola": None,
    "E": None,
    "": None,
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_letter_of_an_answer(answer: str) -> None:
    assert letter_in(answer, OPTIONS) == ANSWERS[answer]


def test_the_longer_of_two_options_that_hold_each_other() -> None:
    assert letter_in("I say type 2 diabetes.", ("diabetes", "type 2 diabetes")) == 1
    assert letter_in("痛风性关节炎", ("痛风", "痛风性关节炎")) == 1


THOUGHTS = {
    ("<think>B? No.</think>\n\nA", False): "A",
    ("B? No.</think>A", True): "A",
    ("A", False): "A",
    ("<think>It could be A", False): None,
    ("It could be A", True): None,
    ("<think>x</think> A <think>but", False): None,
    ("<think></think>", False): "",
}


@pytest.mark.parametrize(("text", "opened"), THOUGHTS)
def test_a_thought_is_no_answer(text: str, opened: bool) -> None:
    assert without_thought(text, opened) == THOUGHTS[text, opened]


def test_prompts_are_those_of_the_field() -> None:
    assert continued("Is it {gout}?", "", "en") == "Question: Is it {gout}?\nAnswer:"
    assert continued("", "", "zh") == "答案："
    assert continued("是吗？", "他说。", "zh") == "材料：他说。\n问题：是吗？\n答案："
    assert lettered("Which?", "", ("x", "y"), "en").startswith("Which?\nA. x\nB. y\n")
