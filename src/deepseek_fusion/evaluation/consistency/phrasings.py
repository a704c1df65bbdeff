"""The sentences in which evidence and claims are put before a judge, in English and Chinese.

Fields: `{subject}`, `{relation}` (singular noun), `{noun}` (in the right number), `{is}`, `{answers}` and `{object}`.
The first of each list is what the checker itself uses; the last of each is never trained on, to examine the judge.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrasings:
    """One language."""

    evidence: tuple[str, ...]
    claim: tuple[str, ...]
    denial: tuple[str, ...]


PHRASINGS = {
    "en": Phrasings(
        evidence=(
            "The {noun} of {subject} {is} {answers}.",
            "{subject} has the {noun} {answers}.",
            "{answers}: this is the complete list of {noun} recorded for {subject}.",
            "Entry {subject}, field {relation}: {answers}.",
            "What the register holds under {noun} for {subject} {is} {answers}.",
        ),
        claim=(
            "{object} is a {relation} of {subject}.",
            "The {relation} of {subject} is {object}.",
            "{subject} has the {relation} {object}.",
            "One {relation} known for {subject} is {object}.",
            "In {subject}, {object} is found as {relation}.",
        ),
        denial=(
            "{object} is not a {relation} of {subject}.",
            "The {relation} of {subject} is not {object}.",
            "{subject} does not have the {relation} {object}.",
            "{object} has never been a {relation} of {subject}.",
            "In {subject}, {object} is not found as {relation}.",
        ),
    ),
    "zh": Phrasings(
        evidence=(
            "{subject}的{noun}是{answers}。",
            "{subject}具有的{noun}为{answers}。",
            "{answers}：这是{subject}的全部{noun}。",
            "条目{subject}，{relation}：{answers}。",
            "登记册中{subject}名下的{noun}有{answers}。",
        ),
        claim=(
            "{object}是{subject}的{relation}。",
            "{subject}的{relation}是{object}。",
            "{subject}具有{relation}{object}。",
            "{subject}已知的{relation}之一是{object}。",
            "在{subject}中，{object}属于{relation}。",
        ),
        denial=(
            "{object}不是{subject}的{relation}。",
            "{subject}的{relation}不是{object}。",
            "{subject}没有{relation}{object}。",
            "{object}从来不是{subject}的{relation}。",
            "在{subject}中，{object}不属于{relation}。",
        ),
    ),
}
