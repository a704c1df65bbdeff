"""Triples by dictionary and rules: what a name can be decides, unless the words around deny or doubt it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deepseek_fusion.knowledge.extraction.delexical import Link, Marked
from deepseek_fusion.knowledge.extraction.lexicon import Mention

_CLAUSE = re.compile(
    r"[;；。！？!?]|[,，:：]|\b(?:but|whereas|while|although|though|however|yet|instead|unlike)\b|但是?|而是?|却|然而|不过",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:not|no|never|without|neither|nor|none|cannot|lacks?|absent|absence|free (?:of|from)|rather than|instead of|"
    r"rules? out|ruled out|excludes?|excluding|contraindicated|avoid(?:s|ed)?|whether|unclear|unknown|uncertain|"
    r"unlikely|unsure|myth|wrong|false|untrue|denie[sd]|deny)\b|n't\b|"
    r"不|没有?|无(?!论)|未|非(?!常)|并非|而非|禁用|避免|排除|否认|缺乏|是否|谣言|错误|误以为",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"\s*(?:\b(?:is|are|was|were|do|does|did|should|can|could|will|must|has|have)\s*(?:not|never|no)\b|\w+n't\b|并?不|并非|没)",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"[?？]|\b(?:whether|unclear|unknown|untrue|false|myth|debate|studied|if)\b|是否|吗|谣言|错误|不清楚|不知道|不确定|尚无|如果",
    re.IGNORECASE,
)
"""A sentence with these states nothing."""
_NOT_DENIED = re.compile(
    r"\b(?:not only|not just|no doubt|not uncommon\w*|nothing but)\b|不仅|不但|不只|不少|不断", re.IGNORECASE
)
_APART = re.compile(
    r"(?:\b(?:unlike|in contrast to|as opposed to|compared (?:with|to))|与|和|不同于|不像|有别于)\s*$", re.IGNORECASE
)
_LIST = re.compile(
    r"\s*(?:[,，、/;；]|(?:[,，]\s*)?\b(?:and|or|as well as|plus)\b|和|与|及|以及|或|或者|还有)\s*", re.IGNORECASE
)
_LEADS = re.compile(
    r"\s*(?:is|are|was|were|include[sd]?|including|such as|called|:|：|是|为|有|包括|如)?\s*", re.IGNORECASE
)

SURE = 0.9
"""How sure a triple of the rules is."""


class Rules:
    """Gives every object to the subject before it in its sentence, else after it, else spoken of before."""

    def links(self, marked: Sequence[Marked]) -> list[list[Link]]:
        """The triples of each sentence."""
        return [self._of(each) for each in marked]

    def _of(self, marked: Marked) -> list[Link]:
        names, text = marked.names, _without_names(marked)
        if _OPEN.search(text):
            return []
        shift = 1 if marked.context else 0
        subjects = [
            index
            for index, name in enumerate(names[shift:], shift)
            if name.meaning.subjects and not _APART.search(text[: name.start])
        ]
        only = [index for index in subjects if not names[index].meaning.objects]
        subjects = only or subjects[:1]
        links: list[Link] = []
        relation = None
        for index, name in enumerate(names[shift:], shift):
            before = names[index - 1] if index > shift else None
            relation = self._relation(marked, name, before, relation)
            if relation is None or index in subjects or _denied(text, name, names[shift:index]):
                continue
            subject = self._subject(subjects, names, index)
            if subject is None and marked.context:
                subject = 0
            if subject is not None:
                links.append(Link(subject, relation, index, SURE))
        return links

    @staticmethod
    def _relation(marked: Marked, name: Mention, before: Mention | None, last: str | None) -> str | None:
        """By what the name can be and by the nouns of the sentence; a new name is what the list it stands in is."""
        text = marked.sentence.text
        nouns = [mention for mention in marked.mentions if mention.is_noun and mention.meaning.noun]
        if name.meaning.objects:
            keys = [key for key, _ in name.meaning.objects]
            said = [noun.meaning.noun for noun in nouns if noun.meaning.noun in keys]
            return said[0] if said else keys[0]
        if name.new and not name.meaning.subjects:
            if before and last and _LIST.fullmatch(text[before.end : name.start]):
                return last
            for noun in nouns:
                if noun.end <= name.start and _LEADS.fullmatch(text[noun.end : name.start]):
                    return noun.meaning.noun
        return None

    @staticmethod
    def _subject(subjects: Sequence[int], names: Sequence[Mention], index: int) -> int | None:
        before = [each for each in subjects if names[each].start < names[index].start]
        return before[-1] if before else next(iter(subjects), None)


def _without_names(marked: Marked) -> str:
    """The sentence with its names blotted out: 非 denies nothing in 非酒精性脂肪肝."""
    text = list(marked.sentence.text)
    for mention in marked.mentions:
        if not mention.is_noun:
            text[mention.start : mention.end] = "_" * (mention.end - mention.start)
    return "".join(text)


def _denied(text: str, name: Mention, before: Sequence[Mention]) -> bool:
    """A denial stands before it in its clause, or right after it, or is carried on by a list."""
    if _DENIED_AFTER.match(text, name.end):
        return True
    start = max([found.end() for found in _CLAUSE.finditer(text, 0, name.start)], default=0)
    if _DENIAL.search(_NOT_DENIED.sub("", text[start : name.start])):
        return True
    last = before[-1] if before else None
    joined = last is not None and _LIST.fullmatch(text[last.end : name.start]) is not None
    return joined and last is not None and last.end <= start and _denied(text, last, before[:-1])
