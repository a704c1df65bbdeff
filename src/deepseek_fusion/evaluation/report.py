"""The card as one HTML page: what the model knew, what it knows now, what it lost.

``report.html.j2`` is the page, ``report.css`` and ``report.js`` are inlined into it, ``report.yaml`` holds its words in
both languages. This file computes what the template only places. Nothing in the page is loaded from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

Json = dict[str, Any]

LANGUAGES = ("en", "zh")
STATES = ("kept", "learned", "lost", "unknown")
CURVE_POINTS = 600
_FOLDER = Path(__file__).parent
_ROWS_BY_SUBJECT = 40
_WIDE_TABLE = 820
_CELL = 25
_SIZES = (("few", 60), ("large", 400), ("medium", 1000), ("small", math.inf))  # how big a cell is for how many facts
_SCRIPT_WORDS = ("before", "now", "right", "wrong", "asked", "close", "copied", "step", "tokens", "learning_rate")


def render_report(card: Json, out: Path) -> None:
    """Write the card as one self-contained HTML file.

    Args:
        card: the content of ``card.json``.
        out: the file to write.
    """
    words = _words()
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # question families keep the order of the exam
    environment.filters |= {
        "percent": _percent,
        "number": _number,
        "short": _short,
        "clock": _clock,
        "change": _change,
        "place": _place,
    }
    environment.globals |= {
        "t": words.text,
        "word": words.word,
        "label": words.label,
        "rate": words.rate,
        "name": words.name,
    }
    page = environment.get_template("report.html.j2").render(
        card=card,
        language=card["language"] if card["language"] in LANGUAGES else "en",
        states=STATES,
        grid=_grid(card),
        verdict=_verdict(card, words),
        worse=_worse(card, words),
        plots=_plots(card["curve"]),
        data=_data(card, words),
    )
    out.write_text(page, encoding="utf-8")


class Words:
    """The interface texts; each is written in both languages, and the page hides one.

    Args:
        catalog: key -> language -> text with ``{placeholders}``.
    """

    def __init__(self, catalog: dict[str, dict[str, str]]) -> None:
        self.catalog = catalog

    def text(self, key: str, **values: object) -> Markup:
        """Both languages of one text; values are escaped, and a value that is itself bilingual picks its own side."""
        return Markup("").join(
            Markup('<span class="t-{0}" lang="{0}">{1}</span>').format(language, self._fill(key, language, values))
            for language in LANGUAGES
        )

    def word(self, key: str, language: str) -> str:
        """One language of one text, as it stands."""
        return self.catalog[key][language]

    def label(self, key: str, language: str) -> Markup:
        """The attributes of an element whose accessible name follows the interface language."""
        both = self.catalog[key]
        return Markup('aria-label="{}" data-label-en="{}" data-label-zh="{}"').format(both[language], *both.values())

    def rate(self, rate: Json) -> Markup:
        """A rate with its interval and n."""
        low, high = _percent(rate["low"], unit=""), _percent(rate["high"])
        return self.text("interval", value=_percent(rate["value"]), low=low, high=high, n=_number(rate["n"]))

    def name(self, key: str, prefix: str = "") -> Markup:
        """The text for a name from the card, or the name itself where the page has no word for it."""
        known = prefix + key.rstrip("s") if prefix else key
        return self.text(known) if known in self.catalog else Markup.escape(key)

    def _fill(self, key: str, language: str, values: Json) -> Markup:
        chosen = {name: value[language] if isinstance(value, dict) else value for name, value in values.items()}
        return Markup(self.catalog[key][language]).format(**chosen)


def _words() -> Words:
    return Words(yaml.safe_load((_FOLDER / "report.yaml").read_text(encoding="utf-8")))


def _verdict(card: Json, words: Words) -> Markup:
    summary, perplexity = card["summary"], card["general"]["perplexity"]
    change = perplexity["now"] / perplexity["before"] - 1
    reads = "reads_same" if abs(change) < 0.0005 else "reads_worse" if change > 0 else "reads_better"
    percent = Markup("{}").format(_percent(abs(change), digits=1))
    reading = {language: words._fill(reads, language, {"percent": percent}) for language in LANGUAGES}
    return words.text(
        "verdict",
        facts=_number(summary["facts"]),
        before=_number(summary["kept"] + summary["lost"]),
        now=_number(summary["kept"] + summary["learned"]),
        lost=_number(summary["lost"]),
        reading=reading,
    )


def _grid(card: Json) -> Json:
    """Facts as rows of subjects and groups of relations, in file order; inside a group by state."""
    relations = list(
        dict.fromkeys([row["relation"] for row in card["relations"]] + [f["relation"] for f in card["facts"]])
    )
    names = {row["relation"]: row["name"] for row in card["relations"]}
    rows: dict[str, dict[str, list[Json]]] = {}
    for place, fact in enumerate(card["facts"]):
        groups = rows.setdefault(fact["subject"], {relation: [] for relation in relations})
        groups[fact["relation"]].append({**fact, "place": place})
    for groups in rows.values():
        for group in groups.values():
            group.sort(key=lambda fact: STATES.index(fact["state"]))
    columns = [
        {
            "relation": relation,
            "name": names.get(relation, relation),
            "width": max(len(groups[relation]) for groups in rows.values()) if rows else 0,
            **_counts(fact for fact in card["facts"] if fact["relation"] == relation),
        }
        for relation in relations
    ]
    subjects = [
        {
            "subject": subject,
            "groups": list(groups.values()),
            **_counts(fact for group in groups.values() for fact in group),
        }
        for subject, groups in rows.items()
    ]
    width = sum(max(min(column["width"], 12) * _CELL, 8 * len(column["name"])) + 14 for column in columns) + 230
    return {
        "columns": columns,
        "rows": subjects,
        "wide": width > _WIDE_TABLE,
        "view": "overview" if width > _WIDE_TABLE or len(rows) > _ROWS_BY_SUBJECT else "subjects",
        "size": next(name for name, most in _SIZES if len(card["facts"]) <= most),
    }


def _counts(facts: Iterable[Json]) -> dict[str, int]:
    counts = {"facts": 0, "before": 0, "now": 0}
    for fact in facts:
        counts["facts"] += 1
        counts["before"] += fact["before"]
        counts["now"] += fact["now"]
    return counts


def _worse(card: Json, words: Words) -> list[Markup]:
    """One sentence for each measured figure, other than the facts themselves, that moved the wrong way."""
    general, found = card["general"], []
    for key, part in (("worse_perplexity", general["perplexity"]), ("worse_domain", general["domain_perplexity"])):
        if part and part["now"] > part["before"]:
            percent = _percent(part["now"] / part["before"] - 1, digits=1)
            found.append(words.text(key, percent=percent, before=f"{part['before']:.2f}", now=f"{part['now']:.2f}"))
    questions, refusals = general["questions"], general["false_refusals"]
    if questions["now"]["value"] < questions["before"]["value"]:
        found.append(words.text("worse_questions", **_before_now(questions)))
    if refusals["now"]["value"] > refusals["before"]["value"]:
        found.append(words.text("worse_refusals", **_before_now(refusals)))
    for row in [*card["families"], *card["relations"]]:
        if row["now"]["value"] < row["before"]["value"]:
            name = words.catalog.get(row["family"], row["family"]) if "family" in row else row["name"]
            found.append(words.text("worse_family", name=name, **_before_now(row)))
    return found


def _before_now(row: Json) -> dict[str, str]:
    return {side: _percent(row[side]["value"]) for side in ("before", "now")}


def _plots(curve: Sequence[Json]) -> list[Json]:
    """The training curve as panels whose lines live in a 100 x 100 box."""
    points = curve[:: max(1, math.ceil(len(curve) / CURVE_POINTS))]
    plots = []
    for key in ("loss", "replay_loss"):
        known = [(p["tokens"], p[key], p) for p in points if p.get(key) is not None and math.isfinite(p[key])]
        if len(known) < 2:
            continue
        step = _tick(max(value for _, value, _ in known))
        ticks = math.ceil(max(value for _, value, _ in known) / step) or 1
        top, end = ticks * step, known[-1][0] or 1
        line = " ".join(f"{100 * tokens / end:.2f},{100 - 100 * value / top:.2f}" for tokens, value, _ in known)
        plots.append(
            {
                "key": key,
                "line": line,
                "ticks": [(100 - 100 * i / ticks, f"{i * step:.6g}") for i in range(ticks + 1)],
                "end": end,
                "points": [[p["step"], tokens, value, p["learning_rate"]] for tokens, value, p in known],
            }
        )
    return plots


def _tick(highest: float) -> float:
    """The round step (1, 2, 2.5 or 5 times a power of ten) that splits 0..highest in about four."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= highest / 4.0001)


