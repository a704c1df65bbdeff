"""How often texts mention terms, under any of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deepseek_fusion.knowledge.language import tokens

_Name = tuple[str, ...]


def count_mentions(names: Mapping[str, Iterable[str]], texts: Iterable[str]) -> dict[str, int]:
    """Count whole-word, case-folded mentions; Chinese names are found anywhere, as each character is a word.

    Args:
        names: all names of each term. A short name inside a longer one of the same term counts once.
        texts: read once; the work grows with their length, hardly with the number of names.
    """
    index = _index(names)
    counts = dict.fromkeys(names, 0)
    for text in texts:
        words = tokens(text)
        ends: dict[str, int] = {}
        for start, word in enumerate(words):
            for length, terms_of in index.get(word, ()):
                for term in terms_of.get(tuple(words[start : start + length]), ()):
                    if ends.get(term, 0) <= start:
                        ends[term] = start + length
                        counts[term] += 1
    return counts


def _index(names: Mapping[str, Iterable[str]]) -> dict[str, list[tuple[int, dict[_Name, set[str]]]]]:
    """First word -> (length in words, longest first) -> name -> its terms."""
    index: dict[str, dict[int, dict[_Name, set[str]]]] = {}
    for term, aliases in names.items():
        for alias in aliases:
            if name := tuple(tokens(alias)):
                index.setdefault(name[0], {}).setdefault(len(name), {}).setdefault(name, set()).add(term)
    return {word: sorted(lengths.items(), reverse=True) for word, lengths in index.items()}
