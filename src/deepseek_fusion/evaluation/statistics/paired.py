"""Two models on the same items: how far apart they are, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from deepseek_fusion.evaluation.statistics.bootstrap import resampled

RESAMPLES, SEED = 2000, 0
_LEAST = 1e-9
"""Error of a change that is the same in every window, in nats a token: less than arithmetic is exact to."""

Windows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Difference:
    """Share of right answers now minus before.

    Attributes:
        error: its standard error.
        subjects: number of clusters that it rests on.
    """

    value: float
    error: float
    subjects: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval."""
        low, high = self.span
        return max(-1.0, low), min(1.0, high)

    @property
    def span(self) -> tuple[float, float]:
        """The same for a difference without bounds."""
        half = self._student.quantile(0.975) * self.error
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided probability of a difference at least this large between two equal models."""
        return min(1.0, 2 * self._student.below(-abs(self.value) / self.error))

    def detectable(self, p: float, power: float = 0.95) -> float:
        """Size of the true difference that is found at level `p` with probability `power`."""
        return (self._student.quantile(1 - p / 2) + self._student.quantile(power)) * self.error

    @cached_property
    def _student(self) -> _Student:
        return _Student(max(1, self.subjects - 1))


@dataclass(frozen=True)
class Change:
    """Perplexity now relative to before, less one.

    Attributes:
        logarithm: the difference of the logarithms, which is a mean over tokens.
    """

    logarithm: Difference

    @property
    def value(self) -> float:
        """The relative change."""
        return math.expm1(self.logarithm.value)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval."""
        low, high = self.logarithm.span
        return math.expm1(low), math.expm1(high)

    @property
    def p(self) -> float:
        """Two-sided probability of a change at least this large between two equal models."""
        return self.logarithm.p

    def detectable(self, p: float, power: float = 0.95) -> float:
        """Size of the true rise that is found at level `p` with probability `power`."""
        return math.expm1(self.logarithm.detectable(p, power))


def paired_change(before: Windows, now: Windows) -> Change | None:
    """A paired bootstrap over windows of text, with Student's quantiles for however few of them there are.

    None where nothing can be paired: fewer than two windows, or two models that split the text into other tokens.

    Args:
        before: each window's negative log-likelihood in nats and number of tokens.
        now: the same windows, read by the other model.
    """
    tokens = [count for _, count in before]
    if len(tokens) < 2 or tokens != [count for _, count in now]:
        return None
    gains = [new - old for (old, _), (new, _) in zip(before, now, strict=True)]
    drawn = resampled(np.array([*zip(gains, tokens, strict=True)], dtype=float), RESAMPLES, SEED)
    error = float((drawn[:, 0] / drawn[:, 1]).std()) * math.sqrt(len(tokens) / (len(tokens) - 1))
    return Change(Difference(sum(gains) / sum(tokens), max(error, _LEAST), len(tokens)))


def paired_difference(before: Sequence[bool], now: Sequence[bool], clusters: Sequence[str]) -> Difference:
    """A paired bootstrap over whole subjects, with Student's quantiles for however few of them there are.

    The standard error is that of the bootstrap or, where it is larger, that of Agresti and Min (2005), which half an
    answer in each of the four cells keeps above zero: two models that answer alike are not proven equal. Percentiles of
    the same bootstrap would call equal models different in 14 of 100 cases with 3 subjects, in 10 with 12; this does
    in 0 and 6 (500 simulated reruns each, as in benchmarks/gate.py).

    Args:
        before: one value an item.
        now: the same items in the same order.
        clusters: the subject of each item.
    """
    changes = np.array(now, dtype=int) - np.array(before, dtype=int)
    names, places = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(places, changes), np.bincount(places)
    drawn = resampled(np.stack([sums, sizes], axis=1), RESAMPLES, SEED)
    shares = drawn[:, 0] / drawn[:, 1]
    clustered = float(shares.std()) * math.sqrt(len(names) / max(1, len(names) - 1))
    n, net = len(changes), int(changes.sum())
    smoothed = math.sqrt(int(abs(changes).sum()) + 1 - net * net / (n + 2)) / (n + 2)
    return Difference(net / n, max(clustered, smoothed), len(names))


def holm(p: Sequence[float]) -> list[float]:
    """Each p-value as it counts among all of them: the chance of any false alarm stays below the level (Holm 1979)."""
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted


class _Student:
    """Student's t distribution. Its angle atan(t / sqrt(degrees)) has the density cos ** (degrees - 1)."""

    def __init__(self, degrees: int) -> None:
        self._scale = math.sqrt(degrees)
        self._angles: Any = np.linspace(-np.pi / 2, np.pi / 2, 20_001)[1:-1]
        density = np.cos(self._angles) ** (degrees - 1)
        self._below: Any = (np.cumsum(density) - density / 2) / density.sum()

    def below(self, t: float) -> float:
        return float(np.interp(math.atan(t / self._scale), self._angles, self._below))

    def quantile(self, probability: float) -> float:
        return math.tan(float(np.interp(probability, self._below, self._angles))) * self._scale
