"""Our exams as folders of lm-evaluation-harness tasks, so that anybody can check a number with the field's own tool.

lm_eval --model hf --model_args pretrained=MODEL --include_path FOLDER --tasks deepseek_fusion
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import write_jsonl
from deepseek_fusion.evaluation.answers.answering import SLACK
from deepseek_fusion.evaluation.exams.prompts import DELIMITERS, continued
from deepseek_fusion.evaluation.exams.scoring import templated
from deepseek_fusion.evaluation.exams.sets import ExamSet
from deepseek_fusion.evaluation.questions.families import FAMILIES, Item
from deepseek_fusion.models.loading import Language

_FOLDER = Path(__file__).parent


def write_set_tasks(out: Path, exams: Sequence[ExamSet]) -> list[str]:
    """Write multiple-choice sets as tasks `fusion_<set>`: the same items, prompts and options that `sit_sets` scores.

    Run them with `--apply_chat_template` for the scores of the chat.

    Returns:
        the names of the tasks.
    """
    names = []
    for exam in exams:
        rows = [
            {"prompt": continued(q.question, q.passage, exam.language), "options": q.options, "answer": q.answer}
            for q in exam.questions
        ]
        names.append(_write(out, exam.name, "choice", rows, {"target_delimiter": DELIMITERS[exam.language]}))
    return names


def write_exam_tasks(out: Path, items: Sequence[Item], language: Language) -> list[str]:
    """Write the exam of a project as tasks `fusion_<family>`, with the chat template of the model already applied.

    The folder belongs to this model: the template and the lengths of answers are in it. An answer may become as long as
    the longest of its family, so it can come out longer than in a sitting, where each item has its own limit. Choices
    are scored by lm-eval's rules (`acc`: sum of log-likelihoods), a sitting scores them by the mean over tokens.

    Returns:
        the names of the tasks.
    """
    names = []
    for family in FAMILIES:
        of_family = [item for item in items if item.family == family]
        if not of_family:
            continue
        prompts = [templated(language, i.prompt) if i.chat else _text_start(language) + i.prompt for i in of_family]
        if of_family[0].options:
            rows = [
                {"id": item.id, "prompt": prompt, "options": item.options, "answer": 0}
                for item, prompt in zip(of_family, prompts, strict=True)
            ]
            names.append(_write(out, family, "choice", rows, {"target_delimiter": ""}))
        else:
            rows = [
                {"id": item.id, "prompt": prompt, "expected": item.expected, "gold": item.gold}
                for item, prompt in zip(of_family, prompts, strict=True)
            ]
            limit = max(len(language.encode(item.expected)) for item in of_family) + SLACK
            settings = {"until": [], "do_sample": False, "max_gen_toks": limit}
            names.append(_write(out, family, "written", rows, {"generation_kwargs": settings}))
    return names


def _text_start(language: Language) -> str:
    return str(language.tokenizer.decode(language.text_start()))


def _write(out: Path, name: str, kind: str, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> str:
    """One task: its data and its YAML, which is our template under a head of its own (JSON is YAML)."""
    task = "fusion_" + re.sub(r"\W+", "_", name)
    out.mkdir(parents=True, exist_ok=True)
    data = (out / f"{task}.jsonl").resolve()
    write_jsonl(data, rows)
    head = {"task": task, "dataset_kwargs": {"data_files": {"test": str(data)}}, **settings}
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    template = (_FOLDER / f"{kind}.yaml").read_text(encoding="utf-8")
    (out / f"{task}.yaml").write_text("\n".join(lines) + "\n" + template, encoding="utf-8")
    return task
