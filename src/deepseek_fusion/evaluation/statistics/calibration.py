"""Is a model right as often as it is sure?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.statistics.bootstrap import resampled
from deepseek_fusion.evaluation.statistics.rates import Rate
from deepseek_fusion.knowledge.graph import Graph

BINS, LEAST = 10, 20
"""At most so many bins, and on average at least so many answers in each."""


@stage("calibration", version=1)
def calibrate(
    out: Path, section: EvaluationConfig, graph: Artifact, exam: Artifact, before: Artifact, now: Artifact
) -> None:
    """Write `calibration.json`: both sittings on the `choice` items, by the `confidence` of each answer."""
    subjects = {Graph.fact_id(triple): triple.subject for triple in Graph.load(graph.path).triples}
    owners = {item.id: subjects[item.facts[0]] for item in read_exam(exam.path) if item.family == "choice"}
    found = {}
    for moment, sitting in (("before", before), ("now", now)):
        rows = [row for row in read_jsonl(sitting.path / "answers.jsonl") if row["id"] in owners]
        found[moment] = calibration(
            [row["confidence"] for row in rows],
            [all(row["right"]) for row in rows],
            [owners[row["id"]] for row in rows],
            section.bootstrap,
            section.seed,
        )
    write_json(out / "calibration.json", found)


def calibration(
    confidence: Sequence[float], right: Sequence[bool], clusters: Sequence[str], resamples: int, seed: int
) -> dict[str, Any]:
    """Expected calibration error over bins of equal mass (Naeini et al. 2015; Nguyen and O'Connor 2015).

    The error is the mean over answers of how far the accuracy of their bin lies from its mean confidence. It is never
    negative, so chance alone lifts it above zero, and percentiles of a bootstrap are lifted twice. The lower end of the
    interval is therefore the error less the 97.5 % quantile of what resampling adds (the triangle inequality bounds
    it), so that it reaches zero for a calibrated model; the upper end is the percentile. Whole subjects are drawn.

    Args:
        confidence: probability of the chosen answer.
        right: whether it was right.
        clusters: its subject.

    Returns:
        `ece` and `brier` (mean squared distance of confidence and outcome, Brier 1950) as rates, and `bins`, from the
        least to the most confident one.

    Raises:
        FusionError: a confidence is no probability.
    """
    if not confidence:
        empty = {"value": 0.0, "low": 0.0, "high": 0.0, "n": 0}
        return {"ece": empty, "brier": dict(empty), "bins": []}
    for number, (value, cluster) in enumerate(zip(confidence, clusters, strict=True), start=1):
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise FusionError(
                f"calibration: confidence {number} (on {cluster}) is {value}, not between 0 and 1; examine the model "
                "again."
            )
    sure, outcome = np.array(confidence, dtype=float), np.array(right, dtype=float)
    gaps, bins, owners = sure - outcome, _bins(sure), np.unique(clusters, return_inverse=True)[1]
    masks = [bins == index for index in range(bins.max() + 1)]
    sums = [np.bincount(owners, weights) for weights in (np.ones(len(gaps)), gaps**2, *(gaps * own for own in masks))]
    totals = resampled(np.stack(sums, axis=1), resamples, seed)
    drawn, n = totals[:, 1:] / totals[:, :1], len(gaps)
    low, high = np.quantile(drawn[:, 0], (0.025, 0.975))
    return {
        "ece": _error(np.array([gaps[own].sum() / n for own in masks]), drawn[:, 1:], n),
        "brier": _rate(float(np.mean(gaps**2)), low, high, n),
        "bins": [
            {"confidence": float(sure[own].mean()), "accuracy": float(outcome[own].mean()), "n": int(own.sum())}
            for own in masks
        ],
    }


def _bins(sure: Any) -> Any:
    """The bin of each answer, numbered from the least confident; equal confidences share one."""
    wanted = max(1, min(BINS, len(sure) // LEAST))
    edges = np.quantile(sure, np.arange(1, wanted) / wanted)
    return np.unique(np.searchsorted(edges, sure), return_inverse=True)[1]


def _error(gaps: Any, drawn: Any, n: int) -> Rate:
    """The sum of the gaps of all bins, whatever their signs, given their values in every resample."""
    value = float(np.abs(gaps).sum())
    noise = np.quantile(np.abs(drawn - gaps).sum(1), 0.975)
    high = np.quantile(np.abs(drawn).sum(1), 0.975)
    return _rate(value, max(0.0, value - noise), max(value, high), n)


def _rate(value: float, low: float, high: float, n: int) -> Rate:
    return {"value": value, "low": float(low), "high": float(high), "n": n}
