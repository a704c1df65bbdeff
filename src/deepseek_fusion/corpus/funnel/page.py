"""The funnel as one HTML page: how many rows each filter dropped, examples, and thresholds that can be moved.

Nothing in the page is loaded from elsewhere, and what documents say becomes text, never markup or script.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.corpus.ledger import Ledger

Scores = npt.NDArray[np.float32]

HERE = Path(__file__).parent
LANGUAGES = ("en", "zh")
STEPS = {
    "reader": "reading",
    "personal": "basic",
    "too_short": "basic",
    "damaged": "basic",
    "repetitive": "basic",
    "other_language": "basic",
    "mismatch": "semantic",
    "incoherent": "semantic",
    "in_exam": "exam",
    "exact_duplicate": "basic",
    "near_duplicate": "basic",
    "off_domain": "domain",
}
"""Filters in the order in which they are asked, and the level of each."""

SCORES = ("characters", "similarity", "relevance", "probability", "repetition")
"""What a row may have been measured by; the columns of `documents.parquet`."""

_MOST_ROWS = 20_000
_LOWEST_SIMILARITY = 0.3  # below, candidates are hardly found, so nothing can be said


def write_funnel(
    out: Path,
    section: CorpusConfig,
    summary: Mapping[str, Any],
    book: Ledger,
    scores: Scores,
    judge: Mapping[str, Any] | None = None,
) -> None:
    """Write the page.

    Args:
        out: the file.
        section: whose thresholds were in force.
        summary: what `summary.json` says.
        book: what was rejected, with examples.
        scores: [N, 5] the `SCORES` of each row that got so far; NaN where it was not compared.
        judge: what the model of the semantic level says of itself; empty if the level is off.
    """
    words = yaml.safe_load((HERE / "words.yaml").read_text(encoding="utf-8"))
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.globals["t"] = lambda key, **values: _both(words[key], values)
    steps, left = _steps(summary["read"], book)
    chinese = summary["languages"].get("zh", 0) > summary["languages"].get("en", 0)
    page = environment.get_template("page.html.j2").render(
        words=words,
        language="zh" if chinese else "en",
        summary=summary,
        masked=", ".join(f"{kind} {count:,}" for kind, count in summary["masked"].items()),
        steps=steps,
        steps_left=left,
        data=_data(section, summary["kept"], scores),
        reliability=_reliability(section, judge or {}),
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
    )
    out.write_text(page, encoding="utf-8")


def _both(texts: Mapping[str, str], values: Mapping[str, object]) -> Markup:
    """A text in both languages, of which the page hides one."""
    return Markup("").join(
        Markup('<span class="t-{0}" lang="{0}">{1}</span>').format(side, Markup(texts[side]).format(**values))
        for side in LANGUAGES
    )


def _steps(read: int, book: Ledger) -> tuple[list[dict[str, Any]], float]:
    """Each filter with its share of what was read, and the share that is left in the end."""
    counts = book.by_filter()
    left, steps = read, []
    for name, level in STEPS.items():
        count = counts.get(name, 0)
        left -= count
        shares = {"left": round(100 * left / max(1, read), 3), "gone": round(100 * count / max(1, read), 3)}
        examples = [rejected.row() for rejected in book.examples.get(name, ())]
        steps.append({"filter": name, "level": level, "count": count, "examples": examples, **shares})
    return steps, round(100 * left / max(1, read), 3)


def _data(section: CorpusConfig, kept: int, scores: Scores) -> dict[str, Any]:
    """A sample of the scores, and the range of each threshold."""
    sample = scores[np.linspace(0, len(scores) - 1, min(len(scores), _MOST_ROWS)).astype(int)]
    fewest = section.min_characters
    lengths = scores[np.isfinite(scores[:, 0]), 0]  # what the semantic level rejects comes without
    most = max(4 * fewest, int(np.quantile(lengths, 0.9))) if len(lengths) else 4 * fewest
    ranges = [
        ("min_characters", "above", 1, most, 1, fewest),
        ("near_duplicate", "below", _LOWEST_SIMILARITY, 1.01, 0.01, section.near_duplicate),
        ("relevance", "above", 0, 1, 0.01, section.domain.relevance),
        ("threshold", "above", 0, 1, 0.01, section.semantic.threshold),
        ("repetition", "below", 0, 1.01, 0.01, section.repetition),
    ]
    used = [place for place in range(len(SCORES)) if place < 2 or np.isfinite(scores[:, place]).any()]
    rows = np.round(sample[:, used].astype(np.float64), 3).astype(object)
    rows[np.isnan(sample[:, used])] = None
    names = ("key", "keeps", "low", "high", "step", "now")
    return {
        "kept": kept,
        "weight": len(scores) / max(1, len(sample)),
        "scores": [dict(zip(names, ranges[place], strict=True)) for place in used],
        "rows": rows.tolist(),
    }


def _reliability(section: CorpusConfig, judge: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each head in use its error and the points of its plot, which is 100 wide and high."""
    heads = {"answers": "pair", "passages": "prose"}
    measured = judge.get("reliability", {})
    found = []
    for kind in section.semantic.judges:
        for part, row in measured.get(heads[kind], {}).items():
            points = [
                {
                    "x": round(100 * b["sure"], 1),
                    "y": round(100 - 100 * b["good"], 1),
                    "r": round(2 + 6 * b["share"], 1),
                }
                for b in row["bins"]
            ]
            found.append({"kind": kind, "part": part, "ece": f"{row['ece']:.3f}", "points": points})
    return found
