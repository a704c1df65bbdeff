"""The stage and its index: documents, facts, an encoder that comes and goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import CorpusConfig
from deepseek_fusion.core.events import Event, listen
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.retrieval import RetrievalConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.knowledge.retrieval.build import build_index, documents_of, encoder_of, in_context, open_index
from deepseek_fusion.knowledge.retrieval.encoder import find_encoder
from knowledge.retrieval.test_encoder import save_encoder

SECTION = RetrievalConfig()
TEXTS = [
    "Gout hurts at night, and the big toe is red and hot. It comes back after a rich meal.",
    "痛风多在夜间发作，大脚趾红肿、发热。大餐之后容易复发，应当多喝水。",
]


@pytest.fixture
def corpus(run: Run, tmp_path: Path) -> Artifact:
    rows = [{"text": text, "ward": str(number)} for number, text in enumerate(TEXTS)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "notes.jsonl").write_text(lines, encoding="utf-8")
    section = CorpusConfig(keep_fields=("ward",), min_characters=10)
    return run.step(build_corpus, section, Source(("notes.jsonl",), tmp_path))


def test_documents_and_facts_are_found_with_their_citations(run: Run, corpus: Artifact, facts: Artifact) -> None:
    made = run.step(build_index, SECTION.only("letters"), corpus, facts, None)
    assert {file.name for file in made.path.iterdir()} == {"index.sqlite", "manifest.json"}
    index = open_index(made.path)
    chinese = "痛风" in {name for (name,) in index._database.execute("SELECT term FROM terms")}
    hits = index.search("痛风的编码是什么？" if chinese else "What is the ICD-10 code of gout?", 3).hits
    assert hits[0].text == ("痛风的编码是M10.9。" if chinese else "The ICD-10 code of Gout is M10.9.")
    assert hits[0].citation.startswith("facts.csv:2, characters 1 to ")
    (note,) = index.search("大脚趾" if chinese else "big toe", 1, {"kind": "text"}).hits
    assert note.text in TEXTS
    assert note.source.startswith("notes.jsonl:")
    assert note.metadata["ward"] == str(TEXTS.index(note.text))


def test_an_interrupted_build_goes_on_and_ends_the_same(corpus: Artifact, facts: Artifact, tmp_path: Path) -> None:
    encoder = find_encoder(str(save_encoder(tmp_path / "encoder")), tmp_path)
    for folder in ("whole", "resumed"):
        (tmp_path / folder).mkdir()
    build_index(tmp_path / "whole", SECTION, corpus, facts, encoder)
    build_index(tmp_path / "resumed", SECTION, corpus, None, encoder)
    build_index(tmp_path / "resumed", SECTION, corpus, facts, encoder)
    whole, resumed = (open_index(tmp_path / folder) for folder in ("whole", "resumed"))
    for question in ("gout hurts", "痛风"):
        found = [{(hit.document, hit.text) for hit in index.search(question, 50).hits} for index in (whole, resumed)]
        assert found[0] == found[1] != set()


def test_without_its_encoder_an_index_still_finds_and_says_what_is_missing(corpus: Artifact, tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "encoder")
    (tmp_path / "made").mkdir()
    build_index(tmp_path / "made", SECTION, corpus, None, find_encoder(str(folder), tmp_path))
    assert "meaning" in open_index(tmp_path / "made").search("gout hurts").hits[0].ranks
    shutil.rmtree(folder)
    found = open_index(tmp_path / "made").search("gout hurts")
    assert found.hits[0].ranks == {"words": 1}
    assert found.warning.startswith("Passages are found by words and graph alone, not by meaning: ")
    save_encoder(folder, seed=1)
    assert "is not the encoder" in open_index(tmp_path / "made").search("gout hurts").warning


def test_an_encoder_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    heard: list[Event] = []
    with listen(heard.append):
        assert encoder_of(RetrievalConfig(encoder="nobody/has-this"), tmp_path) is None
        assert encoder_of(RetrievalConfig(encoder=None), tmp_path) is None
    assert len(heard) == 1
    assert "words and graph alone" in str(heard[0])


def test_every_document_of_a_corpus_is_there(corpus: Artifact) -> None:
    assert {document.text for document in documents_of(corpus)} == set(TEXTS)


@pytest.mark.parametrize(("question", "prompt"), [("Why?", "A. B. Why?"), ("为什么？", "A.B.为什么？")])
def test_what_was_found_stands_before_the_question(question: str, prompt: str) -> None:
    assert in_context(question, ["A.", "B."]) == prompt


def test_a_corpus_without_documents_makes_an_index(run: Run, graph: Callable[..., Artifact], tmp_path: Path) -> None:
    empty = run.step(build_corpus, CorpusConfig(), Source((), tmp_path))
    made = run.step(build_index, SECTION.only("letters"), empty, None, None)
    assert open_index(made.path).search("anything").hits == []
