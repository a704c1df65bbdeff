"""Phase `adapt`: what is read of documents, and that it helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, read_parquet
from deepseek_fusion.core.config import CorpusConfig, LoraConfig, ReplayConfig, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.phases import AdaptConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.documents import document_course, document_samples
from deepseek_fusion.training.replay import write_replay

Load = Callable[[str], Language]
CONFIG = TrainingConfig(
    phases=("adapt",), lora=LoraConfig(rank=8), adapt=AdaptConfig(learning_rate=1e-2, replay_share=0.2, tokens=6000)
).of_phase(0)


@pytest.fixture
def corpus(run: Run, tmp_path: Path) -> Artifact:
    """Forty notes in two languages, some of them held out."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(40):
        seen = f"Patient {number} was seen for gout and came back on day {number * 7}; uric acid {300 + number}."
        (folder / f"{number}.txt").write_text(f"{seen}\n第{number}次复诊，患者自述关节痛减轻，继续用药。\n", "utf-8")
    section = CorpusConfig(near_duplicate=1.0)
    return run.step(build_corpus, section, Source(("notes",), tmp_path))


@pytest.mark.parametrize("text", ["One short note.", "很长的一段病历记录。" * 40, "x" * 1000])
def test_a_document_is_read_whole_in_pieces_that_fit(language: Load, text: str) -> None:
    loaded = language("llama")
    start = loaded.text_start()
    pieces = document_samples(loaded, text, 64)
    assert [token for piece in pieces for token in piece.ids[1:]] == [*loaded.encode(text), *start]
    assert all(piece.ids[:1] == tuple(start) and len(piece) <= 64 for piece in pieces)
    assert all(piece.learned == (False, *[True] * (len(piece) - 1)) for piece in pieces)
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1
    assert len(pieces) == -(-len(loaded.encode(text) + start) // 63)


def test_rounds_read_everything_equally_often_and_nothing_that_is_held_out(language: Load, corpus: Artifact) -> None:
    loaded = language("llama")
    assert len(list(read_parquet(corpus.path / "held_out.parquet"))) > 0
    texts = [row["text"] for row in read_parquet(corpus.path / "documents.parquet")]
    course = document_course(loaded, CONFIG.model_copy(update={"adapt": AdaptConfig()}), corpus)
    (objective,) = course.objectives
    batches = [objective.batch(step, {}) for step in range(course.steps)]
    assert sorted(loaded.decode(list(row)) for batch in batches if batch for row in batch.rows) == sorted(texts * 4)
    cut = document_course(loaded, CONFIG.model_copy(update={"adapt": AdaptConfig(tokens=200, batch_tokens=64)}), corpus)
    assert 1 < cut.steps <= 5


def test_the_documents_that_were_held_out_become_likelier(
    run: Run, source: Callable[[str], ModelSource], corpus: Artifact
) -> None:
    model = source("llama")
    replay = run.step(write_replay, ReplayConfig(texts=8, max_tokens=24), model)
    adapter = run.step(train_adapter, CONFIG, model, None, replay, None, corpus)
    report = read_json(adapter.path / "training.json")
    losses = [row["loss"] for row in report["curve"]]
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])
    assert report["phase"] == "adapt"
    assert abs(report["replay_tokens"] - 0.2 * report["tokens"]) <= report["batch_tokens"]
    assert report["document_tokens"] == pytest.approx(6000, abs=100)


def test_no_documents_are_one_sentence(run: Run, source: Callable[[str], ModelSource], tmp_path: Path) -> None:
    empty = run.step(build_corpus, CorpusConfig(), Source((), tmp_path))
    with pytest.raises(FusionError, match="`adapt` reads documents and there are none to read; name some under"):
        run.step(train_adapter, CONFIG, source("llama"), None, None, None, empty)
