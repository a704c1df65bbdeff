"""Instructions whose obedience a program can check. Nobody is taught them; no replay prompt is among them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from deepseek_fusion.knowledge.language import Language

Check = Callable[[str], bool]

_CLOSING = ".!。！"


@dataclass(frozen=True)
class Instruction:
    """What is asked, and whether an answer does it; whether it is also true is not looked at."""

    prompt: str
    obeyed: Check


def words(count: int) -> Check:
    """So many words."""
    return lambda answer: len(answer.split()) == count


def characters(most: int) -> Check:
    """So many characters at most, without closing punctuation."""
    return lambda answer: 0 < len(answer.rstrip(_CLOSING)) <= most


def exactly(*allowed: str) -> Check:
    """One of these and nothing else; case and closing punctuation are free only where they were not asked for."""
    return lambda answer: answer.rstrip(_CLOSING) in {text.rstrip(_CLOSING) for text in allowed}


def either(*allowed: str) -> Check:
    """One of these in any case."""
    return lambda answer: answer.rstrip(_CLOSING).casefold() in allowed


def upper(answer: str) -> bool:
    """Capital letters only."""
    return answer.isupper()


def lower(answer: str) -> bool:
    """Small letters only."""
    return answer.islower()


def digits(answer: str) -> bool:
    """A number in digits."""
    return re.fullmatch(r"\d+", answer.rstrip(_CLOSING)) is not None


def listed(count: int, separator: str) -> Check:
    """So many short parts between separators, on one line."""

    def obeyed(answer: str) -> bool:
        parts = [part.strip() for part in answer.rstrip(_CLOSING).split(separator)]
        return len(parts) == count and all(0 < len(part) <= 24 for part in parts) and "\n" not in answer

    return obeyed


def lines(count: int, mark: str) -> Check:
    """So many lines, each beginning with a mark."""

    def obeyed(answer: str) -> bool:
        parts = [line.strip() for line in answer.splitlines() if line.strip()]
        return len(parts) == count and all(line.startswith(mark) for line in parts)

    return obeyed


def sentences(count: int) -> Check:
    """So many sentences."""
    return lambda answer: len([part for part in re.split(r"[.!?]+(?:\s|$)|[。！？]+", answer) if part.strip()]) == count


def begins(start: str) -> Check:
    """Begins with these words."""
    return lambda answer: answer.startswith(start)


def ends(end: str) -> Check:
    """Ends with these words."""
    return lambda answer: answer.rstrip(_CLOSING).endswith(end)


def holds(part: str) -> Check:
    """Uses a word."""
    return lambda answer: part in answer.casefold()


def lacks(part: str) -> Check:
    """Does without a character."""
    return lambda answer: bool(answer) and part not in answer


def quoted(answer: str) -> bool:
    """Stands between quotation marks."""
    return re.fullmatch(r"[\"“].+[\"”]", answer.rstrip(_CLOSING)) is not None


INSTRUCTIONS: dict[Language, tuple[Instruction, ...]] = {
    "en": (
        Instruction("Answer with one word only: what do you call a baby dog?", words(1)),
        Instruction("Reply with a single word: which season is the coldest?", words(1)),
        Instruction("Answer in exactly two words: what falls from the sky in winter?", words(2)),
        Instruction("Write the word garden in capital letters and nothing else.", exactly("GARDEN")),
        Instruction("Reply in capital letters only: what color is snow?", upper),
        Instruction("Reply in small letters only: what is the name of our planet?", lower),
        Instruction("List three colors, separated by commas, and nothing else.", listed(3, ",")),
        Instruction("List four animals, separated by commas, with nothing before or after.", listed(4, ",")),
        Instruction("Name two months, separated by a semicolon.", listed(2, ";")),
        Instruction("Answer only yes or no: is ice cold?", either("yes", "no")),
        Instruction("Say yes or no and nothing else: do cows lay eggs?", either("yes", "no")),
        Instruction("Answer in digits only: how many wheels does a bicycle have?", digits),
        Instruction("Which number comes after nine? Give digits only.", digits),
        Instruction("Begin your answer with the word Surely: do you like music?", begins("Surely")),
        Instruction("Start your reply with the words Dear friend and wish somebody a good day.", begins("Dear friend")),
        Instruction("Thank somebody for a gift and end your answer with the word goodbye.", ends("goodbye")),
        Instruction("Write exactly one sentence about rivers.", sentences(1)),
        Instruction("Write exactly two sentences about trees.", sentences(2)),
        Instruction("Use the word lantern in one short sentence.", holds("lantern")),
        Instruction("Write a sentence about the sea without any comma.", lacks(",")),
        Instruction("Put your whole answer between quotation marks: what do you say in the morning?", quoted),
        Instruction("Repeat exactly: The bridge is closed today.", exactly("The bridge is closed today.")),
        Instruction("Write the numbers from one to five in digits, separated by spaces.", exactly("1 2 3 4 5")),
        Instruction("Give three ideas for a rainy day, one a line, each line beginning with a dash.", lines(3, "-")),
        Instruction("Write only the one that can be eaten: apple, chair, cloud.", either("apple", "chair", "cloud")),
        Instruction("Write only the letter that comes after B.", either("a", "b", "c", "d")),
    ),
    "zh": (
        Instruction("只用一个词回答：小狗长大后叫什么？", characters(4)),
        Instruction("只用一个字回答：雪是什么颜色？", characters(1)),
        Instruction("列出三种颜色，用顿号隔开，不要写别的。", listed(3, "、")),
        Instruction("写出四种动物，用逗号隔开，不要写别的。", listed(4, "，")),
        Instruction("只回答是或否：冰是冷的吗？", exactly("是", "否")),
        Instruction("只回答对或错：牛会下蛋。", exactly("对", "错")),
        Instruction("只用阿拉伯数字回答：自行车有几个轮子？", digits),
        Instruction("请以“当然”两个字开头回答：你喜欢音乐吗？", begins("当然")),
        Instruction("感谢别人的礼物，最后两个字写“再见”。", ends("再见")),
        Instruction("只写一句话，说说河流。", sentences(1)),
        Instruction("写一句关于大海的话，不要用逗号。", lacks("，")),
        Instruction("照原样重复：今天桥不通车。", exactly("今天桥不通车。")),
    ),
}
