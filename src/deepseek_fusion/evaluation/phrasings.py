"""The sentences that exams are made of. No lesson may use one: lessons have their own (curriculum/phrasings.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrasings:
    """One language; fields as in knowledge/phrase.py."""

    question: tuple[str, ...]
    cloze: str
    choice: str
    reversed: str


PHRASINGS = {
    "en": Phrasings(
        question=(
            "A colleague asks about {anchor}. Which {noun} should I mention?",
            "Regarding {anchor}, what {noun} would you write down?",
        ),
        cloze="In the reference book, the entry on {anchor} lists the {noun}",
        choice="When you think of {anchor}, what comes to mind as {relation}?",
        reversed="My records show the {relation} {anchor}. Which {type} does this point to?",
    ),
    "zh": Phrasings(
        question=("同事问起{anchor}，我应该提到哪些{noun}？", "关于{anchor}，你会记下什么{noun}？"),
        cloze="参考书中，{anchor}条目列出的{noun}为",
        choice="提到{anchor}，首先想到的{relation}是什么？",
        reversed="我的记录里{relation}是{anchor}，这指向哪种{type}？",
    ),
}
