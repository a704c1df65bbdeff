"""The sentences that exams are made of. No lesson may use one: lessons have their own (curriculum/phrasings.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrasings:
    """One language; fields as in knowledge/asking/phrase.py.

    Attributes:
        question: plain questions, as far from the lessons as one phrasing is from another.
        paraphrase: the same request inside a little story, indirect or in the first person.
        by_object, by_subject: name a thing by a fact about it, or as what another thing is related to.
        multihop: what is then asked about it.
        note: a fact as a sentence, to be read before a question; `{answer}` as in lessons.
        context, premise: what robustness trials put before a question, true of another thing, or wrong.
    """

    question: tuple[str, ...]
    paraphrase: tuple[str, ...]
    cloze: str
    reversed: str
    by_object: str
    by_subject: str
    multihop: str
    choice: str
    negation: str
    numerals: str
    note: str
    space: str
    context: str
    premise: str


PHRASINGS = {
    "en": Phrasings(
        question=(
            "A colleague asks about {anchor}. Which {noun} should I mention?",
            "Regarding {anchor}, what {noun} would you write down?",
        ),
        paraphrase=(
            "My sister has to hand in half a page on {anchor} tomorrow and got stuck at the {noun}. Help her out.",
            "I am filling in a form on {anchor}; only the box for the {noun} is still empty. What goes in?",
            "Someone brought up {anchor} yesterday and I could not come up with the {noun}. Can you?",
            "Imagine a quiz show: the category reads {anchor}, the clue says {noun}. Your answer, contestant?",
            "The page on {anchor} got wet and the ink ran where the {noun} stood. Restore the missing words.",
            "Before anybody acts on {anchor}, they say, check the {noun}. Fine, and what would I see?",
        ),
        cloze="In the reference book, the entry on {anchor} lists the {noun}",
        reversed="My records show the {relation} {anchor}. Which {type} does this point to?",
        by_object="Exactly one {type} in our files carries the {relation} {anchor}.",
        by_subject="Start from {anchor} and move on to its {relation}.",
        multihop="Skip its name and answer only this: which {noun} did we file under it?",
        choice="When you think of {anchor}, what comes to mind as {relation}?",
        negation="One entry got onto the page about {anchor} by mistake. Which {relation} does not fit there?",
        numerals="Mind every figure: how exactly would you copy out the {relation} that goes with {anchor}?",
        note="{noun} on file under {anchor}: {answer}.",
        space=" ",
        context="My notes on {anchor} give as {noun}: {answer}. ",
        premise="Since {answer} is on record as {relation} of {anchor}, I have a question. ",
    ),
    "zh": Phrasings(
        question=("同事问起{anchor}，我应该提到哪些{noun}？", "关于{anchor}，你会记下什么{noun}？"),
        paraphrase=(
            "我妹妹明天要交一篇写{anchor}的短文，写到{noun}就卡住了，帮帮她。",
            "我正在填一张{anchor}的表格，只剩{noun}一栏还空着，该填什么？",
            "昨天有人提起{anchor}，我一时想不起它的{noun}，你还记得吗？",
            "假设这是一档答题节目，题目写着{anchor}，提示写着{noun}，请选手作答。",
            "写着{anchor}的那一页被水打湿了，{noun}那里的字迹已经模糊，请把它补全。",
            "都说处理{anchor}之前要先核对{noun}，那么我会看到什么内容？",
        ),
        cloze="参考书中，{anchor}条目列出的{noun}为",
        reversed="我的记录里{relation}是{anchor}，这指向{which}{type}？",
        by_object="档案里写着{anchor}这一{relation}的{type}只有一个。",
        by_subject="从{anchor}出发，先想到它的{relation}。",
        multihop="不必写出它的名字，只回答：它名下登记了哪些{noun}？",
        choice="提到{anchor}，首先想到的{relation}是什么？",
        negation="有一项被误写进了{anchor}那一页，哪个{relation}不应出现在那里？",
        numerals="每个数字都要抄对：{anchor}那一行的{relation}应当怎样抄写？",
        note="{anchor}名下登记的{noun}：{answer}。",
        space="",
        context="我的笔记里，{anchor}的{noun}一栏写着{answer}。",
        premise="既然{anchor}的{relation}登记为{answer}，我想请教一下。",
    ),
}
