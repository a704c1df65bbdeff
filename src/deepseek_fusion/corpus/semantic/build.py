"""Commands of the semantic level: a desk with rows of the user's documents, and a judge trained on their labels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from deepseek_fusion.core.errors import FusionError, missing
from deepseek_fusion.core.events import track
from deepseek_fusion.core.settings.filtering import CorpusConfig, SemanticConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.documents import Rejected
from deepseek_fusion.corpus.rows import File
from deepseek_fusion.corpus.semantic.judge import Judge, reliability, scale
from deepseek_fusion.corpus.semantic.labels import Example, RowDesk, read_labels, sample
from deepseek_fusion.corpus.semantic.network import Weights
from deepseek_fusion.corpus.workers import read_rows

MOST_ROWS = 20_000
"""Rows that a sample is drawn from: the first ones of the documents."""
FEWEST = 10
"""Labels of each kind, good and bad, that a head is trained on."""

_FOLDS = 5
_STEPS, _SIZE, _RATE = 200, 16, 1e-3  # at least so many steps: a few dozen labels are read many times


def open_row_desk(
    section: CorpusConfig, documents: Source, judge: Path | None, file: Path, labeller: str, count: int
) -> RowDesk:
    """A desk with rows of the documents that pass every other filter, likely and unlikely ones.

    Raises:
        FusionError: no row can be labelled, or the labeller has no name.
    """
    if not labeller.strip():
        raise FusionError("labeller: is empty; give the name of the person who labels.")
    kinds = section.semantic.judges or ("answers", "passages")
    open_all = section.model_copy(
        update={"semantic": section.semantic.model_copy(update={"judges": kinds, "threshold": 0.0})}
    )
    found: list[dict[str, Any]] = []
    files = [File(path, path.name) for path in documents.files]
    with track("Reading documents") as progress:
        for rows in read_rows(files, open_all, [], judge=judge):
            if isinstance(rows, Rejected):
                continue
            passed = [row for row in rows.to_pylist() if row["filter"] is None and row["probability"] is not None]
            found += (_shown(row, section.semantic) for row in passed)
            progress.advance(len(rows))
            if len(found) >= MOST_ROWS:
                break
    if not found:
        what = " or ".join(kinds)
        raise FusionError(f"documents: hold no {what} to label; see `corpus.semantic.judges` and `question_field`.")
    unique = list({row["id"]: row for row in islice(found, MOST_ROWS)}.values())
    return RowDesk(sample(unique, count, seed=0), file, labeller.strip())


def _shown(row: Mapping[str, Any], section: SemanticConfig) -> dict[str, Any]:
    told = json.loads(row["metadata"] or "{}")
    question = told.get(section.question_field)
    text = row["text"] if question is None else told.get(section.answer_field, row["text"])
    return {"id": row["id"], "question": question, "text": text, "probability": row["probability"]}


def train_judge(labels: Sequence[Path], start: Path, out: Path, steps: int = _STEPS) -> dict[str, dict[str, float]]:
    """Go on training a judge on people's labels; write it, and return how it did on labels that it did not see.

    Each fifth of the labels is judged by a model trained on the others; these probabilities calibrate the result, which
    is trained on all of them. A row that people disagree on counts once for each of them.

    Args:
        steps: of each of these trainings, at least.

    Returns:
        "pair" and "prose", as far as there were labels -> `labels`, and `error` (ECE) and `right` (share of labels on
        the right side of one half) `before` and `after`.

    Raises:
        FusionError: there are too few labels of either kind, or torch is not installed.
    """
    judge = Judge.load(start)
    rows = list(read_labels(labels).values())
    examples = [Example(row["text"], row["label"] == "good", row["question"]) for row in rows]
    scales, facts, told = dict(judge.scales), dict(judge.facts), {}
    chosen: list[Example] = []
    for head, own in (
        ("pair", [example for example in examples if example.question is not None]),
        ("prose", [example for example in examples if example.question is None]),
    ):
        good = np.array([example.good for example in own], bool)
        if min(good.sum(), (~good).sum()) < FEWEST:
            continue
        logits = np.zeros(len(own))
        for fold in range(_FOLDS):
            rest = [example for place, example in enumerate(own) if place % _FOLDS != fold]
            tuned = Judge(_tuned(rest, fold, judge, steps), scales, {})
            held = [place for place in range(len(own)) if place % _FOLDS == fold]
            logits[held] = tuned.logits([own[place].question for place in held], [own[place].text for place in held])
        before = judge.probabilities([example.question for example in own], [example.text for example in own])
        scales[head] = scale(logits, good)
        after = 1 / (1 + np.exp(-(logits * scales[head][0] + scales[head][1])))
        facts["reliability"] = {**facts.get("reliability", {}), head: {"labels": reliability(after, good)}}
        told[head] = {"labels": float(len(own))} | {
            f"{name} {moment}": value
            for moment, sure in (("before", before), ("after", after))
            for name, value in (
                ("error", reliability(sure, good)["ece"]),
                ("right", float(((sure >= 0.5) == good).mean())),
            )
        }
        chosen += own
    if not told:
        raise FusionError(
            f"corpus train: needs at least {FEWEST} good and {FEWEST} bad labels of answers or of passages, but has "
            f"{len(examples)} labels; run `deepseek-fusion corpus label` first."
        )
    weights = _tuned(chosen, 0, judge, steps)
    out.parent.mkdir(parents=True, exist_ok=True)
    Judge(weights, scales, facts | {"labels": len(chosen)}).save(out)
    return told


def _tuned(examples: Sequence[Example], seed: int, judge: Judge, steps: int) -> Weights:
    try:
        from deepseek_fusion.corpus.semantic.training import train
    except ModuleNotFoundError:
        raise missing("torch", "training a judge", "train") from None
    passes = max(2, math.ceil(steps * _SIZE / len(examples)))
    return train(examples, passes, seed, judge.weights, _RATE, _SIZE)
