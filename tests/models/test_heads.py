"""Heads: where they read, and that what is saved is what comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.heads import WORD, Head, Heads, Task, read_text
from deepseek_fusion.models.loading import Language

Load = Callable[[str], Language]
TASKS = [
    Task("kind", "classification", ("甲", "b", "c")),
    Task("score", "rating", (), 5.0, 2.0),
    Task("tag", "labelling", ("O", "X")),
]


def heads(width: int) -> Heads:
    """Heads with random weights."""
    generator = torch.Generator().manual_seed(1)
    made = [Head(task, width) for task in TASKS]
    for head in made:
        torch.nn.init.normal_(head.weight, generator=generator)
    return Heads(made)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fever and cough, since Monday.", ["Fever", "cough", "Monday", "."]),
        ("患者出现发烧、咳嗽，服药3天。", ["患者", "发烧", "、", "3", "天"]),
        ("ab ab ab", ["ab", "ab", "ab"]),
    ],
)
def test_a_word_is_read_at_its_last_token(language: Load, text: str, words: list[str]) -> None:
    loaded = language("llama")
    read = read_text(loaded, text, words)
    start = loaded.text_start()
    assert read.ids == (*start, *loaded.encode(text), *start)
    cursor = 0
    for word, place in zip(words, read.words, strict=True):
        cursor = text.index(word, cursor) + len(word)
        assert len(loaded.encode(text[:cursor])) == place  # byte-level tokens of words do not reach over their ends
    assert sorted(set(read.words)) == list(read.words)


def test_words_that_are_not_there_are_named(language: Load) -> None:
    with pytest.raises(ValueError, match="cough"):
        read_text(language("llama"), "cough and fever", ["fever", "cough"])


def test_text_is_split_into_words_marks_and_chinese_characters() -> None:
    assert WORD.findall("HbA1c 6.5%, 痛风3天。") == ["HbA1c", "6", ".", "5", "%", ",", "痛", "风", "3", "天", "。"]


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v3", "deepseek_v4"])
def test_heads_come_back_and_answer_alike_whatever_is_read_beside(
    language: Load, tmp_path: Path, architecture: str
) -> None:
    loaded = language(architecture)
    made = heads(loaded.head.weight.shape[1])
    made.save(tmp_path)
    back = Heads.load(tmp_path)
    texts = ["Fever and cough.", "痛风三天", "Fever and cough, since Monday"]
    together = back.predict(loaded, texts)
    assert [own.task for own in back.heads] == TASKS
    for text, answers in zip(texts, together, strict=True):
        (alone,) = made.predict(loaded, [text])
        assert answers["kind"]["label"] == alone["kind"]["label"] in ("甲", "b", "c")
        assert answers["score"]["rating"] == pytest.approx(alone["score"]["rating"], rel=1e-4)
        assert [row["word"] for row in answers["tag"]] == WORD.findall(text)
        assert [row["label"] for row in answers["tag"]] == [row["label"] for row in alone["tag"]]


def test_a_folder_without_heads_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match=r"has no heads\.safetensors; only an adapter of phase `multitask` has"):
        Heads.load(tmp_path)
