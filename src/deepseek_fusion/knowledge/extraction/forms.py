"""Sentence forms filled with invented names: what a model that reads marks instead of names learns from."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import yaml

from deepseek_fusion.knowledge.extraction.delexical import Link, Marked
from deepseek_fusion.knowledge.extraction.lexicon import Lexicon
from deepseek_fusion.knowledge.extraction.reading import marked
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple
from deepseek_fusion.knowledge.language import Language

SLOT = re.compile(r"\{([!~]?)(?:([TX])\.)?([abcdms])(\d|\*)\??\}|\{([STXKAB])(1?)\}")
_NOUNS: dict[Language, str] = {
    "en": "part colour owner author capital neighbour product component rival supplier sign treatment risk code "
    "feature partner member source price origin habit food tool material cause consequence requirement rule penalty "
    "sector parent ingredient synonym location target effect department indicator measure pattern",
    "zh": "部件 颜色 所有者 作者 首都 邻居 产品 成分 对手 供应商 体征 疗法 风险 代码 特征 伙伴 成员 来源 价格 产地 "
    "习性 食物 工具 材料 原因 后果 要求 规则 处罚 行业 上位词 配料 别名 地点 靶点 作用 部门 指标 措施 模式",
}
_KINDS: dict[Language, str] = {
    "en": "plant city firm animal device book disease rule",
    "zh": "植物 城市 公司 动物 设备 书 疾病 规定",
}
MEDICAL: dict[Language, dict[str, str]] = {
    "en": {"s": "symptom", "m": "medication", "c": "ICD-10 code", "d": "medical specialty", "": "disease"},
    "zh": {"s": "症状", "m": "药物", "c": "ICD-10编码", "d": "科室", "": "疾病"},
}
"""Nouns of the relations that forms on diseases have letters for."""
_JOINTS: dict[Language, tuple[tuple[str, ...], ...]] = {
    "en": (
        (", ", " and "),
        (", ", ", and "),
        (", ", " or "),
        (", ", ", "),
        ("; ", "; "),
        (", ", " as well as "),
        (" and ", " and "),
    ),
    "zh": (
        ("、", "和"),
        ("、", "、"),
        ("、", "以及"),
        ("、", "或"),
        ("，", "，"),
        ("和", "和"),
        ("、", "及"),
        ("、", "还有"),
    ),
}
UNKNOWN, BOTH, EITHER, BEFORE = 0.12, 0.15, 0.1, 0.25
"""Shares: names in no dictionary; objects that are subjects, too; objects of two relations, where the form says which;
texts after a sentence on another subject."""
_DENIED_LIST = {"en": (", ", " or "), "zh": ("、", "或")}


@dataclass
class Filled:
    """A form with names, its dictionary, and what it states: (subject, relation, object)."""

    text: str
    graph: Graph
    stated: list[tuple[str, str, str]] = field(default_factory=list)


def packaged_forms(language: Language) -> list[str]:
    """The forms of no domain."""
    text = files("deepseek_fusion.knowledge.extraction").joinpath("forms.yaml").read_text(encoding="utf-8")
    forms: list[str] = yaml.safe_load(text)[language]
    return forms


class Filler:
    """Endless filled forms."""

    def __init__(self, language: Language, rng: random.Random) -> None:
        self.language, self.rng = language, rng

    def fill(self, form: str) -> Filled:
        """Fill the slots, with fresh names every time; a form that names no subject is given one as a heading."""
        self.names: dict[str, str] = {}
        self.triples: list[Triple] = []
        self.stated: list[tuple[str, str, str]] = []
        self.nouns = self._nouns(form)
        self.said = bool(re.search(r"\{[AB]1?\}", form))
        if not re.search(r"\{[STX]\}", form):
            form = self.rng.choice(("{S}:\n", "{S}\n", "{S}. ")) + form
        elif self.rng.random() < BEFORE:
            form = (
                self.rng.choice(("{U}. ", "{U}\n", "{U} is next.\n" if self.language == "en" else "先看{U}。")) + form
            )
        text = re.sub(r"\{U\}", lambda _: self._subject("U"), form)
        text = SLOT.sub(self._slot, text)
        for key in self.nouns:  # a graph knows more objects than one text names
            self.triples.append(Triple(self._name(), key, self._name(code=key == "c")))
        relations = {key: self._relation(noun) for key, noun in self.nouns.items() if key}
        return Filled(text, Graph(tuple(self.triples), self.nouns.get("", "-"), relations), self.stated)

    def _nouns(self, form: str) -> dict[str, str]:
        """The relation letters of a form and their nouns; the empty one is that of subjects."""
        letters = dict.fromkeys(found[3] for found in SLOT.finditer(form) if found[3])
        if letters and not set(letters) <= set("ab"):
            return MEDICAL[self.language]
        drawn = self.rng.sample(_NOUNS[self.language].split(), 2)
        return {"": self.rng.choice(_KINDS[self.language].split()), "a": drawn[0], "b": drawn[1]}

    def _relation(self, noun: str) -> Relation:
        plural = noun if self.language == "zh" else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
        return Relation(noun, plural)

    def _slot(self, found: re.Match[str]) -> str:
        mode, whose, letter, number, name, single = found.groups()
        if name in ("A", "B"):
            noun = self.nouns[name.lower()]
            return noun if single else self._relation(noun).plural
        if name == "K":
            return self.nouns[""]
        if name:
            return self._subject(name)
        count = self.rng.choice((1, 1, 2, 2, 3, 4, 5)) if number == "*" else 1
        own = [self._object(whose or "S", letter, f"{number}{place}", mode) for place in range(count)]
        within, last = _DENIED_LIST[self.language] if mode == "!" else self.rng.choice(_JOINTS[self.language])
        return own[0] if count == 1 else within.join(own[:-1]) + last + own[-1]

    def _subject(self, name: str) -> str:
        if name not in self.names:
            self.names[name] = self._name()
            if name != "X" and (name == "U" or self.rng.random() >= UNKNOWN):
                self.triples.append(Triple(self.names[name], next(key for key in self.nouns if key), self._name()))
        return self.names[name]

    def _object(self, whose: str, letter: str, number: str, mode: str) -> str:
        key = f"{whose}{letter}{number}"
        if key not in self.names:
            name = self.names[key] = self._name(code=letter == "c")
            if self.rng.random() >= UNKNOWN:
                self.triples.append(Triple(self._name(), letter, name))
                if self.rng.random() < BOTH:
                    self.triples.append(Triple(name, letter, self._name()))
            others = [other for other in self.nouns if other and other != letter]
            if self.said and others and self.rng.random() < EITHER:
                self.triples.append(Triple(self._name(), self.rng.choice(others), name))
            if not mode:
                self.stated.append((self._subject(whose), letter, name))
        return self.names[key]

    def _name(self, code: bool = False) -> str:
        rng = self.rng
        if code:
            return f"{rng.choice('ABCDEFGHJKLMNQRSTWZ')}{rng.randint(10, 99)}" + (
                f".{rng.randint(0, 9)}" if rng.random() < 0.8 else ""
            )
        if self.language == "zh":
            return "".join(chr(rng.randint(0x6E00, 0x9F00)) for _ in range(rng.choice((2, 2, 3, 4, 5))))
        words = [
            "".join(rng.choice("bdfgklmnprtvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 4))) + "x"
            for _ in range(rng.choice((1, 1, 2, 3)))
        ]
        return " ".join(words).title() if rng.random() < 0.5 else " ".join(words)


def examples(filled: Filled, common: set[str]) -> Iterator[tuple[Marked, list[Link]]]:
    """Its sentences as the extractor reads them, each with the links to learn."""
    for each in marked(filled.text, Lexicon(filled.graph, common)):
        index = {name.text: place for place, name in reversed(list(enumerate(each.names)))}
        shift = 1 if each.context else 0
        own = {name.text: place for place, name in enumerate(each.names) if place >= shift}
        yield (
            each,
            [
                Link(own.get(subject, index[subject]), relation, own[value])
                for subject, relation, value in filled.stated
                if value in own and subject in index
            ],
        )


def forms_in(rows: Sequence[dict[str, str]]) -> list[str]:
    """The texts of rows such as those of `benchmarks/consistency_forms.yaml`."""
    return [row["text"] for row in rows]
