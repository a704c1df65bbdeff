"""Finding the graph's own names in free text, whatever their case, width, number or punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import HAN, plural_of

_BRACKETS = re.compile(r"\s*[(\[（【][^)\]）】]*[)\]）】]\s*")
_QUANTITY = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?) ?(%|[a-zµμ°]+)(?![a-z\d])")
_UNITS = {
    unit: (base, float(scale))
    for base, units in {
        "g": "kg 1e3 g 1 mg 1e-3 µg 1e-6 μg 1e-6 mcg 1e-6",
        "l": "l 1 dl 1e-1 ml 1e-3 µl 1e-6 μl 1e-6",
        "m": "km 1e3 m 1 cm 1e-2 mm 1e-3",
        "s": "h 3600 min 60 s 1 ms 1e-3",
        "%": "% 1",
    }.items()
    for unit, scale in zip(units.split()[::2], units.split()[1::2], strict=True)
}
_SHORTEST_PLURAL = 4
"""Letters of the last word of a name that has a plural; shorter words are mostly abbreviations."""


@dataclass(frozen=True)
class Meaning:
    """What a name can stand for: subjects, and objects with their relations."""

    subjects: frozenset[str] = frozenset()
    objects: frozenset[tuple[str, str]] = frozenset()

    def __or__(self, other: Meaning) -> Meaning:
        return Meaning(self.subjects | other.subjects, self.objects | other.objects)


NOTHING = Meaning()


def plain(text: str) -> str:
    """NFKC with typographic apostrophes and dashes made ASCII; case is kept."""
    return unicodedata.normalize("NFKC", text).translate(str.maketrans("’‘–—‑", "''---"))


def lowered(text: str) -> str:
    """`plain` text in lower case and with spaces for hyphens, of the same length."""
    return "".join(low if len(low := char.lower()) == 1 else char for char in text).replace("-", " ")


def is_latin(char: str) -> bool:
    """A letter or digit of a script that separates words."""
    return char.isalnum() and not HAN.match(char)


def whole_word(text: str, start: int, end: int) -> bool:
    """`text[start:end]` is not a part of a longer word or number: J45 is none in J45.9, nor is 5 in 1.5."""
    before, after = text[start - 1 : start], text[end : end + 2]
    if is_latin(text[start]) and before and (is_latin(before) or (before == "." and is_latin(text[start - 2]))):
        return False
    return not (is_latin(text[end - 1]) and after and (is_latin(after[0]) or _continues(after)))


def _continues(after: str) -> bool:
    return after[0] == "." and len(after) > 1 and is_latin(after[1])


class Names:
    """All names of a graph's subjects and objects, with the other forms that they may take in a text."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.meanings: dict[str, Meaning] = {}
        own: dict[str, Meaning] = {}
        for triple in graph.triples:
            for name, meaning in (
                (triple.subject, Meaning(subjects=frozenset({triple.subject}))),
                (triple.object, Meaning(objects=frozenset({(triple.relation, triple.object)}))),
            ):
                own[name] = own.get(name, Meaning()) | meaning
        for name, meaning in own.items():
            self._add((name, *graph.synonyms.get(name, ())), meaning)
        first = dict(self.meanings)
        for form, meaning in first.items():
            bare = " ".join(_BRACKETS.sub("" if HAN.search(form) else " ", form).split())
            if bare not in first:  # what the graph itself calls so is another thing
                self._add((bare,), meaning)
            self._add((number for name in (form, bare) for number in other_number(name)), meaning)
        self.quantities = {value: self.meanings[name] for name in first if (value := quantity(name))}
        self._starts: dict[str, list[str]] = {}
        for form in sorted(self.meanings, key=len, reverse=True):
            self._starts.setdefault(form[0], []).append(form)

    def _add(self, names: Iterable[str], meaning: Meaning) -> None:
        for name in names:
            if key := _key(name):
                self.meanings[key] = self.meanings.get(key, Meaning()) | meaning

    def at(self, low: str, start: int) -> tuple[int, Meaning] | None:
        """The longest name that begins at a position of a lowered text: its end and what it means."""
        for form in self._starts.get(low[start], ()):
            end = start + len(form)
            if low.startswith(form, start) and whole_word(low, start, end):
                return end, self.meanings[form]
        found = _QUANTITY.match(low, start)
        meaning = found and self.quantities.get(quantity(found.group()) or ("", 0.0))
        return (found.end(), meaning) if found and meaning else None


def quantity(text: str) -> tuple[str, float] | None:
    """Base unit and value of a number with a unit, such as ("g", 0.5) for 500 mg; None for anything else."""
    found = _QUANTITY.fullmatch(text)
    if found is None or found.group(2) not in _UNITS:
        return None
    unit, scale = _UNITS[found.group(2)]
    return unit, float(f"{float(found.group(1).replace(',', '')) * scale:.9g}")


def shape(value: str) -> str:
    """A for each letter and 9 for each digit: codes of one kind have few shapes."""
    return "".join("9" if char.isdigit() else "A" if char.isalpha() else char for char in value)


def _key(name: str) -> str:
    return " ".join(lowered(plain(name)).split())


def other_number(key: str) -> Iterator[str]:
    """The English plural of a singular name, or the other way round."""
    last = key.rpartition(" ")[2]
    if not last.isascii() or not last.isalpha() or len(last) < _SHORTEST_PLURAL:
        return
    others: tuple[str, ...] = ()
    if last.endswith("ies"):
        others = (f"{last[:-3]}y",)
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")):
        others = tuple(one for one in (last[:-1], last.removesuffix("es")) if plural_of(one) == last)
    elif not last.endswith(("us", "is")):
        others = (plural_of(last),)
    yield from (f"{key.removesuffix(last)}{other}" for other in others)
