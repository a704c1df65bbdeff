"""Rows of tasks: what can be used, and one sentence with file and line for what cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.settings.phases import TaskConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.training.labels import Labelled, read_labels, task_of

GOOD: dict[str, list[dict[str, Any]]] = {
    "classification": [{"text": "fever", "label": "a"}, {"text": "痛风", "label": "b"}],
    "rating": [{"text": "fever", "rating": 1}, {"text": "痛风", "rating": 3.0}],
    "labelling": [{"text": "痛风, fever", "words": ["痛风", "fever"], "tags": ["X", "Y"]}],
    "text": [{"text": "fever"}, {"question": "何病？", "answer": "痛风"}],
}


def read(folder: Path, kind: str, *lines: str) -> list[Labelled]:
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tasks = {"mine": TaskConfig(kind=kind, files=("rows.jsonl",))}  # type: ignore[arg-type]
    return read_labels(tasks, Source(("rows.jsonl",), folder))["mine"]


@pytest.mark.parametrize("kind", GOOD)
def test_good_rows_are_read_and_a_head_knows_their_answers(tmp_path: Path, kind: str) -> None:
    rows = read(tmp_path, kind, *(json.dumps(row, ensure_ascii=False) for row in GOOD[kind]))
    task = task_of("mine", kind, rows)
    assert len(rows) == len(GOOD[kind])
    if kind == "text":
        assert task is None
    elif kind == "rating":
        assert task is not None
        assert (task.mean, task.spread) == (2.0, 1.0)
    else:
        assert task is not None
        assert len(task.labels) == 2


@pytest.mark.parametrize(
    ("kind", "line", "sentence"),
    [
        ("classification", '{"text": "a", "lable": "x"}', r"rows\.jsonl, line 2: unknown field `lable`; did you mean"),
        ("classification", '{"text": "a", "label": "x", "q": 1}', r"line 2: unknown field `q`; a row of kind classif"),
        ("classification", '{"text": "a"}', r"line 2: `label` is missing; a row of kind classification has `label`"),
        ("classification", '{"text": " ", "label": "x"}', r"line 2: `text` is ' ', where a text is needed"),
        ("classification", '{"text": "a", "label": 3}', r"line 2: `label` is 3, where a text is needed"),
        ("rating", '{"text": "a", "rating": "high"}', r"line 2: `rating` is 'high', where a number is needed"),
        ("rating", '{"text": "a", "rating": true}', r"line 2: `rating` is True, where a number is needed"),
        ("rating", '{"text": "a", "rating": NaN}', r"line 2: `rating` is nan, where a number is needed"),
        ("labelling", '{"text": "a b", "words": ["a", "b"], "tags": ["X"]}', r"line 2: 1 tags for 2 words; give each"),
        ("labelling", '{"text": "a b", "words": [], "tags": []}', r"line 2: 0 tags for 0 words"),
        ("labelling", '{"text": "a b", "words": "a b", "tags": []}', r"line 2: `words` is not a list of texts"),
        ("labelling", '{"text": "a b", "words": ["b", "a"], "tags": ["X", "Y"]}', r"line 2: the word 'a' does not"),
        ("text", '{"question": "a"}', r"line 2: `answer` is missing; a row of kind text has `answer` and `question`"),
        ("text", '["a"]', r"line 2: a JSON object"),
        ("text", '{"text": "a"', r"line 2: not valid JSON"),
    ],
)
def test_a_bad_row_is_one_sentence(tmp_path: Path, kind: str, line: str, sentence: str) -> None:
    with pytest.raises(FusionError, match=sentence):
        read(tmp_path, kind, json.dumps(GOOD[kind][0], ensure_ascii=False), line)


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        ("classification", {"label": "x"}, r"rows\.jsonl: every row of task `mine` has the class 'x'; two at least"),
        ("rating", {"rating": 2}, r"has the rating 2\.0; two"),
        ("labelling", {"words": ["a"], "tags": ["X"]}, r"has the tag 'X'; two"),
    ],
)
def test_one_answer_alone_cannot_be_learned(
    tmp_path: Path, kind: str, fields: dict[str, object], sentence: str
) -> None:
    rows = read(tmp_path, kind, *[json.dumps({"text": f"a {number}", **fields}) for number in range(3)])
    with pytest.raises(FusionError, match=sentence):
        task_of("mine", kind, rows)


def test_nothing_at_all_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match=r"rows\.jsonl: holds no rows for task `mine`"):
        read(tmp_path, "text", "")
    with pytest.raises(FusionError, match="phase `multitask` has none; name at least one"):
        read_labels({}, Source((), tmp_path))
