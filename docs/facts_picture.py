"""Draws the card's facts before and after teaching as one SVG, legible on white and on dark pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

Card = dict[str, Any]

WORDS = {
    "en": {
        "title": "Facts known before and after teaching",
        "before": "Before",
        "after": "After",
        "known": "known",
        "unknown": "not known",
        "lost": "known before, lost",
        "count": "{known} of {facts} known",
        "count_lost": "{known} of {facts} known, {lost} lost",
    },
    "zh": {
        "title": "教学前后已知的事实",
        "before": "教学前",
        "after": "教学后",
        "known": "已知",
        "unknown": "未知",
        "lost": "原来已知，现已丢失",
        "count": "{facts}条中已知{known}条",
        "count_lost": "{facts}条中已知{known}条，丢失{lost}条",
    },
}
ORDER = ("kept", "lost", "learned", "unknown")

WIDTH = 900
LARGEST, SMALLEST = 25.0, 4.0  # distance from one cell to the next
LABELS = 196  # widest subject name
GUTTER, GAP, MARGIN = 34, 12, 6
TOP, LINE = 34, 14
TEXT, SMALL = 12.5, 11.5
# One picture for two backgrounds: text and filled cells have a contrast of 3 or more on white and on near-black.
STYLE = (
    "text{font-family:-apple-system,'Segoe UI',Helvetica,Arial,'PingFang SC','Noto Sans CJK SC',sans-serif;"
    f"font-size:{TEXT}px;fill:#727c88}}"
    ".head{font-size:16px;font-weight:600}.small{font-size:11.5px}"
    ".unknown{fill:none;stroke:#8c959f;stroke-opacity:.6}"
    ".known{fill:#1098a4}.lost{fill:#dd7412}.cross{stroke:#fff;stroke-width:1.8;stroke-linecap:round}"
)


@dataclass(frozen=True)
class Column:
    """All cells of one relation: its name in lines, and how many facts a subject has at most."""

    relation: str
    lines: tuple[str, ...]
    cells: int

    def width(self, pitch: float) -> float:
        """As wide as the cells, or as the name if that is wider."""
        return max(self.cells * pitch, max(text_width(line, SMALL) for line in self.lines))


class Picture:
    """The geometry of one card."""

    def __init__(self, card: Card, language: str) -> None:
        self.card, self.words = card, WORDS[language]
        names = {row["relation"]: row["name"] for row in card["relations"]}
        self.rows: dict[str, dict[str, list[Card]]] = {}
        for fact in card["facts"]:
            self.rows.setdefault(fact["subject"], {}).setdefault(fact["relation"], []).append(fact)
        for groups in self.rows.values():
            for facts in groups.values():
                facts.sort(key=lambda fact: ORDER.index(fact["state"]))
        self.columns = [
            Column(relation, tuple(_wrapped(name)), max(len(row.get(relation, ())) for row in self.rows.values()))
            for relation, name in names.items()
            if any(relation in row for row in self.rows.values())
        ]
        self.labels = min(LABELS, max(text_width(subject, TEXT) for subject in self.rows))
        self.head = TOP + LINE * max(len(column.lines) for column in self.columns)

    @cached_property
    def pitch(self) -> float:
        """The largest distance between cells at which both panels fit beside each other."""
        room = (WIDTH - self.labels - 3 * MARGIN - GUTTER) / 2
        tenths = range(round(10 * LARGEST), round(10 * SMALLEST), -1)
        return next((pitch / 10 for pitch in tenths if self._panel(pitch / 10) <= room), SMALLEST)

    def svg(self) -> str:
        """The whole picture."""
        panel = self._panel(self.pitch)
        left = self.labels + 2 * MARGIN
        right = left + panel + GUTTER
        bottom = self.head + 6 + self.pitch * len(self.rows)
        width, height = right + panel + MARGIN, bottom + 40
        summary = f"{self.words['title']}: {self._count('before')} → {self._count('after')}"
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
                f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(summary)}">',
                f"<style>{STYLE}</style>",
                *self._subjects(),
                *self._draw_panel("before", left),
                *self._draw_panel("after", right),
                *self._legend(left, bottom + 18),
                "</svg>\n",
            ]
        )

    def _panel(self, pitch: float) -> float:
        return sum(column.width(pitch) for column in self.columns) + GAP * (len(self.columns) - 1)

    def _count(self, moment: str) -> str:
        summary = self.card["summary"]
        gained = "lost" if moment == "before" else "learned"
        shown = {"facts": summary["facts"], "known": summary["kept"] + summary[gained], "lost": summary["lost"]}
        lost = moment == "after" and summary["lost"]
        return self.words["count_lost" if lost else "count"].format(**shown)

    def _y(self, row: int) -> float:
        return self.head + 6 + row * self.pitch

    def _subjects(self) -> Iterator[str]:
        for row, subject in enumerate(self.rows):
            y = self._y(row) + self.pitch / 2 + 0.35 * TEXT
            shown = escape(_cut(subject, LABELS))
            yield (
                f'<text x="{self.labels + MARGIN:.1f}" y="{y:.1f}" text-anchor="end">'
                f"<title>{escape(subject)}</title>{shown}</text>"
            )

    def _draw_panel(self, moment: str, left: float) -> Iterator[str]:
        title, count = self.words[moment], self._count(moment)
        beside = left + text_width(title, 17) + 12
        yield f'<text class="head" x="{left:.1f}" y="17">{title}</text><text x="{beside:.1f}" y="17">{count}</text>'
        for column in self.columns:
            width = column.width(self.pitch)
            for number, line in enumerate(reversed(column.lines)):
                y = self.head - number * LINE
                yield (
                    f'<text class="small" x="{left + width / 2:.1f}" y="{y:.1f}" text-anchor="middle">'
                    f"{escape(line)}</text>"
                )
            start = left + (width - column.cells * self.pitch) / 2
            for row, groups in enumerate(self.rows.values()):
                for place, fact in enumerate(groups.get(column.relation, ())):
                    kind = _shown(fact, moment)
                    title = f"{fact['subject']} · {column.relation} · {fact['object']}: {self.words[kind]}"
                    yield self._cell(start + place * self.pitch, self._y(row), kind, title)
            left += width + GAP

    def _cell(self, x: float, y: float, kind: str, title: str) -> str:
        inset = self.pitch * 0.08
        size = self.pitch - 2 * inset
        thin = 0.5 if kind == "unknown" else 0.0  # an outline is drawn half outside
        x, y = x + inset, y + inset
        square = (
            f'<rect class="{kind}" x="{x + thin:.1f}" y="{y + thin:.1f}" width="{size - 2 * thin:.1f}" '
            f'height="{size - 2 * thin:.1f}" rx="{min(3.0, size / 5):.1f}">'
            f"<title>{escape(title)}</title></rect>"
        )
        if kind != "lost":
            return square
        a, b, c, d = x + 0.3 * size, x + 0.7 * size, y + 0.3 * size, y + 0.7 * size
        return f'{square}<path class="cross" d="M{a:.1f} {c:.1f}L{b:.1f} {d:.1f}M{a:.1f} {d:.1f}L{b:.1f} {c:.1f}"/>'

    def _legend(self, x: float, y: float) -> Iterator[str]:
        for kind in ("known", "unknown", "lost"):
            yield self._cell(x, y - self.pitch / 2 + 4, kind, self.words[kind])
            yield f'<text x="{x + self.pitch + 5:.1f}" y="{y + 4 + 0.35 * TEXT:.1f}">{self.words[kind]}</text>'
            x += self.pitch + 28 + text_width(self.words[kind], TEXT)


def facts_picture(card: Card, language: str) -> str:
    """The SVG of a card with facts, with words in `language`."""
    return Picture(card, language).svg()


def text_width(text: str, size: float) -> float:
    """About how wide a text is drawn, in pixels."""
    return sum(size if unicodedata.east_asian_width(character) in "WF" else 0.56 * size for character in text)


def _shown(fact: Card, moment: str) -> str:
    if fact["state"] == "lost" and moment == "after":
        return "lost"
    known = {"before": ("kept", "lost"), "after": ("kept", "learned")}[moment]
    return "known" if fact["state"] in known else "unknown"


def _wrapped(name: str) -> Iterable[str]:
    """One word a line if the name is long, so that narrow columns stay narrow."""
    return name.split() if text_width(name, SMALL) > 48 else [name]


def _cut(text: str, width: float) -> str:
    if text_width(text, TEXT) <= width:
        return text
    while text_width(f"{text}…", TEXT) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"
