"""What is asked, as text: questions to be continued by an option, lettered questions, and the letter in an answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from deepseek_fusion.evaluation.exams.rows import LETTERS
from deepseek_fusion.knowledge.language import Language, fold

_CONTINUED = {"en": ("Context: {}\n", "Question: {}\n", "Answer:"), "zh": ("材料：{}\n", "问题：{}\n", "答案：")}
_LETTERED = {"en": "Answer with the letter of the right option only.", "zh": "请只回答正确选项的字母。"}
DELIMITERS: dict[Language, str] = {"en": " ", "zh": ""}
"""What stands between a plain prompt and its answer."""

_OPENED, _CLOSED = "<think>", "</think>"
_LETTER = r"([A-Z])(?![A-Za-z0-9'’])(?!(?<=A)\s+(?!because|since|as|and|which|is)[a-z])"  # not the article A
_NAMED = (
    re.compile(rf"\\boxed\{{\W{{0,3}}(?:\\text\{{)?{_LETTER}"),
    re.compile(
        rf"(?i:answer|答案|应选|故选|选择|选)(?i:\s*(?:is|would be|should be|为|是|应为|应该是))?\W{{0,5}}{_LETTER}"
    ),
    re.compile(rf"^\W{{0,4}}{_LETTER}"),
    re.compile(rf"(?i:option|choice|选项)\s*\W{{0,3}}{_LETTER}"),
)
"""Where a letter is the answer, the surest place first."""


def continued(question: str, passage: str, language: Language) -> str:
    """A plain prompt, to be continued by the delimiter of the language and an option. Both texts may be empty."""
    heads = _CONTINUED[language]
    texts = [head.format(text) for head, text in zip(heads, (passage, question), strict=False) if text]
    return "".join(texts) + heads[-1]


def lettered(question: str, passage: str, options: Sequence[str], language: Language) -> str:
    """A question with its options under letters, for an answer in words."""
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    head = _CONTINUED[language][0].format(passage) if passage else ""
    return f"{head}{question}\n{listed}\n{_LETTERED[language]}"


def without_thought(text: str, opened: bool = False) -> str | None:
    """An answer without its thoughts, or None if the model was still thinking when it was cut.

    Args:
        text: what the model wrote.
        opened: whether the chat template had begun the thought already.
    """
    _, closed, answer = text.rpartition(_CLOSED)
    if _OPENED in answer or (opened and not closed):
        return None
    return answer.strip()


def letter_in(answer: str, options: Sequence[str]) -> int | None:
    """Index of the option that an answer names: by its letter, else by the text of just one option.

    A letter counts where it is named as the answer, stands at the very beginning, or follows the word option; of
    several places of one kind the last. The article in "A fever is ..." is no letter.
    """
    text = unicodedata.normalize("NFKC", answer).strip()
    letters = LETTERS[: len(options)]
    for pattern in _NAMED:
        named = [found for found in pattern.findall(_upper(text)) if found in letters]
        if named:
            return letters.index(named[-1])
    return _mentioned(fold(text), [fold(option) for option in options])


def _upper(text: str) -> str:
    """`answer is (b)` names B as well; a lone letter in lower case anywhere else is no name of an option."""
    return re.sub(r"(?<![\w'’])([a-z])(?=[)）.]|\W*$)", lambda match: match.group(1).upper(), text)


def _mentioned(text: str, options: Sequence[str]) -> int | None:
    found = [i for i, option in enumerate(options) if re.search(rf"(?<![a-z0-9]){re.escape(option)}(?![a-z0-9])", text)]
    inside = [i for i in found if any(i != j and options[i] in options[j] for j in found)]
    longest = [i for i in found if i not in inside]
    return longest[0] if len(longest) == 1 else None
