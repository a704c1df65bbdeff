"""Mixed documents with planted faults, for the benchmark of the corpus.

60 % are good: notes and definitions put together from the facts and the notes of the medical example, 7 of 10 in
English, the others in Chinese. 15 % are near duplicates of one of them (one word in a hundred exchanged, or a sentence
added, or one left out), 10 % exact ones, 5 % junk (too short, control characters, wrong encoding, words of no language,
an offer or a menu over and over), 10 % of other domains (sport, money, both languages).
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent.parent / "examples" / "medical" / "data"
TERMS = (DATA / "triples.csv", DATA / "zh" / "triples.csv")
SHARES = {"near": 0.15, "exact": 0.10, "junk": 0.05, "off-domain": 0.10, "good": 0.60}
CHINESE = 0.3
SEED = 11
PER_FILE = 5_000

SENTENCES = (
    "{s} may present with {a} and, after {n} days, with {b}.",
    "The patient reported {a} for {n} weeks; {b} was absent and {s} was suspected.",
    "In {s}, {a} is more common than {b} ({n} of {m} cases).",
    "{s} was treated for {n} days, and {a} was given before {b}.",
    "On day {n} the nurse noted {a}, while {b} had improved under treatment of {s}.",
    "{s} is a disorder that is followed up in {m} months, earlier if {a} or {b} returns.",
    "A history of {s} and {a} was recorded {n} years ago, without {b}.",
)
句式 = (
    "{s}患者常有{a}，{n}天后可出现{b}。",
    "患者{a}已{n}周，无{b}，考虑{s}。",
    "{s}中{a}较{b}多见，{m}例中有{n}例。",
    "给予{a}治疗{s}，第{n}天加用{b}。",
    "第{n}天护士记录有{a}，{s}治疗后{b}好转。",
    "{s}需{m}个月后复查，如再出现{a}或{b}应提前就诊。",
    "既往{n}年前诊断{s}，伴{a}，未见{b}。",
)
OTHER = (
    "team league season match goal player coach stadium club referee striker transfer champion fans ticket derby"
    " penalty trophy squad midfield tackle supporters",
    "shares market bank bond yield investor profit loan credit index currency trader dividend broker fund inflation"
    " deposit merger audit revenue",
)
OFFER = (
    "watch ring bag shoes perfume voucher casino jackpot crypto phone laptop cable hotel flight cruise sofa lamp carpet"
    " garden grill discount today only free shipping limited original luxury cheap best price gift winner bonus coupon"
)
MENU = (
    "Home Login Cart Cookies Imprint Newsletter Jobs Press Sitemap Terms Privacy Shop Account Wishlist Search Follow"
    " Share Print Next Previous Comments Archive Gallery Events Partners Download Language Settings Back Top"
)
GLUE = "the a of in and for with on that by from after before during its was were has"
其他 = "球队 联赛 赛季 进球 教练 球场 俱乐部 裁判 球迷 股票 市场 银行 债券 投资者 利润 贷款 基金 指数 货币 股息"
虚词 = "的 在 了 和 对 后 中 将 与 但 也 于"

Facts = dict[str, list[str]]


class Planted(NamedTuple):
    """What a document is: its kind, the number of the good text that it is or copies, and a hash of its own text."""

    kind: str
    group: int
    version: int


def write_documents(folder: Path, count: int | None, size: float = 0.0) -> list[Planted]:
    """Write so many documents, or so many bytes of them, as JSON Lines `{"id", "text"}`."""
    folder.mkdir(parents=True)
    planted: list[Planted] = []
    file = None
    written = 0
    for number, (row, text) in enumerate(_documents()):
        if number == count or (count is None and written >= size):
            break
        if number % PER_FILE == 0:
            if file:
                file.close()
            file = (folder / f"{number // PER_FILE:04d}.jsonl").open("w", encoding="utf-8")
        assert file is not None
        line = json.dumps({"id": number, "text": text}, ensure_ascii=False) + "\n"
        written += len(line.encode())
        file.write(line)
        planted.append(row)
    if file:
        file.close()
    return planted


def _documents() -> Iterator[tuple[Planted, str]]:
    rng = random.Random(SEED)
    english, chinese, notes = _facts(TERMS[0]), _facts(TERMS[1]), _note_lines()
    good: list[tuple[int, str]] = []
    kinds, weights = list(SHARES), list(SHARES.values())
    number = 0
    while True:
        kind = rng.choices(kinds, weights)[0] if good else "good"
        if kind in ("near", "exact"):
            group, text = rng.choice(good)
            if kind == "near":
                text = _near(rng, text)
            yield Planted(kind, group, hash(text)), text
        elif kind == "good":
            text = _chinese(rng, chinese) if rng.random() < CHINESE else _english(rng, english, notes)
            if len(good) < 20_000:
                good.append((number, text))
            yield Planted(kind, number, hash(text)), text
        else:
            text = (_junk if kind == "junk" else _off)(rng)
            yield Planted(kind, number, hash(text)), text
        number += 1


def _facts(path: Path) -> Facts:
    """Disease -> its symptoms and medicines."""
    found: Facts = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["relation"] in ("symptom", "medication"):
                found.setdefault(row["subject"], []).append(row["object"])
    return {subject: objects for subject, objects in found.items() if len(objects) > 1}


def _note_lines() -> list[str]:
    texts = (file.read_text(encoding="utf-8") for file in sorted((DATA / "ehr").iterdir()))
    return sorted({line for text in texts for line in text.split("\n") if len(line) > 40})


def _sentences(rng: random.Random, facts: Facts, forms: Sequence[str]) -> Iterator[str]:
    subjects = list(facts)
    while True:
        subject = rng.choice(subjects)
        a, b = rng.sample(facts[subject] + facts[rng.choice(subjects)], 2)
        yield rng.choice(forms).format(s=subject, a=a, b=b, n=rng.randrange(2, 60), m=rng.randrange(60, 400))


def _english(rng: random.Random, facts: Facts, notes: Sequence[str]) -> str:
    sentences = _sentences(rng, facts, SENTENCES)
    count = rng.randrange(8, 26)
    return " ".join(rng.choice(notes) if rng.random() < 0.2 else next(sentences) for _ in range(count))


def _chinese(rng: random.Random, facts: Facts) -> str:
    sentences = _sentences(rng, facts, 句式)
    return "".join(next(sentences) for _ in range(rng.randrange(10, 26)))


def _near(rng: random.Random, text: str) -> str:
    is_chinese = not text.isascii() and "。" in text
    end = "。" if is_chinese else ". "
    sentences = text.split(end)
    how = rng.randrange(3)
    if how == 0:
        return text + ("以上内容由值班医师录入。" if is_chinese else " This note was entered by the physician on duty.")
    if how == 1 and len(sentences) > 14:
        del sentences[rng.randrange(len(sentences) - 1)]
        return end.join(sentences)
    words = list(text) if is_chinese else text.split(" ")
    for _ in range(max(1, len(words) // 100)):
        words[rng.randrange(len(words))] = "某" if is_chinese else "certain"
    return ("" if is_chinese else " ").join(words)


def _junk(rng: random.Random) -> str:
    kinds: tuple[Callable[[], str], ...] = (
        lambda: f"ok {rng.randrange(9999)} " * rng.randrange(1, 4),
        lambda: "".join(chr(rng.randrange(1, 32)) for _ in range(60)) + f"Record {rng.random()} of the ward.",
        lambda: "锟斤拷" * rng.randrange(20, 40) + str(rng.random()),
        lambda: " ".join("".join(rng.choices("bcdfghjklmnpqrstvwxz", k=rng.randrange(4, 12))) for _ in range(60)),
        lambda: f"Buy now! {' '.join(rng.choices(OFFER.split(), k=8))} click here. " * rng.randrange(5, 20),
        lambda: " | ".join(rng.choices(MENU.split(), k=40)),
    )
    return rng.choice(kinds)()


def _off(rng: random.Random) -> str:
    if rng.random() < CHINESE:
        lines = (
            "".join(rng.choice((其他 if rng.random() < 0.6 else 虚词).split()) for _ in range(12)) for _ in range(14)
        )
        return "。".join(lines) + "。"
    words = rng.choice(OTHER).split()
    lines = (" ".join(rng.choice(words if rng.random() < 0.5 else GLUE.split()) for _ in range(14)) for _ in range(14))
    return " ".join(f"{line.capitalize()}." for line in lines)
