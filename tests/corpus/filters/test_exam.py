from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.filters.base import Batch
from deepseek_fusion.corpus.filters.exam import InExam, exam_items

QUESTION = "Which of the following drugs is given first to a patient with an acute attack of gout at night?"
SHORT = "Which drug lowers the uric acid of the blood?"  # nine words
问题 = "下列哪一种药物最适合作为急性痛风性关节炎发作期患者的一线治疗用药选择"


def held(text: str, items: list[str], length: int = 13) -> str | None:
    exam = InExam([(f"exam:{number}", item) for number, item in enumerate(items)], length)
    (found,) = exam.reasons(Batch([Document("a.txt", text)]))
    return found and found.text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"He was asked: {QUESTION.upper()}", "13 words in a row as in exam:0"),
        (f"… {' '.join(QUESTION.split()[2:16])} …", "13 words in a row as in exam:0"),
        (f"… {' '.join(QUESTION.split()[2:13])} …", None),
        (f"Tell me, {SHORT}", "9 words in a row as in exam:1"),
        ("Which drug lowers the uric acid of the urine?", None),
        (f"请问，{问题}？", "26 words in a row as in exam:2"),
        (问题[:20], None),
        ("Yes", None),
    ],
)
def test_parts_of_items_word_by_word(text: str, wanted: str | None) -> None:
    assert held(text, [QUESTION, SHORT, 问题, "Yes", "Is it?"]) == wanted


def test_no_items() -> None:
    assert held(QUESTION, []) is None


def test_items_of_files(tmp_path: Path) -> None:
    rows = [{"question": "a", "choices": [{"text": "b"}], "n": 3}, ["c"]]
    contents = {
        "a.jsonl": "\n".join(map(json.dumps, rows)),
        "a.json": json.dumps(rows),
        "a.csv": "q,a\nd,e\n",
        "a.txt": "f\ng",
    }
    found = {}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        found[name] = list(exam_items(tmp_path / name, name))
    assert found == {
        "a.jsonl": [("a.jsonl:1", "a"), ("a.jsonl:1", "b"), ("a.jsonl:2", "c")],
        "a.json": [("a.json", "a"), ("a.json", "b"), ("a.json", "c")],
        "a.csv": [("a.csv:1", "q"), ("a.csv:1", "a"), ("a.csv:2", "d"), ("a.csv:2", "e")],
        "a.txt": [("a.txt", "f"), ("a.txt", "g")],
    }


@pytest.mark.parametrize(("name", "content"), [("a.json", "{"), ("a.csv", 'a\n"b'), ("a.png", "x"), ("a.pdf", "x")])
def test_an_exam_that_cannot_be_read_is_a_mistake(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(FusionError, match=name):
        list(exam_items(tmp_path / name, name))