def _data(card: Json, words: Words) -> Json:
    """What the page's script needs: the facts with their answers, and the words it puts together itself."""
    names = {row["relation"]: row["name"] for row in card["relations"]}
    keys = [
        *STATES,
        *(f"{state}_note" for state in STATES),
        *_SCRIPT_WORDS,
        *(row["family"] for row in card["families"]),
    ]
    return {
        "facts": [
            [f["id"], f["subject"], names.get(f["relation"], f["relation"]), f["object"], f["state"], f["families"]]
            for f in card["facts"]
        ],
        "words": {
            language: {key: words.catalog.get(key, {}).get(language, key) for key in keys} for language in LANGUAGES
        },
    }


def _percent(value: float, digits: int = 0, unit: str = "\u00a0%") -> str:
    return f"{100 * value:.{digits}f}{unit}"


def _place(value: float) -> str:
    """A share as a position along an axis."""
    return f"{100 * value:.2f}%"


def _change(part: Json) -> str:
    """How much a perplexity moved, signed."""
    return f"{100 * (part['now'] / part['before'] - 1):+.1f}\u00a0%".replace("-", "−")


def _number(value: object) -> str:
    """Integers with thousands separated, fractions with three significant digits, anything else as it stands."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _short(value: float) -> str:
    """A large count in k, M or B."""
    for size, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:,.0f}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"
