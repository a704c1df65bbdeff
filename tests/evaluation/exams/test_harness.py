"""The number that lm-evaluation-harness itself gives for the same items on the same model."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.answers.answering import answer_all
from deepseek_fusion.evaluation.exams.harness.grading import right_facts, share
from deepseek_fusion.evaluation.exams.harness.tasks import write_exam_tasks, write_set_tasks
from deepseek_fusion.evaluation.exams.scoring import best, score_options
from deepseek_fusion.evaluation.exams.sets import read_set
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.models.loading import Language, load_language
from knowledge_samples import GRAPHS

pytestmark = [
    pytest.mark.slow,  # each run imports lm-eval anew
    pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="needs `pip install lm-eval==0.4.13`"),
]


def lm_eval(model: Path, tasks: Path, out: Path, *options: str) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Run it as a person would; scores by task, and what it wrote down of each item."""
    command = [sys.executable, "-m", "lm_eval", "--model", "hf", "--include_path", str(tasks), "--batch_size", "3"]
    command += ["--model_args", f"pretrained={model},dtype=float32", "--device", "cpu", "--tasks", "deepseek_fusion"]
    command += ["--output_path", str(out), "--log_samples", *options]
    offline = {"HF_HOME": str(out / "hub"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **offline}, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(next(out.rglob("results_*.json")).read_text())["results"]
    samples = {}
    for file in out.rglob("samples_*.jsonl"):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        samples[file.name.removeprefix("samples_").rpartition("_")[0]] = sorted(rows, key=lambda row: row["doc_id"])
    return results, samples


def write_sets(folder: Path) -> list[Path]:
    diseases = ["Gout", "Asthma", "Pneumonia", "Acute Sinusitis", "Migraine", "痛风", "Hearing Loss", "Anxiety"]
    english = [
        {"question": f"What is sign number {n}? ", "choices": [diseases[(n + k * 3) % 8] for k in range(2 + n % 3)]}
        for n in range(12)
    ]
    chinese = [
        {"question": f"第{n}种疾病的症状是什么？", "choices": ["发烧", "头痛和咳嗽", f"疲劳{n}", "M10.9"]}
        for n in range(9)
    ]
    files = []
    for name, rows in (("finance set", english), ("医学", chinese)):
        files.append(folder / f"{name}.jsonl")
        lines = [json.dumps({**row, "answer": n % 2}, ensure_ascii=False) for n, row in enumerate(rows)]
        files[-1].write_text("\n".join(lines), encoding="utf-8")
    return files


@pytest.mark.parametrize("chat", [False, True])
def test_sets_score_the_same(models: Callable[[str], Path], tmp_path: Path, chat: bool) -> None:
    exams = [read_set(file) for file in write_sets(tmp_path)]
    names = write_set_tasks(tmp_path / "tasks", exams)
    options = ["--apply_chat_template"] if chat else []
    results, samples = lm_eval(models("llama"), tmp_path / "tasks", tmp_path / "out", *options)
    language = load_language(models("llama"))
    for exam, name in zip(exams, names, strict=True):
        ours = score_options(language, exam, lambda n: None, chat=chat)
        for own, question, row in zip(ours, exam.questions, samples[name], strict=True):
            theirs = [float(response[0][0]) for response in row["resps"]]
            assert own == pytest.approx(theirs, abs=1e-3), question
        for metric, normalised in (("acc,none", False), ("acc_norm,none", True)):
            right = [best(own, q.options, normalised) == q.answer for own, q in zip(ours, exam.questions, strict=True)]
            assert results[name][metric] == pytest.approx(sum(right) / len(right))
        assert 0 < results[name]["acc,none"] < 1


@pytest.mark.parametrize("name", ["en", "zh"])
def test_our_exam_scores_the_same(
    models: Callable[[str], Path], run: Run, graph: Callable[..., Artifact], tmp_path: Path, name: str
) -> None:
    table, section = GRAPHS[name]
    facts = graph(table, **section)
    items = read_exam(run.step(write_exam, EvaluationConfig(refusals=3), facts, facts).path)
    language = load_language(models("llama"))
    tasks = write_exam_tasks(tmp_path / "tasks", items, language)
    written = {item.family for item in items if not item.options}
    assert len(tasks) == len({item.family for item in items}) > len(written) >= 5
    results, samples = lm_eval(models("llama"), tmp_path / "tasks", tmp_path / "out")
    for family in sorted(written):
        rows = samples[f"fusion_{family}"]
        answers = _answers(language, [row["doc"] for row in rows])
        assert [row["resps"][0][0].strip() for row in rows] == [answer.strip() for answer in answers]
        counts = [right_facts(row["doc"], [answer])["right"] for row, answer in zip(rows, answers, strict=True)]
        assert results[f"fusion_{family}"]["right,none"] == pytest.approx(share(counts))


def _answers(language: Language, docs: list[dict[str, Any]]) -> list[str]:
    """With the limit of the family, which is what lm-eval can express."""
    longest = max((doc["expected"] for doc in docs), key=lambda text: len(language.encode(text)))
    return answer_all(language, [language.encode(doc["prompt"]) for doc in docs], [longest for _ in docs], draft=False)
