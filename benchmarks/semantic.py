"""The semantic level: does it tell planted mismatches from good rows, how well calibrated, at what cost.

One model is trained on rows of packages (see semantic_data/unpack.py for how to get them), calibrated on other entities
and documents, and tested on yet others: one group in ten. Sources that are only tested on: BIG-bench (questions on
passages of SQuAD's kind, sentences of Wikidata, news, reviews, forums, Chinese reviews and how-to pages), which asks
never to be trained on, and of our own the Chinese questions on countries.

Hard mismatches are about the right thing: the answer to another question about the same entity or passage, and the
answer to the same question about another entity, which it names. A third kind is shown and not counted: another
entity's value written as if it were this one's. Only who knows the fact could tell.

AUROC is over all good and bad rows of a group; its interval is a bootstrap over entities and documents. Error of
calibration: good and bad rows count alike.

Run: python benchmarks/semantic.py FOLDER [--notes examples/medical/data] [--seeds 0] [--most 2500] [--ship]
(about 4 core-minutes a seed; --ship writes the packaged model of the first seed)
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from deepseek_fusion.core.settings.filtering import CorpusConfig, SemanticConfig
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.rows import Rows
from deepseek_fusion.corpus.semantic.judge import PACKAGED, Judge, reliability, scale
from deepseek_fusion.corpus.semantic.labels import Example
from deepseek_fusion.corpus.semantic.training import train
from deepseek_fusion.knowledge.language import Language
from record import Row as Figure
from record import write_results
from semantic_data.rows import UNKNOWABLE, Row, known_rows, unseen_rows
from semantic_data.unpack import unpack

UNSEEN = ("countries",)
HARD = ("another aspect", "another entity")
BAR, ERROR, THRESHOLD = 0.95, 0.05, 0.8
LANGUAGES: tuple[Language, ...] = ("en", "zh")
Floats = npt.NDArray[np.float64]


def main() -> None:
    """Train, test, write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the downloaded packages")
    parser.add_argument("--notes", type=Path, help="what examples/medical/make_data.py wrote")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--most", type=int, default=2500, help="good rows of a source")
    parser.add_argument("--ship", action="store_true")
    options = parser.parse_args()
    place = unpack(options.folder)
    tests: list[tuple[Row, float]] = []
    unseen: list[tuple[Row, float]] = []
    for number, seed in enumerate(options.seeds):
        rows = known_rows(place, options.notes, seed, options.most)
        judge = trained(rows, seed)
        own = [row for row in rows if row.part == "test" and row.source not in UNSEEN]
        tests += zip(own, sure(judge, own), strict=True)
        other = [row for row in rows if row.source in UNSEEN] + unseen_rows(place, seed, options.most // 10)
        unseen += zip(other, sure(judge, other), strict=True)
        if not number:
            first = with_facts(judge, own)
    if options.ship:
        first.save(PACKAGED)
    seeds = tuple(options.seeds)
    figures = [*told(tests, "held-out entities and documents", seeds), *told(unseen, "held-out sources", seeds)]
    write_results("semantic", ["benchmarks/semantic.py", *sys.argv[1:]], [*figures, *cost(first, tests)])


def trained(rows: Sequence[Row], seed: int) -> Judge:
    """A judge that saw the rows to train on, calibrated on those for that."""
    seen = [row for row in rows if row.source not in UNSEEN and row.kind != UNKNOWABLE]
    examples = [Example(row.text, row.good, row.question) for row in seen if row.part == "train"]
    judge = Judge(train(examples, 1, seed), {"pair": (1.0, 0.0), "prose": (1.0, 0.0)}, {})
    scales = {}
    for head, is_pair in (("pair", True), ("prose", False)):
        own = [row for row in seen if row.part == "calibrate" and (row.question is not None) == is_pair]
        logits = judge.logits([row.question for row in own], [row.text for row in own])
        scales[head] = scale(logits, np.array([row.good for row in own]))
    return Judge(judge.weights, scales, {})


def sure(judge: Judge, rows: Sequence[Row]) -> list[float]:
    """The probability of each row."""
    return list(map(float, judge.probabilities([row.question for row in rows], [row.text for row in rows])))


def with_facts(judge: Judge, rows: Sequence[Row]) -> Judge:
    """The judge with what the funnel shows of it."""
    found: dict[str, Any] = {}
    for head, is_pair in (("pair", True), ("prose", False)):
        for language in LANGUAGES:
            own = [row for row in rows if (row.question is not None) == is_pair and row.language == language]
            own = [row for row in own if row.kind != UNKNOWABLE]
            measured = reliability(np.array(sure(judge, own)), np.array([row.good for row in own]))
            found.setdefault(head, {})[language] = measured
    return Judge(judge.weights, judge.scales, {"reliability": found})


def told(judged: Sequence[tuple[Row, float]], where: str, seeds: tuple[int, ...]) -> list[Figure]:
    """The figures of one way of holding out, by head and language; then by kind, then by source."""
    figures = []
    for head, is_pair in (("answers", True), ("passages", False)):
        for language in LANGUAGES:
            own = [
                pair for pair in judged if (pair[0].question is not None) == is_pair and pair[0].language == language
            ]
            if not own:
                continue
            name = f"{head} {language}, {where}"
            known = [pair for pair in own if pair[0].kind != UNKNOWABLE]
            figures.append(_auroc(f"AUROC, {name}", known, seeds, BAR))
            hard = [pair for pair in own if pair[0].good or pair[0].kind in HARD]
            if is_pair:
                figures.append(_auroc(f"AUROC, hard mismatches only, {name}", hard, seeds, BAR))
            figures += _calibration(name, known, seeds)
            for kind in sorted({row.kind for row, _ in own} - {"good"}):
                some = [pair for pair in own if pair[0].good or pair[0].kind == kind]
                caught = float(np.mean([value < THRESHOLD for row, value in some if not row.good]))
                note = f"rejected at {THRESHOLD}: {caught:.3f}" + ("; not counted above" if kind == UNKNOWABLE else "")
                figures.append(_auroc(f"AUROC, {kind}, {name}", some, seeds, None, note))
            for source, form in sorted({(row.source, row.form) for row, _ in known}):
                some = [pair for pair in known if (pair[0].source, pair[0].form) == (source, form)]
                figures.append(_auroc(f"AUROC, source {source} ({form}), {name}", some, seeds, None))
    return figures


def _calibration(name: str, known: Sequence[tuple[Row, float]], seeds: tuple[int, ...]) -> list[Figure]:
    values, good = np.array([value for _, value in known]), np.array([row.good for row, _ in known])
    kept = float((values[good] >= THRESHOLD).mean())
    caught = float((values[~good] < THRESHOLD).mean())
    draws = _resampled([row.group for row, _ in known], lambda part: reliability(values[part], good[part])["ece"])
    error = reliability(values, good)["ece"]
    return [
        Figure(
            figure=f"calibration error, {name}",
            ours=error,
            bar=f"<= {ERROR}",
            holds=error <= ERROR,
            n=len(known),
            seeds=seeds,
            interval=draws,
        ),
        Figure(
            figure=f"good rows kept at {THRESHOLD}, {name}",
            ours=kept,
            n=int(good.sum()),
            seeds=seeds,
            note=f"bad rows rejected: {caught:.3f}",
        ),
    ]


def _auroc(
    figure: str, pairs: Sequence[tuple[Row, float]], seeds: tuple[int, ...], bar: float | None, note: str = ""
) -> Figure:
    values, good = np.array([value for _, value in pairs]), np.array([row.good for row, _ in pairs])
    found = auroc(values, good)
    return Figure(
        figure=figure,
        ours=found,
        bar=f">= {bar}" if bar else "",
        holds=found >= bar if bar else None,
        n=len(pairs),
        seeds=seeds,
        interval=_resampled([row.group for row, _ in pairs], lambda part: auroc(values[part], good[part])),
        note=note,
    )


def auroc(values: Floats, good: npt.NDArray[np.bool_]) -> float:
    """How often a good row has the higher value of a good and a bad one; equal values count half."""
    if good.all() or not good.any():
        return float("nan")
    ordered = np.sort(values[~good])
    below = np.searchsorted(ordered, values[good], "left") + np.searchsorted(ordered, values[good], "right")
    return float(below.mean() / 2 / len(ordered))


def _resampled(groups: Sequence[str], value: Callable[[npt.NDArray[np.int64]], float]) -> tuple[float, float]:
    """95 % interval of 200 draws of whole groups."""
    rng = np.random.default_rng(0)
    numbers = np.unique(groups, return_inverse=True)[1]
    order = np.argsort(numbers, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    draws = []
    for _ in range(200):
        chosen = rng.integers(0, len(members), len(members))
        draws.append(value(np.concatenate([members[place] for place in chosen])))
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return float(low), float(high)


def cost(judge: Judge, tests: Sequence[tuple[Row, float]]) -> list[Figure]:
    """Rows a core-second of everything that is done with a text alone, with the level and without, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        judge.save(path := Path(folder) / "judge.safetensors")
        return _cost(path, tests)


def _cost(path: Path, tests: Sequence[tuple[Row, float]]) -> list[Figure]:
    figures = []
    kinds: tuple[tuple[Literal["answers", "passages"], bool], ...] = (("answers", True), ("passages", False))
    for kind, is_pair in kinds:
        documents = [_document(row) for row, _ in tests if (row.question is not None) == is_pair][:2048]
        off = SemanticConfig()
        on = off.model_copy(update={"judges": (kind,)})
        sides = [Rows(CorpusConfig(min_characters=1, semantic=section), [], path) for section in (on, off)]
        spent = [[0.0], [0.0]]
        for _ in range(3):
            for side, times in zip(sides, spent, strict=True):
                start = time.process_time()
                for first in range(0, len(documents), 512):
                    side.batch(documents[first : first + 512])
                times.append(time.process_time() - start)
        ours, peer = (len(documents) / min(times[1:]) for times in spent)
        length = sum(len(document.text) for document in documents) / len(documents)
        figures.append(
            Figure(
                figure=f"rows a core-second of the filters on single texts, {kind} judged",
                ours=ours,
                peer=peer,
                peer_name="the same without the semantic level",
                ratio=ours / peer,
                n=len(documents),
                interval=_ratios(spent),
                note=f"texts of {length:.0f} characters; reading, and comparing texts with each other, come on top",
            )
        )
    return figures


def _ratios(spent: Sequence[Iterable[float]]) -> tuple[float, float]:
    ratios = [there / here for here, there in zip(*spent, strict=True) if here]
    return min(ratios), max(ratios)


def _document(row: Row) -> Document:
    if row.question is None:
        return Document("a.txt", row.text)
    return Document("a.jsonl", f"{row.question}\n{row.text}", 1, {"question": row.question, "answer": row.text})


if __name__ == "__main__":
    main()
