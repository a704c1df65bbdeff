"""General ability: its text and its questions."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.answers.general import QUESTIONS, packaged_text, read_general_text
from deepseek_fusion.knowledge.asking.matching import folded, is_mentioned
from deepseek_fusion.training.prompts import PROMPTS


def test_no_question_is_a_replay_prompt() -> None:
    asked, replayed = {folded(question) for question, _ in QUESTIONS}, {folded(prompt) for prompt in PROMPTS}
    assert len(asked) == len(QUESTIONS) >= 50
    assert len(replayed) == len(PROMPTS)
    assert not [(a, b) for a in asked for b in replayed if a in b or b in a]


def test_no_question_gives_its_answer_away() -> None:
    assert not [question for question, names in QUESTIONS if is_mentioned(question, names)]


def test_texts_are_the_paragraphs_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "一般.txt"
    file.write_text("one\nstill one\n\n二\n\n\n\nthree\n", encoding="utf-8")
    assert read_general_text(file) == ["one\nstill one", "二", "three"]


def test_a_collection_is_read_kind_by_kind_in_turn(tmp_path: Path) -> None:
    kinds = ("c4", "oscar", "code", "wikipedia", "openwebtext", "c4", "oscar", "wikipedia", "openwebtext")
    rows = [{"type": kind, "text": f"{kind} {number}"} for number, kind in enumerate(kinds)]
    (tmp_path / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    texts = read_general_text(tmp_path / "samples.jsonl")
    assert [text.split()[0] for text in texts] == ["c4", "openwebtext", "wikipedia", "oscar"] * 2


@pytest.mark.parametrize(("content", "sentence"), [(b" \n\n ", "holds no text"), (b"\xff\xfe\xff", "cannot be read")])
def test_a_text_without_words_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(FusionError, match=sentence):
        read_general_text(tmp_path / "x.txt")


def test_the_packaged_text_is_public_web_text() -> None:
    if importlib.util.find_spec("evals") is None:
        with pytest.raises(FusionError, match="pip install --no-deps evals"):
            packaged_text()
        return
    texts = read_general_text(packaged_text())
    assert len(texts) > 50
    assert min(map(len, texts)) > 0
