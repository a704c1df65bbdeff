from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from corpus.formats.samples import docx, paragraph
from deepseek_fusion.core.artifacts import read_json, read_jsonl, read_parquet
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.filtering import CorpusConfig, DomainConfig, SemanticConfig
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


def test_the_domain_and_the_exams(tmp_path: Path) -> None:
    facts = ["subject,relation,object,synonyms", "Gout,symptom,joint pain,podagra|痛风", "Gout,lab,uric acid,"]
    (tmp_path / "facts.csv").write_text("\n".join(facts), encoding="utf-8")
    (tmp_path / "exam.jsonl").write_text(json.dumps({"q": f"Is this true? {GOUT}"}))
    rows = [
        GOUT,
        "Podagra brings joint pain when the uric acid is high.",
        痛风,
        "The bank sold its shares on Monday night, and the market fell sharply.",
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in rows))
    section = CorpusConfig(exam_words=10, domain=DomainConfig(relevance=0.1))
    sources = [Source((name,), tmp_path) for name in ("a.jsonl", "facts.csv", "exam.jsonl")]
    out = tmp_path / "out"
    out.mkdir()
    build_corpus(out, section, sources[0], sources[1], None, sources[2])
    kept = list(read_parquet(out / "documents.parquet"))
    assert [row["text"] for row in kept] == rows[1:3]
    assert all(row["relevance"] > 0.1 and row["similarity"] == 0 for row in kept)
    rejected = {row["line"]: (row["level"], row["filter"], row["reason"]) for row in read_jsonl(out / "rejected.jsonl")}
    assert rejected[1] == ("exam", "in_exam", "10 words in a row as in exam.jsonl:1")
    assert rejected[4][:2] == ("domain", "off_domain")
    assert read_json(out / "summary.json")["rejected"] == {"in_exam": 1, "off_domain": 1}


def test_answers_that_do_not_answer_leave_with_their_probability(tmp_path: Path) -> None:
    rows = [
        ("What are the symptoms of gout?", "The symptoms of gout are joint pain, swelling and redness."),
        ("What are the symptoms of gout?", "Home | Log in | Next | Share | Contact | Downloads"),
        ("痛风有哪些症状？", "痛风的症状包括关节痛、红肿和发热。"),
        ("痛风有哪些症状？", "痛风的ICD-10编码是M10.9。"),
    ]
    lines = [json.dumps({"question": question, "answer": answer}) for question, answer in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    out = tmp_path / "out"
    out.mkdir()
    section = CorpusConfig(min_characters=10, semantic=SemanticConfig(judges=("answers",)))
    build_corpus(out, section, Source(("a.jsonl",), tmp_path))
    kept = [row for name in ("documents", "held_out") for row in read_parquet(out / f"{name}.parquet")]
    assert {row["text"] for row in kept} == {"\n".join(rows[0]), "\n".join(rows[2])}
    assert all(row["probability"] >= 0.8 for row in kept)
    rejected = read_jsonl(out / "rejected.jsonl")
    assert [(row["line"], row["level"], row["filter"]) for row in rejected] == [
        (2, "semantic", "mismatch"),
        (4, "semantic", "mismatch"),
    ]
    assert all(row["score"] < 0.8 for row in rejected)
    assert "<svg" in (out / "funnel.html").read_text(encoding="utf-8")


def test_a_folder_of_everything_that_can_go_wrong(tmp_path: Path) -> None:
    contents: dict[str, bytes] = {
        "good.txt": GOUT.encode(),
        "nul.txt": b"a\0b" * 40,
        "cut.pdf": b"%PDF-1.7\n1 0 obj <<",
        "bomb.docx": docx(paragraph("0" * (65 << 20))),
        "bomb.txt.gz": gzip.compress(bytes(70 << 20)),
        "laughs.xml": b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><article>&y;</article>',
        "deep.json": b"[" * 200_000,
        "deep.html": b"<div>" * 100_000 + GOUT.replace("Gout", "Podagra").encode(),
        "ragged.csv": b"text\na,b\n",
        "script.html": f"<script>{GOUT}</script>".encode(),
    }
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "circle.txt").symlink_to("circle.txt")
    (folder / "self").symlink_to(".")
    out = tmp_path / "out"
    out.mkdir()
    build_corpus(out, CorpusConfig(), Source(("in",), tmp_path))
    rejected = {row["source"].removeprefix("in/"): row["reason"] for row in read_jsonl(out / "rejected.jsonl")}
    wanted = {
        "nul.txt": "not text in any known encoding",
        "cut.pdf": "no PDF that can be opened",
        "bomb.docx": "as a zip bomb does",
        "bomb.txt.gz": "as a zip bomb does",
        "laughs.xml": "declares the entity 'x'",
        "deep.json": "not JSON",
        "ragged.csv": "2 fields where the header has 1",
        "deep.html": "nested deeper than 2000",
        "script.html": "0 characters, fewer than 40",
        "circle.txt": "not a file",
    }
    assert rejected.keys() == wanted.keys()
    for name, reason in wanted.items():
        assert reason in rejected[name], name
    assert read_json(out / "summary.json")["kept"] == 1


@pytest.mark.parametrize("other", ["more.txt", "more.html"])  # the second one is read by processes
def test_notes_do_not_name_patients_that_another_file_tells_of(tmp_path: Path, other: str) -> None:
    patients = [
        {"resourceType": "Patient", "id": "p1", "name": [{"family": "Okafor", "given": ["Adaeze"]}]},
        {"resourceType": "Patient", "id": "p2", "name": [{"text": "欧阳若兮"}], "telecom": [{"value": "ext. 77-81"}]},
        {"resourceType": "Patient", "id": "p3", "name": [{"given": 5}, 7], "address": [{"line": None}]},
    ]
    notes = [
        ("Patient/p1", "Adaeze Okafor came back with a painful and swollen toe; the uric acid in the blood was high."),
        (
            "https://ehr.example/fhir/Patient/p2",
            "欧阳若兮诉右足第一跖趾关节红肿热痛三天，血尿酸偏高，给予别嘌醇，电话ext. 77-81随访，两周后复诊。",
        ),
        (
            "urn:uuid:p1",
            "Okafor slept well, the toe hurts less, and the medication stays the same until the next visit.",
        ),
        (
            "Group/p1",
            "Okafor is a town here, and this note is about a group, not the patient of that number; toes hurt.",
        ),
    ]
    rows = [
        {"resourceType": "Observation", "subject": {"reference": subject}, "note": [{"text": text}]}
        for subject, text in notes
    ]
    folder = tmp_path / "导出"
    folder.mkdir()
    (folder / "Observation.ndjson").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "Patient.ndjson.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, patients)).encode()))
    (folder / other).write_text(GOUT, encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    build_corpus(out, CorpusConfig(), Source((".",), folder))
    texts = [row["text"] for name in ("documents", "held_out") for row in read_parquet(out / f"{name}.parquet")]
    assert len(texts) == len(notes) + 1
    told = "\n".join(texts)
    assert "Adaeze" not in told
    assert "欧阳若兮" not in told
    assert "77-81" not in told
    assert [line for line in told.splitlines() if "Okafor" in line] == [notes[3][1]]
