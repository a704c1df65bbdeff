"""The judge of the semantic level: a network, its calibration, how both were measured; one file, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepseek_fusion.core.errors import FusionError, missing
from deepseek_fusion.corpus.semantic.features import pairs, passages
from deepseek_fusion.corpus.semantic.network import Weights, judge_pairs, judge_passages, shapes

PACKAGED = Path(__file__).parent / "judge.safetensors"

_AT_ONCE = 256
_LARGEST = 64 << 20  # bytes of a file


@dataclass(frozen=True)
class Judge:
    """Says how likely it is that a row is good.

    Attributes:
        weights: of the network.
        scales: "pair" and "prose" -> slope and intercept of Platt's scaling (1999) of their logits.
        facts: what a reader of the funnel should know: bins of reliability, error, on what it was trained.
    """

    weights: Weights
    scales: Mapping[str, tuple[float, float]]
    facts: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> Judge:
        """Read a file that `save` wrote.

        Raises:
            FusionError: it is no such file, or safetensors is not installed.
        """
        try:
            from safetensors import SafetensorError, safe_open
        except ModuleNotFoundError:
            raise missing("safetensors", "the semantic level", "text") from None
        try:
            if path.stat().st_size > _LARGEST:
                raise ValueError("it is too large")
            with safe_open(path, "numpy") as file:
                told = json.loads((file.metadata() or {})["judge"])
                weights = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
            if {name: weight.shape for name, weight in weights.items()} != shapes():
                raise ValueError("its weights have other shapes")
            scales = {head: (float(told["scales"][head][0]), float(told["scales"][head][1])) for head in _HEADS}
            return cls(weights, scales, dict(told["facts"]))
        except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
            raise FusionError(
                f"corpus.semantic.model: {path} is no model of the semantic level ({error}); make one with"
                " `deepseek-fusion corpus train`."
            ) from None

    def save(self, path: Path) -> None:
        """Write it; the table of embeddings in half precision."""
        from safetensors.numpy import save_file

        weights = {name: np.asarray(weight, np.float32) for name, weight in self.weights.items()}
        weights["table"] = weights["table"].astype(np.float16)
        told = {"scales": self.scales, "facts": self.facts}
        save_file(weights, path, metadata={"judge": json.dumps(told, ensure_ascii=False)})

    def logits(self, questions: Sequence[str | None], texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """[N] before calibration; a row without a question is judged as a passage."""
        found = np.zeros(len(texts))
        for is_pair in (True, False):
            places = [place for place, asked in enumerate(questions) if (asked is not None) == is_pair]
            for start in range(0, len(places), _AT_ONCE):
                part = places[start : start + _AT_ONCE]
                own = [texts[place] for place in part]
                found[part] = (
                    judge_pairs(self.weights, pairs([questions[place] or "" for place in part], own))
                    if is_pair
                    else judge_passages(self.weights, passages(own))
                )
        return found

    def probabilities(self, questions: Sequence[str | None], texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """[N] calibrated."""
        scales = np.array([self.scales["prose" if asked is None else "pair"] for asked in questions]).reshape(-1, 2)
        found: npt.NDArray[np.float64] = _probability(self.logits(questions, texts) * scales[:, 0] + scales[:, 1])
        return found


_HEADS = ("pair", "prose")


def scale(logits: npt.NDArray[np.float64], good: npt.NDArray[np.bool_], rounds: int = 50) -> tuple[float, float]:
    """Slope and intercept that make the logits calibrated, both kinds counting alike (Platt 1999, by Newton's method).

    A little of the slope is held at one, so that a handful of labels cannot turn it around.
    """
    if good.all() or not good.any():
        return 1.0, 0.0
    weight = np.where(good, 0.5 / good.mean(), 0.5 / (1 - good.mean()))
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    prior, start = np.diag([1.0, 1e-3]), np.array([1.0, 0.0])

    def loss(line: npt.NDArray[np.float64]) -> float:
        values = design @ line
        held = 0.5 * (line - start) @ prior @ (line - start)
        return float(weight @ (np.logaddexp(0, values) - good * values) + held)

    found = start
    for _ in range(rounds):
        sure = _probability(design @ found)
        slope = design.T @ (weight * (sure - good)) + prior @ (found - start)
        bend = (design * (weight * sure * (1 - sure))[:, None]).T @ design + prior
        step = np.linalg.solve(bend, slope)
        while loss(found - step) > loss(found) and np.abs(step).max() > 1e-9:
            step = step / 2  # far from the minimum a whole step goes beyond it
        found = found - step
    return float(found[0]), float(found[1])


def reliability(sure: npt.NDArray[np.float64], good: npt.NDArray[np.bool_], bins: int = 10) -> dict[str, Any]:
    """Expected calibration error, and the bins of equal mass that it is made of (Nguyen and O'Connor 2015).

    Good and bad rows count alike, however many there are of each: the probability says how a row looks, not how many
    bad ones a corpus has.
    """
    weight = np.where(good, 0.5 / max(1, good.sum()), 0.5 / max(1, (~good).sum()))
    order = np.argsort(sure, kind="stable")
    edges = np.searchsorted(np.cumsum(weight[order]), np.linspace(0, weight.sum(), bins + 1)[1:-1])
    parts = [part for part in np.split(order, edges) if len(part)]
    rows = [
        {
            "sure": float(np.average(sure[part], weights=weight[part])),
            "good": float(np.average(good[part], weights=weight[part])),
            "share": float(weight[part].sum() / weight.sum()),
        }
        for part in parts
    ]
    return {"ece": sum(row["share"] * abs(row["sure"] - row["good"]) for row in rows), "bins": rows}


def _probability(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
