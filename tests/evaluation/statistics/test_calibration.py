"""Calibration of answers whose true probability is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.statistics.calibration import BINS, calibrate, calibration
from knowledge_samples import GRAPHS


def drawn(n: int, bias: float, seed: int, size: int = 1) -> tuple[list[float], list[bool], list[str]]:
    """Answers that are right with the stated confidence less `bias`, in subjects of `size`."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.4, 1.0, n)
    right = rng.random(n) < sure - bias
    return sure.tolist(), right.tolist(), [f"主题{number // size}" for number in range(n)]


def test_by_hand() -> None:
    sure = [0.5] * 20 + [0.9] * 20
    right = [True] * 10 + [False] * 10 + [True] * 12 + [False] * 8
    found = calibration(sure, right, [str(number) for number in range(40)], 500, 0)
    assert found["bins"] == [
        {"confidence": pytest.approx(0.5), "accuracy": 0.5, "n": 20},
        {"confidence": pytest.approx(0.9), "accuracy": 0.6, "n": 20},
    ]
    assert found["ece"]["value"] == pytest.approx(0.15)  # half of the answers are 0.3 too sure
    assert found["brier"]["value"] == pytest.approx((20 * 0.25 + 12 * 0.01 + 8 * 0.81) / 40)
    assert found["ece"]["n"] == found["brier"]["n"] == 40
    assert found == calibration(sure, right, [str(number) for number in range(40)], 500, 0)


def test_bins_have_equal_mass_and_split_no_equal_confidences() -> None:
    sure, right, names = drawn(1000, 0.0, 0)
    bins = calibration(sure, right, names, 100, 0)["bins"]
    assert [row["n"] for row in bins] == [100] * BINS
    assert [row["confidence"] for row in bins] == sorted(row["confidence"] for row in bins)
    tied = calibration([1.0] * 900 + sure[:100], [True] * 900 + right[:100], names, 100, 0)["bins"]
    assert tied[-1]["n"] >= 900
    assert len(calibration(sure[:30], right[:30], names[:30], 100, 0)["bins"]) == 1  # too few for more


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    for bias in (0.0, 0.2):
        held = 0
        for seed in range(60):
            found = calibration(*drawn(300, bias, seed), 200, seed)["ece"]
            assert found["low"] <= found["value"] <= found["high"]
            held += found["low"] <= bias <= found["high"]
        assert held >= 54


def test_subjects_stand_and_fall_together() -> None:
    sure = [0.7] * 200
    right = [True] * 100 + [False] * 100
    widths = []
    for size in (1, 20):
        found = calibration(sure, right, [str(number // size) for number in range(200)], 1000, 0)["ece"]
        widths.append(found["high"] - found["low"])
    assert widths[1] > 2 * widths[0]


def test_edges() -> None:
    assert calibration([], [], [], 100, 0) == {
        "ece": {"value": 0.0, "low": 0.0, "high": 0.0, "n": 0},
        "brier": {"value": 0.0, "low": 0.0, "high": 0.0, "n": 0},
        "bins": [],
    }
    one = calibration([0.75], [True], ["Gout"], 100, 0)
    assert (one["ece"]["value"], one["brier"]["value"]) == (0.25, 0.0625)
    for wrong in (float("nan"), 1.5):
        with pytest.raises(FusionError, match=r"confidence 2 .on 痛风. is .* not between 0 and 1"):
            calibration([0.5, wrong], [True, True], ["Gout", "痛风"], 100, 0)


@pytest.mark.parametrize("words", ["en", "zh"])
def test_both_sittings_are_calibrated_on_their_choices(
    words: str, run: Run, graph: Callable[..., Artifact], tmp_path: Path
) -> None:
    facts, section = GRAPHS[words]
    taught = graph(facts, **section)
    exam = run.step(write_exam, EvaluationConfig(), taught, taught)
    chosen = [item for item in read_exam(exam.path) if item.family == "choice"]
    sittings = []
    for sure in (0.25, 0.75):
        folder = tmp_path / f"sitting-{sure}"
        folder.mkdir()
        rows = [{"id": item.id, "right": [True], "confidence": sure} for item in chosen]
        write_jsonl(folder / "answers.jsonl", [*rows, {"id": "question-0-0", "right": [False]}])
        sittings.append(Artifact(folder, folder.name, "sitting"))
    found = read_json(run.step(calibrate, EvaluationConfig(), taught, exam, *sittings).path / "calibration.json")
    assert (found["before"]["ece"]["value"], found["now"]["ece"]["value"]) == (0.75, 0.25)
    assert found["now"]["ece"]["n"] == len(chosen) > 0
