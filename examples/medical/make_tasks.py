"""Write labelled cases on invented patients for phase `multitask`, in English and Chinese; make_data.py calls this.

Each case is one of the diseases of the facts, described by some of its symptoms and medications. Three answers go with
it: the specialty (a class), how urgent it is (a number, by the rule in `urgency`), and what each word is (labels).
"""

from __future__ import annotations

import csv
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CASES = 4  # of each disease
FEWEST = 4  # diseases of a specialty
SEED = 7
Piece = tuple[str, str]  # a piece of the text and its tag; an empty tag: not a word
WORDS = {
    "en": {
        "start": "{age} year old {who} with",
        "who": ("woman", "man"),
        "degree": ("mild", "moderate", "severe"),
        "since": "for {days} days",
        "takes": "Takes",
        "and": ", ",
        "end": ".",
        "space": " ",
    },
    "zh": {
        "start": "{age} 岁 {who} 出现",
        "who": ("女性", "男性"),
        "degree": ("轻度", "中度", "重度"),
        "since": "已 {days} 天",
        "takes": "服用",
        "and": "、",
        "end": "。",
        "space": "",
    },
}


@dataclass(frozen=True)
class Case:
    """One patient."""

    pieces: tuple[Piece, ...]
    specialty: str
    urgency: float

    @property
    def text(self) -> str:
        """The description."""
        return "".join(piece for piece, _ in self.pieces).strip()

    @property
    def words(self) -> list[Piece]:
        """Words and their tags."""
        return [piece for piece in self.pieces if piece[1]]


def write_tasks(triples: Path, folder: Path, language: str) -> int:
    """Write one file a task; return how many cases there are."""
    folder.mkdir(parents=True, exist_ok=True)
    made = list({case.text: case for case in cases(triples, language)}.values())
    rows = {
        "specialty": [{"text": case.text, "label": case.specialty} for case in made],
        "urgency": [{"text": case.text, "rating": case.urgency} for case in made],
        "words": [
            {"text": case.text, "words": [word for word, _ in case.words], "tags": [tag for _, tag in case.words]}
            for case in made
        ],
        "notes": [{"text": case.text} for case in made],
    }
    for name, own in rows.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in own)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return len(made)


def cases(triples: Path, language: str) -> Iterator[Case]:
    """Some cases of every disease whose specialty has enough of them."""
    rng = random.Random(SEED)
    facts: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with triples.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            facts[row["subject"]][row["relation"]].append(row["object"])
    diseases = [own for own in facts.values() if own["specialty"] and own["symptom"] and own["medication"]]
    known = Counter(own["specialty"][0] for own in diseases)
    for own in diseases:
        if known[own["specialty"][0]] >= FEWEST:
            for _ in range(CASES):
                yield case(own["symptom"], own["medication"], own["specialty"][0], language, rng)


def case(symptoms: Sequence[str], drugs: Sequence[str], specialty: str, language: str, rng: random.Random) -> Case:
    """A patient with some of the symptoms, who takes some of the medications."""
    words = WORDS[language]
    degree, days, age = rng.randrange(3), rng.randint(1, 30), rng.randint(18, 90)
    shown = rng.sample(symptoms, min(len(symptoms), rng.randint(2, 4)))
    taken = rng.sample(drugs, min(len(drugs), rng.randint(1, 3)))
    start = str(words["start"]).format(age=age, who=rng.choice(words["who"]))
    gap = str(words["space"])
    pieces: list[Piece] = []
    for word in (*start.split(" "), str(words["degree"][degree])):
        pieces += [(word, "O"), (gap, "")]
    pieces += listed(shown, "SYMPTOM", words)
    for word in str(words["since"]).format(days=days).split(" "):
        pieces += [(gap, ""), (word, "O")]
    pieces += [(str(words["end"]), "O"), (gap, ""), (str(words["takes"]), "O"), (gap, "")]
    pieces += [*listed(taken, "DRUG", words), (str(words["end"]), "O")]
    return Case(tuple(piece for piece in pieces if piece[0]), specialty, urgency(degree, len(shown), days))


def listed(names: Sequence[str], tag: str, words: dict[str, object]) -> list[Piece]:
    """Names in a row, each split at its spaces."""
    pieces: list[Piece] = []
    for number, name in enumerate(names):
        if number:
            pieces.append((str(words["and"]), ""))
        for place, word in enumerate(name.split()):
            pieces += ([(" ", "")] if place else []) + [(word, tag)]
    return pieces


def urgency(degree: int, symptoms: int, days: int) -> float:
    """1 to 10: more for a higher degree and more symptoms, less for what has lasted."""
    return 1.0 + 2.0 * degree + symptoms + (1.0 if days <= 7 else 0.0)
