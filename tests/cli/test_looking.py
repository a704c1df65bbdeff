from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FACTS = "subject,relation,object,synonyms\n痛风,症状,关节痛,Gout|Podagra\n哮喘,症状,咳嗽,\n"
NEWER = "subject,relation,object,synonyms\n痛风,症状,关节痛,Gout\n痛风,症状,红肿,\n"


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "deepseek_fusion", *words], capture_output=True, text=True, cwd=folder, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_look_into_files(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text(FACTS, encoding="utf-8")
    (tmp_path / "new.csv").write_text(NEWER, encoding="utf-8")
    code, out, _ = run(tmp_path, "graph", "term", "podagra", "--from", "old.csv")
    assert (code, out) == (0, "痛风\n  also   Gout · Podagra\n  症状: 关节痛  [old.csv:2]\n")
    assert run(tmp_path, "graph", "term", "Goat", "--from", "old.csv")[0] == 2
    code, out, error = run(tmp_path, "graph", "term", "pod", "--from", "old.csv")
    assert (code, out, error) == (2, "", "pod: no term has this name; there are Podagra.\n")
    code, out, _ = run(tmp_path, "diff", "old.csv", "new.csv", "--out", "changes.jsonl")
    assert (code, out.splitlines()[0]) == (0, "~ changed   痛风")
    assert out.endswith("1 added, 1 changed, 0 obsoleted, 0 restored, 2 removed\n")
    assert len((tmp_path / "changes.jsonl").read_text(encoding="utf-8").splitlines()) == 4


def test_look_into_a_project(tmp_path: Path) -> None:
    (tmp_path / "facts.csv").write_text(FACTS, encoding="utf-8")
    (tmp_path / "p.yaml").write_text("name: p\nknowledge:\n  sources: [facts.csv]\n", encoding="utf-8")
    code, out, _ = run(tmp_path, "graph", "query", "SELECT ?x { ?x r:症状 name:咳嗽 }")
    assert (code, out) == (0, "x\n哮喘\n")
    assert run(tmp_path, "graph", "export", "all.nq")[:2] == (0, "8 statements: all.nq\n")
    code, out, _ = run(tmp_path, "graph", "term", "gout", "--from", "all.nq")
    assert "症状: 关节痛  [facts.csv:2]" in out
    code, _, error = run(tmp_path, "graph", "query", "nonsense")
    assert (code, error.count("\n")) == (2, 1)
