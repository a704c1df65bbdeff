from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.corpus.semantic.judge import PACKAGED, Judge, reliability, scale
from deepseek_fusion.corpus.semantic.labels import Example
from deepseek_fusion.corpus.semantic.training import logits, train

GOOD = [
    ("What are the symptoms of gout?", "The symptoms of gout are joint pain and swelling."),
    ("What is pneumonia?", "Pneumonia is an inflammation of the lung, most often caused by an infection."),
    ("痛风有哪些症状？", "痛风的症状包括关节痛和红肿。"),
    ("什么是肺炎？", "肺炎是指由感染等原因引起的肺部炎症。"),
]


def tiny(seed: int = 0) -> list[Example]:
    """Answers that name what is asked for, or something else."""
    rng = np.random.default_rng(seed)
    names = [f"{''.join(rng.choice(list('bdfgklmnprst'), 4))}oma" for _ in range(60)]
    pairs = [(name, names[(place + 1) % 60]) for place, name in enumerate(names)]
    asked = [Example(f"{own} is a disease.", True, f"What is {own}?") for own, _ in pairs]
    asked += [Example(f"{other} is a disease.", False, f"What is {own}?") for own, other in pairs]
    prose = [Example(f"The {own} grows slowly. It is rare.", True) for own, _ in pairs]
    return asked + prose + [Example("Home | Login | Next | Share", False) for _ in pairs]


@pytest.fixture(scope="module")
def trained() -> Judge:
    return Judge(train(tiny(), 12, 0), {"pair": (1.0, 0.0), "prose": (1.0, 0.0)}, {"note": "试"})


def test_it_learns_from_labels_what_holds_for_names_never_seen(trained: Judge) -> None:
    new = tiny(seed=1)
    sure = trained.probabilities([example.question for example in new], [example.text for example in new])
    assert ((sure > 0.5) == [example.good for example in new]).mean() > 0.95


def test_numpy_judges_as_torch_trained(trained: Judge) -> None:
    weights = {name: torch.tensor(weight) for name, weight in trained.weights.items()}
    prose = [Example("A b. C 痛风。", True), Example("\n\n", False), Example("", True)]
    for own in (tiny()[:8], prose):
        ours = trained.logits([example.question for example in own], [example.text for example in own])
        assert np.allclose(ours, logits(weights, own).numpy(), atol=1e-4)


def test_a_saved_judge_says_the_same(trained: Judge, tmp_path: Path) -> None:
    trained.save(tmp_path / "j.safetensors")
    again = Judge.load(tmp_path / "j.safetensors")
    questions, answers = zip(*GOOD, strict=True)
    assert np.allclose(
        again.logits(questions, answers), trained.logits(questions, answers), atol=0.05
    )  # half precision
    assert again.facts == {"note": "试"}


def test_a_file_that_is_no_judge_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "j.safetensors"
    for content in (b"", b"\x80\x04pickle", b"\xff" * 16):
        path.write_bytes(content)
        with pytest.raises(FusionError, match=r"j.safetensors is no model of the semantic level .*corpus train"):
            Judge.load(path)
    save_file({"table": np.zeros((2, 2), np.float32)}, path, {"judge": json.dumps({"scales": {}, "facts": {}})})
    with pytest.raises(FusionError, match="its weights have other shapes"):
        Judge.load(path)
    with pytest.raises(FusionError, match="No such file"):
        Judge.load(tmp_path / "absent")


def test_scaling_makes_overconfident_logits_calibrated() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 20_000)
    good = rng.random(20_000) < 1 / (1 + np.exp(-truth))
    slope, intercept = scale(4 * truth + 3, good)
    assert slope == pytest.approx(0.25, abs=0.02)
    assert intercept == pytest.approx(-0.75, abs=0.1)
    sure = 1 / (1 + np.exp(-(slope * (4 * truth + 3) + intercept)))
    assert reliability(sure, good)["ece"] < 0.02
    assert reliability(1 / (1 + np.exp(-(4 * truth + 3))), good)["ece"] > 0.1
    assert scale(truth, np.ones(len(truth), bool)) == (1.0, 0.0)  # one kind alone calibrates nothing


def test_good_and_bad_rows_count_alike_in_the_error() -> None:
    sure = np.concatenate((np.full(900, 0.9), np.full(100, 0.1)))
    good = np.concatenate((np.ones(900, bool), np.zeros(100, bool)))
    assert reliability(sure, good)["ece"] == pytest.approx(0.1, abs=0.005)
    assert [row["share"] for row in reliability(np.linspace(0, 1, 100), np.arange(100) >= 50)["bins"]] == pytest.approx(
        [0.1] * 10, abs=0.02
    )


def test_the_packaged_judge_is_small_and_knows_both_languages() -> None:
    assert PACKAGED.stat().st_size < 5e6
    judge = Judge.load(PACKAGED)
    assert {part for head in judge.facts["reliability"].values() for part in head} == {"en", "zh"}
    questions, answers = zip(*GOOD, strict=True)
    right = judge.probabilities(questions, answers)
    other = judge.probabilities(questions, [*answers[1:2], *answers[:1], *answers[3:], *answers[2:3]])
    assert (right >= 0.8).all()
    assert (other < 0.8).all()
    prose = [
        "痛风是一种由尿酸沉积引起的关节病。患者的关节会突然红肿疼痛。",
        "Gout is a disease of the joints. It comes in attacks.",
    ]
    menus = ["首页 | 登录 | 注册 | 下一页 | 联系我们 | 下载", "Home | Log in | Next | Share | Contact | Downloads"]
    sure = judge.probabilities([None] * 4, [*prose, *menus])
    assert sure[:2].min() > sure[2:].max()
    assert sure[2:].max() < 0.5
