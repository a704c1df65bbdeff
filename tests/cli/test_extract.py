"""`deepseek-fusion extract` from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from deepseek_fusion.cli import USER_MISTAKE, app
from deepseek_fusion.core.artifacts import read_jsonl


def test_files_are_read_in_the_terms_of_the_project(project: Callable[..., Path]) -> None:
    file = project()
    (file.parent / "more.txt").write_text("感冒的症状有发烧和\n\n感冒没有发烧。", encoding="utf-8")
    result = CliRunner().invoke(
        app, ["extract", str(file), str(file.parent / "notes.txt"), str(file.parent / "more.txt")]
    )
    assert result.exit_code == 0, result.output
    (found,) = (file.parent / "work" / "extracted").glob("*/extracted.jsonl")
    rows = read_jsonl(found)
    assert {(row["subject"], row["relation"], row["object"], row["known"]) for row in rows} == {
        ("感冒", "症状", "发烧", True)
    }
    assert len(rows) == 2
    assert "症状: 1 facts, 1 known" in result.output


def test_a_model_that_is_not_there_is_one_sentence(project: Callable[..., Path]) -> None:
    file = project()
    sets = ["--set", "knowledge.extraction.method=seq2seq", "--set", f"knowledge.extraction.model={file.parent}"]
    result = CliRunner().invoke(app, ["extract", str(file), str(file.parent / "notes.txt"), *sets])
    assert result.exit_code == USER_MISTAKE
    assert "cannot be loaded as a T5" in result.output
    assert "Traceback" not in result.output
