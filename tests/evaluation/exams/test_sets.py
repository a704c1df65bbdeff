"""Files in the public formats, sound and broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.exams.sets import ExamSet, read_set

MEDQA = {"question": "Q1?", "answer": "Gout", "options": {"A": "Fever", "B": "Gout", "C": "Cough"}, "answer_idx": "B"}
MEDMCQA = {"question": "Q1?", "opa": "Fever", "opb": "Gout", "opc": "Cough", "opd": "Pain", "cop": 1, "exp": None}
PUBMEDQA = {"QUESTION": "Is it?", "CONTEXTS": ["One.", "Two."], "final_decision": "maybe", "LABELS": ["A"]}
PLAIN = {"question": "What is a bond?", "choices": ["debt", "equity"], "answer": "debt"}


def write(folder: Path, name: str, *rows: Any) -> Path:
    file = folder / name
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def lines(exam: ExamSet) -> list[int]:
    return [question.line for question in exam.questions]


def test_medqa(tmp_path: Path) -> None:
    exam = read_set(write(tmp_path, "medqa.jsonl", MEDQA, {**MEDQA, "question": "Q2?", "answer_idx": None}))
    assert (exam.name, exam.format, exam.language, exam.excluded) == ("medqa", "medqa", "en", {})
    assert [question.options[question.answer] for question in exam.questions] == ["Gout", "Gout"]


@pytest.mark.parametrize(
    ("numbers", "answers"), [((0, 1, 3), (0, 1, 3)), ((1, 2, 4), (0, 1, 3)), (("1", "4.0"), (0, 3))]
)
def test_medmcqa_counts_from_where_it_counts(tmp_path: Path, numbers: Any, answers: Any) -> None:
    rows = [{**MEDMCQA, "question": f"Q{i}?", "cop": number} for i, number in enumerate(numbers)]
    assert [question.answer for question in read_set(write(tmp_path, "m.json", *rows)).questions] == list(answers)


def test_medmcqa_that_does_not_say_where_it_counts_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match=r"m\.jsonl: cop is neither 0 nor 4"):
        read_set(write(tmp_path, "m.jsonl", MEDMCQA, {**MEDMCQA, "cop": 3}))


def test_pubmedqa_of_entries_and_of_lines(tmp_path: Path) -> None:
    (tmp_path / "pqa.json").write_text(json.dumps({"1": PUBMEDQA, "2": {**PUBMEDQA, "final_decision": "?"}}, indent=1))
    exam = read_set(tmp_path / "pqa.json")
    assert exam.format == "pubmedqa"
    assert exam.questions[0].passage == "One.\nTwo."
    assert exam.questions[0].options[exam.questions[0].answer] == "maybe"
    assert exam.excluded == {"answer not among the options": (2,)}
    assert read_set(write(tmp_path, "pqa.jsonl", PUBMEDQA)).questions == exam.questions


def test_tables_with_a_header_and_without(tmp_path: Path) -> None:
    ceval = write(
        tmp_path,
        "ceval.csv",
        "id,question,A,B,C,D,answer",
        '0,"首都，是哪里？",北京,上海,广州,深圳,A',
        "",
        "1,问,甲,乙,丙,丁,d",
    )
    exam = read_set(ceval)
    assert (exam.format, exam.language, lines(exam)) == ("letters", "zh", [2, 4])
    assert [question.answer for question in exam.questions] == [0, 3]
    mmlu = read_set(write(tmp_path, "mmlu.csv", 'What is 2+2?,3,4,"5,0",6,B', "And 1+1?,1,2,3,4,B"))
    assert mmlu.questions[0].options == ("3", "4", "5,0", "6")
    assert lines(mmlu) == [1, 2]
    assert read_set(write(tmp_path, "t.tsv", "Question\tA\tB\tAnswer", "Up?\tyes\tno\tA")).questions[0].answer == 0


@pytest.mark.parametrize(("answer", "index"), [("equity", 1), ("B", 1), ("a", 0), (1, 1), (0, 0)])
def test_plain_answers_by_text_letter_or_number(tmp_path: Path, answer: Any, index: int) -> None:
    assert read_set(write(tmp_path, "f.jsonl", {**PLAIN, "answer": answer})).questions[0].answer == index


def test_what_cannot_be_asked_is_named_with_its_lines(tmp_path: Path) -> None:
    broken = {
        "not JSON": "{",
        "not a JSON object": "[1]",
        "missing question": {**PLAIN, "question": "  "},
        "choices are not a list": {"question": "Q?", "choices": "ab", "answer": "a"},
        "empty option": {**PLAIN, "choices": ["debt", ""]},
        "duplicate options": {**PLAIN, "choices": ["debt", " ｄebt"]},
        "fewer than two options": {**PLAIN, "choices": ["debt"]},
        "answer not among the options": {**PLAIN, "answer": "gold"},
        "missing answer": {**PLAIN, "answer": None},
        "repeats an earlier question": PLAIN,
    }
    exam = read_set(write(tmp_path, "f.jsonl", PLAIN, *broken.values(), {**PLAIN, "question": "Q2?", "answer": 7}))
    assert lines(exam) == [1]
    expected = {reason: (line,) for line, reason in enumerate(broken, start=2)}
    assert exam.excluded == {**expected, "answer not among the options": (9, 12)}


def test_a_row_of_another_length_is_left_out(tmp_path: Path) -> None:
    exam = read_set(write(tmp_path, "x.csv", "question,A,B,answer", "Up?,yes,no", "Down?,yes,no,B"))
    assert exam.excluded == {"another number of fields than the header": (2,)}


def test_genotypes_are_no_duplicates(tmp_path: Path) -> None:
    row = {"question": "Which?", "choices": ["AA", "Aa", "aa"], "answer": "Aa"}
    assert read_set(write(tmp_path, "g.jsonl", row)).questions[0].answer == 1


def test_answers_of_medqa_that_differ_are_no_answer(tmp_path: Path) -> None:
    exam = read_set(write(tmp_path, "medqa.jsonl", MEDQA, {**MEDQA, "question": "Q2?", "answer_idx": "A"}))
    assert exam.excluded == {"answer and answer_idx differ": (2,)}


BROKEN = {
    "no columns": ("x.jsonl", '{"text": "hello"}', "x.jsonl: no row has the columns of a known format"),
    "empty": ("x.jsonl", "", "no row has the columns"),
    "no usable question": (
        "x.jsonl",
        '{"question": "Q?", "choices": ["a"], "answer": "a"}',
        r"not one usable question \(1 fewer than two options\)",
    ),
    "quotes": ("x.csv", 'question,A,B,answer\n"Up?,yes,no,A', "x.csv, line 2: broken CSV"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_without_a_question_is_an_error(tmp_path: Path, case: str) -> None:
    name, text, message = BROKEN[case]
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(FusionError, match=message):
        read_set(tmp_path / name)


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("question,A,B,answer\n问,甲,乙,A".encode("gb18030"))
    with pytest.raises(FusionError, match=r"x\.csv, line 2: not UTF-8"):
        read_set(tmp_path / "x.csv")
