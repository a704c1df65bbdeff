"""The sentences that exams are made of. No lesson may use one: lessons have their own (curriculum/phrasings.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Robust:
    """Sentences that only the robustness trials use: other ways to ask the same, and what is put before a question."""

    paraphrases: tuple[str, ...]
    context: str
    premise: str


@dataclass(frozen=True)
class Phrasings:
    """One language; fields as in knowledge/phrase.py, and `{answer}` in what is put before a question."""

    question: tuple[str, ...]
    cloze: str
    choice: str
    reversed: str
    robust: Robust


PHRASINGS = {
    "en": Phrasings(
        question=(
            "A colleague asks about {anchor}. Which {noun} should I mention?",
            "Regarding {anchor}, what {noun} would you write down?",
        ),
        cloze="In the reference book, the entry on {anchor} lists the {noun}",
        choice="When you think of {anchor}, what comes to mind as {relation}?",
        reversed="My records show the {relation} {anchor}. Which {type} does this point to?",
        robust=Robust(
            paraphrases=(
                "I am filling in a form on {anchor} and need the {noun}. What goes there?",
                "Suppose a student wants to learn about {anchor}: which {noun} would you teach?",
                "Could you help me recall the {noun} linked to {anchor}?",
                "For a short note about {anchor}, list the {noun}.",
            ),
            context="My notes on {anchor} give as {noun}: {answer}. ",
            premise="Since {answer} is on record as {relation} of {anchor}, I have a question. ",
        ),
    ),
    "zh": Phrasings(
        question=("同事问起{anchor}，我应该提到哪些{noun}？", "关于{anchor}，你会记下什么{noun}？"),
        cloze="参考书中，{anchor}条目列出的{noun}为",
        choice="提到{anchor}，首先想到的{relation}是什么？",
        reversed="我的记录里{relation}是{anchor}，这指向哪种{type}？",
        robust=Robust(
            paraphrases=(
                "我在填一份{anchor}的表格，{noun}一栏该写什么？",
                "假如有学生想了解{anchor}，你会教他哪些{noun}？",
                "帮我回忆一下与{anchor}相关的{noun}好吗？",
                "为{anchor}写一条简短的备注，列出{noun}。",
            ),
            context="我的笔记里，{anchor}的{noun}一栏写着{answer}。",
            premise="既然{anchor}的{relation}登记为{answer}，我想请教一下。",
        ),
    ),
}
