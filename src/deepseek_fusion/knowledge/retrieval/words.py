"""What a text is found by: words without their plural ending, and pairs of neighbouring Han characters."""

from __future__ import annotations

import re

from deepseek_fusion.knowledge.language import HAN, fold, tokens

_RUN = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Words in order; a Han character that stands alone is a word, others count in overlapping pairs."""
    words: list[str] = []
    for run in _RUN.findall(fold(text)):
        characters = ""
        for token in [*tokens(run), ""]:
            if token and HAN.match(token):
                characters += token
                continue
            words += [characters[i : i + 2] for i in range(max(len(characters) - 1, 1))] if characters else []
            characters = ""
            if token:
                words.append(singular(token))
    return words


def name_words(text: str) -> list[str]:
    """The same with each Han character by itself, as names are compared."""
    return [singular(token) for token in tokens(text)]


def singular(word: str) -> str:
    """The S-stemmer of Harman (1991, "How effective is suffixing?"): plural endings alone, and no word of three."""
    if len(word) < 4 or not word.endswith("s") or not word.isascii():
        return word
    if word.endswith("ies"):
        return word if word.endswith(("eies", "aies")) else word[:-3] + "y"
    if word.endswith("es"):
        return word if word.endswith(("aes", "ees", "oes")) else word[:-1]
    return word if word.endswith(("us", "ss", "is")) else word[:-1]
