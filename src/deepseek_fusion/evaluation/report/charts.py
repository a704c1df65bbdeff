"""The geometry of what is drawn: numbers in, positions in a box out. Every box is 100 x 100 and stretched by CSS."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deepseek_fusion.evaluation.report.words import Json

CURVE_POINTS = 600
_AXES = (-90.0, 30.0, 150.0)
"""Directions of the three axes of the radar, in degrees; the first points up."""


def training_plots(curve: Sequence[Json]) -> list[Json]:
    """The training curve, one panel for each loss that was recorded."""
    points = curve[:: max(1, math.ceil(len(curve) / CURVE_POINTS))]
    plots = []
    for key in ("loss", "replay_loss"):
        known = [(p["tokens"], p[key], p) for p in points if p.get(key) is not None and math.isfinite(p[key])]
        if len(known) < 2:
            continue
        step = _tick(max(value for _, value, _ in known))
        ticks = math.ceil(max(value for _, value, _ in known) / step) or 1
        top, end = ticks * step, known[-1][0] or 1
        plots.append(
            {
                "key": key,
                "line": _line((tokens / end, value / top) for tokens, value, _ in known),
                "ticks": [(100 - 100 * i / ticks, f"{i * step:.6g}") for i in range(ticks + 1)],
                "end": end,
                "points": [[p["step"], tokens, value, p["learning_rate"]] for tokens, value, p in known],
            }
        )
    return plots


def budget_plot(attacks: Sequence[Json]) -> Json | None:
    """Accuracy against the number of replaced words: for each attack a line, its points and its band."""
    end = max((point["budget"] for attack in attacks for point in attack["curve"]), default=0)
    if not end:
        return None
    return {
        "budgets": list(range(0, end + 1, math.ceil(end / 10))),
        "end": end,
        "attacks": [{"name": attack["name"], **_curve(attack["curve"], end)} for attack in attacks if attack["curve"]],
    }


def _curve(curve: Sequence[Json], end: float) -> Json:
    steps = [(point["budget"] / end, point["accuracy"]) for point in curve]
    band = [(x, rate["high"]) for x, rate in steps] + [(x, rate["low"]) for x, rate in reversed(steps)]
    return {
        "line": _line((x, rate["value"]) for x, rate in steps),
        "band": _line(band),
        "points": [(100 * x, 100 - 100 * rate["value"]) for x, rate in steps],
        "curve": curve,
    }


def reliability_plot(calibration: Json) -> Json:
    """Accuracy against confidence; the area of a point is its bin's share of the answers."""
    most = max((part["n"] for part in calibration["bins"]), default=0) or 1
    return {
        "ece": calibration["ece"],
        "line": _line((part["confidence"], part["accuracy"]) for part in calibration["bins"]),
        "points": [
            {
                "x": 100 * part["confidence"],
                "y": 100 - 100 * part["accuracy"],
                "radius": 2.5 + 6.5 * math.sqrt(part["n"] / most),
                **part,
            }
            for part in calibration["bins"]
        ],
    }


def radar(dimensions: Sequence[Mapping[str, Any]]) -> Json | None:
    """Three shares as a triangle, and before them those that are known, as another where all are; None without three
    of them."""
    sides = {
        side: [row[side] for row in dimensions]
        for side in ("before", "now")
        if all(row[side] is not None for row in dimensions)
    }
    if len(dimensions) != len(_AXES) or "now" not in sides:
        return None
    return {
        "rings": [(ring, _triangle([ring] * 3)) for ring in (0.25, 0.5, 0.75, 1.0)],
        "axes": [_spoke(angle, 1.0) for angle in _AXES],
        "sides": {side: _triangle(values) for side, values in sides.items()},
        "points": {
            side: [
                _spoke(angle, row[side]) for angle, row in zip(_AXES, dimensions, strict=True) if row[side] is not None
            ]
            for side in ("before", "now")
        },
    }


def _triangle(values: Sequence[float]) -> str:
    return " ".join("{:.2f},{:.2f}".format(*_spoke(angle, value)) for angle, value in zip(_AXES, values, strict=True))


def _spoke(angle: float, length: float) -> tuple[float, float]:
    reach = 50 * min(1.0, max(0.0, length))
    return 50 + reach * math.cos(math.radians(angle)), 50 + reach * math.sin(math.radians(angle))


def _line(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{100 * x:.2f},{100 - 100 * y:.2f}" for x, y in points)


def _tick(highest: float) -> float:
    """The round step (1, 2, 2.5 or 5 times a power of ten) that splits 0..highest in about four."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= highest / 4.0001)
