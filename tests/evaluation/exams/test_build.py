"""The stage: one table row a set, every question's answers, and what was left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import read_json, read_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.exams.build import sit_sets
from deepseek_fusion.models.source import ModelSource

SECTION = EvaluationConfig(bootstrap=100)


def row(question: str, choices: list[str], answer: str) -> str:
    return json.dumps({"question": question, "choices": choices, "answer": answer}, ensure_ascii=False)


def test_every_set_gets_its_row(run: Run, source: Callable[[str], ModelSource], tmp_path: Path) -> None:
    sound = [row(f"What is {n}?", ["the longest", "short", "third"], "short") for n in range(4)]
    long = row("why " * 2100, ["a", "b"], "a")
    (tmp_path / "finance.jsonl").write_text("\n".join([*sound, row("What?", ["x", "x"], "x"), long]))
    (tmp_path / "考试.csv").write_text("question,A,B,answer\n痛风有哪些症状？,发烧,咳嗽和头痛,B\n", encoding="utf-8")
    made = run.step(sit_sets, SECTION, source("llama"), None, Source(("*.jsonl", "*.csv"), tmp_path))
    finance, chinese = read_json(made.path / "sets.json")["sets"]
    assert (finance["name"], finance["format"], finance["items"]) == ("finance", "choices", 4)
    assert finance["excluded"] == {
        "duplicate options": {"n": 1, "lines": [5]},
        "longer than the model's 2048 tokens": {"n": 1, "lines": [6]},
    }
    assert finance["chance"] == pytest.approx(1 / 3)
    assert finance["baselines"]["majority"]["value"] == 1
    assert finance["baselines"]["longest"]["value"] == 0
    assert (chinese["language"], chinese["items"], chinese["chance"]) == ("zh", 1, 0.5)
    assert chinese["baselines"]["longest"]["value"] == 1
    answers = read_jsonl(made.path / "answers.jsonl")
    assert [(answer["set"], answer["line"]) for answer in answers] == [
        *(("finance", n) for n in range(1, 5)),
        ("考试", 2),
    ]
    for table in (finance, chinese):
        own = [answer for answer in answers if answer["set"] == table["name"]]
        for rate, column in ((table["accuracy"], "plain"), (table["chat"]["accuracy_norm"], "chat_norm")):
            assert rate["value"] == sum(answer[column] == answer["right"] for answer in own) / len(own)
            assert rate["low"] <= rate["value"] <= rate["high"]
        unanswered = sum(answer["written"] is None for answer in own)
        assert table["written"]["unanswered"] + table["written"]["unfinished"] == unanswered


def test_sets_of_one_name_are_told_apart(run: Run, source: Callable[[str], ModelSource], tmp_path: Path) -> None:
    for folder in ("law", "tax"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test.jsonl").write_text(row("What?", ["a", "b"], "a"))
    made = run.step(sit_sets, SECTION, source("llama"), None, Source(("law", "tax"), tmp_path))
    assert [table["name"] for table in read_json(made.path / "sets.json")["sets"]] == ["law/test", "tax/test"]


def test_a_set_too_long_for_the_model_is_an_error(
    run: Run, source: Callable[[str], ModelSource], tmp_path: Path
) -> None:
    (tmp_path / "long.jsonl").write_text(row("why " * 2100, ["a", "b"], "a"))
    with pytest.raises(
        FusionError, match=r"long\.jsonl: this model can be asked none .*1 longer than the model's 2048"
    ):
        run.step(sit_sets, SECTION, source("llama"), None, Source(("long.jsonl",), tmp_path))
