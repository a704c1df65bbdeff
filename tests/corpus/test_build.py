from __future__ import annotations

from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import read_json, read_jsonl, read_parquet
from deepseek_fusion.core.config import CorpusConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus

GOUT = "Gout is a painful disease of the joints, caused by crystals of uric acid."
痛风 = "痛风是一种由单钠尿酸盐沉积所致的晶体相关性关节病，与嘌呤代谢紊乱及尿酸排泄减少直接相关，患者常有关节痛。"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents of every kind, good and bad."""
    place = tmp_path / "文档"
    (place / "in").mkdir(parents=True)
    (place / "a.txt").write_text(GOUT, encoding="utf-8")
    (place / "in" / "b.md").write_bytes(痛风.encode("gb18030"))
    (place / "c.html").write_text(f"<p>{GOUT.replace(' is ', ' <i>is</i> ')}</p>", encoding="utf-8")
    (place / "d.jsonl").write_text('{"text": "too short"}\n{"text": \n', encoding="utf-8")
    (place / "e.bin").write_bytes(b"\0")
    return place


def test_documents_reasons_and_counts(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    build_corpus(out, CorpusConfig(), Source((".",), folder))
    documents = list(read_parquet(out / "documents.parquet"))
    assert [(row["source"], row["text"], row["language"]) for row in documents] == [
        ("a.txt", GOUT, "en"),
        ("in/b.md", 痛风, "zh"),
    ]
    assert len({row["id"] for row in documents}) == 2
    rejected = read_jsonl(out / "rejected.jsonl")
    assert {(row["source"], row["line"], row["filter"], row["reason"]) for row in rejected} == {
        ("c.html", None, "exact_duplicate", "same text as a.txt"),
        ("d.jsonl", 1, "too_short", "8 characters, fewer than 40"),
        ("d.jsonl", 2, "reader", "not JSON (Expecting value: line 1 column 10 (char 9))"),
        ("e.bin", None, "reader", next(row["reason"] for row in rejected if row["source"] == "e.bin")),
    }
    assert {row["filter"]: row["level"] for row in rejected} == {
        "reader": "reading",
        "too_short": "basic",
        "exact_duplicate": "basic",
    }
    counts = {"reader": 2, "too_short": 1, "exact_duplicate": 1}
    assert read_json(out / "summary.json") == {
        "read": 6,
        "kept": 2,
        "languages": {"en": 1, "zh": 1},
        "masked": {},
        "rejected": counts,
    }
    assert not (out / "passed.arrow").exists()


def test_the_same_documents_give_the_same_artifact_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    with Run(tmp_path / "work") as run:
        first = run.step(build_corpus, CorpusConfig(), Source((".",), folder))
        moved = folder.rename(tmp_path / "moved")
        assert run.step(build_corpus, CorpusConfig(), Source((".",), moved)) == first


def test_a_project_without_documents_has_an_empty_corpus(tmp_path: Path) -> None:
    build_corpus(tmp_path, CorpusConfig(), Source((), tmp_path))
    assert list(read_parquet(tmp_path / "documents.parquet")) == []
    assert read_json(tmp_path / "summary.json")["read"] == 0


def test_no_usable_document_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("短", encoding="utf-8")
    with pytest.raises(FusionError, match=r"none of 1 can be used; the first is a.txt: 1 characters, fewer than 40"):
        build_corpus(tmp_path, CorpusConfig(), Source(("a.txt",), tmp_path))
