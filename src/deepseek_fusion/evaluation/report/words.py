"""The words and figures of the page: every text in two languages, every number in one form."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

Json = dict[str, Any]

LANGUAGES = ("en", "zh")


class Words:
    """The interface texts; each is written in both languages, and the page hides one.

    Args:
        catalog: key -> language -> text with ``{placeholders}``.
        sentences: English sentences of cards, with ``{placeholders}`` for what varies -> the same in Chinese.
    """

    def __init__(self, catalog: dict[str, dict[str, str]], sentences: dict[str, str]) -> None:
        self.catalog = catalog
        self._sentences = [(_pattern(sentence), chinese) for sentence, chinese in sentences.items()]

    @classmethod
    def load(cls) -> Words:
        """The texts of ``words.yaml`` and ``sentences.yaml``."""
        here = Path(__file__).parent
        words, sentences = (
            yaml.safe_load((here / f"{name}.yaml").read_text(encoding="utf-8")) for name in ("words", "sentences")
        )
        return cls(words, sentences)

    def text(self, key: str, **values: object) -> Markup:
        """Both languages of one text; values are escaped, and a value that is itself bilingual picks its own side."""
        return Markup("").join(
            Markup('<span class="t-{0}" lang="{0}">{1}</span>').format(language, self.fill(key, language, values))
            for language in LANGUAGES
        )

    def word(self, key: str, language: str) -> str:
        """One language of one text, as it stands."""
        return self.catalog[key][language]

    def label(self, key: str, language: str, **values: object) -> Markup:
        """The attributes of an element whose accessible name follows the interface language."""
        both = {side: self.fill(key, side, values) for side in LANGUAGES}
        return Markup('aria-label="{}" data-label-en="{}" data-label-zh="{}"').format(both[language], *both.values())

    def rate(self, rate: Json) -> Markup:
        """A rate with its interval and n."""
        low, high = percent(rate["low"], unit=""), percent(rate["high"])
        return self.text("interval", value=percent(rate["value"]), low=low, high=high, n=number(rate["n"]))

    def name(self, key: str, prefix: str = "") -> Markup:
        """The text for a name from the card, or the name itself where the page has no word for it."""
        known = prefix + key
        return self.text(known) if known in self.catalog else Markup.escape(key)

    def both(self, key: str, prefix: str = "") -> dict[str, str] | str:
        """The same as a value for the placeholder of another text."""
        return self.catalog.get(prefix + key, key)

    def said(self, sentence: str) -> dict[str, str] | str:
        """A sentence of the card as such a value, or as it stands where the page does not know it."""
        for pattern, chinese in self._sentences:
            if found := pattern.fullmatch(sentence):
                return {"en": sentence, "zh": chinese.format(**found.groupdict())}
        return sentence

    def say(self, sentence: str) -> Markup:
        """The text of a sentence of the card."""
        return self.text("said", sentence=self.said(sentence))

    def fill(self, key: str, language: str, values: Json) -> Markup:
        """One language of a text with its placeholders filled."""
        chosen = {name: value[language] if isinstance(value, dict) else value for name, value in values.items()}
        return Markup(self.catalog[key][language]).format(**chosen)


def _pattern(sentence: str) -> re.Pattern[str]:
    """Matches the sentence with anything for its placeholders."""
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(sentence)))


def percent(value: float | None, digits: int = 0, unit: str = "\u00a0%") -> str:
    """A share; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.{digits}f}{unit}"


def points(value: float | None) -> str:
    """A signed difference of two shares, in points of a hundred."""
    if value is None:
        return "–"
    shown = f"{100 * value:+.1f}"
    return "0.0" if float(shown) == 0 else shown.replace("-", "−")


def place(value: float | None) -> str:
    """A share as a position along an axis; what lies outside stays on its edge."""
    return f"{100 * min(1.0, max(0.0, value or 0.0)):.2f}%"


def change(part: Json) -> str:
    """How much a perplexity moved, signed, with its interval where it has one."""
    moved = f"{100 * (part['now'] / part['before'] - 1):+.1f}\u00a0%".replace("-", "−")
    if part.get("low") is None:
        return moved
    return f"{moved}; {points(part['low'])}\u00a0–\u00a0{points(part['high'])}"


def number(value: object) -> str:
    """Integers with thousands separated, fractions with three significant digits, anything else as it stands."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def times(value: float | None) -> str:
    """A ratio; one without bound is said to be so by its sign."""
    return "∞" if value is None or math.isinf(value) else f"{value:.2f}"


def short(value: float) -> str:
    """A large count in k, M or B."""
    for size, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:,.0f}"


def clock(seconds: float) -> str:
    """A duration as hours, minutes and seconds."""
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"
