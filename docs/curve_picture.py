"""Draws accuracy against training tokens as one SVG, from the rows of benchmarks/learning_curve.py."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from html import escape
from typing import Any

from facts_picture import STYLE

ROW = re.compile(r"(mean accuracy|training tokens), (\w+), (\d+) exposures")
COLOURS = {"plain": "#dd7412", "paraphrases": "#8c959f", "ours": "#1098a4"}
WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 52, 120, 20, 48
TICKS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)

Curve = list[tuple[float, float, tuple[float, float], int]]
"""Of each point: tokens, accuracy, its interval, exposures."""


def curve_picture(result: dict[str, Any]) -> str:
    """The SVG of a result file with the three curves."""
    curves = _curves(result["rows"])
    tokens = [point[0] for curve in curves.values() for point in curve]
    low, high = math.log(min(tokens) / 1.2), math.log(max(tokens) * 1.2)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log(value) - low) / (high - low)

    def y(share: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="Accuracy on unseen phrasings against training tokens">',
        f"<style>{STYLE}</style>",
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            f'<path d="M{LEFT} {y(share):.1f}H{WIDTH - RIGHT}" stroke="#8c959f" stroke-opacity=".25"/>'
            f'<text class="small" x="{LEFT - 8}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        )
    for tick in TICKS:
        if low <= math.log(tick) <= high:
            parts.append(
                f'<text class="small" x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,}</text>'
            )
    parts.append(
        f'<text class="small" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">'
        "training tokens (logarithmic); figures at the points: exposures of each fact</text>"
    )
    labels = _spread({arm: y(curve[-1][1]) for arm, curve in curves.items()})
    for arm, curve in curves.items():
        parts += _drawn(arm, [(x(t), y(a), (y(i[0]), y(i[1])), n) for t, a, i, n in curve], labels[arm])
    return "\n".join([*parts, "</svg>\n"])


def _curves(rows: list[dict[str, Any]]) -> dict[str, Curve]:
    found: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for row in rows:
        if match := ROW.fullmatch(row["figure"]):
            found.setdefault((match[2], int(match[3])), {})[match[1]] = row
    curves: dict[str, Curve] = {}
    for (arm, exposures), row in found.items():
        accuracy = row["mean accuracy"]
        low, high = accuracy["interval"]
        curves.setdefault(arm, []).append((row["training tokens"]["ours"], accuracy["ours"], (low, high), exposures))
    return {arm: sorted(curve) for arm, curve in curves.items()}


def _drawn(arm: str, points: list[tuple[float, float, tuple[float, float], int]], label: float) -> Iterator[str]:
    colour = COLOURS[arm]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y, _, _ in points)
    yield f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="2.2"/>'
    for x, y, (low, high), exposures in points:
        yield f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" stroke-opacity=".45"/>'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
        yield f'<text class="small" x="{x + 6:.1f}" y="{y + 15:.1f}">{exposures}</text>'
    yield f'<text x="{points[-1][0] + 14:.1f}" y="{label + 4:.1f}" style="fill:{colour}">{escape(arm)}</text>'


def _spread(places: dict[str, float]) -> dict[str, float]:
    """Labels a line apart, in their order."""
    result: dict[str, float] = {}
    last = -math.inf
    for name, place in sorted(places.items(), key=lambda pair: pair[1]):
        last = result[name] = max(place, last + 16)
    return result
