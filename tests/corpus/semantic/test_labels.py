from __future__ import annotations

import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.core.artifacts import read_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.labelling import LabelServer
from deepseek_fusion.core.settings.filtering import CorpusConfig, SemanticConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.semantic.build import open_row_desk, train_judge
from deepseek_fusion.corpus.semantic.judge import PACKAGED, Judge
from deepseek_fusion.corpus.semantic.labels import RowDesk, label_in_terminal, read_labels, sample

ROWS: list[dict[str, Any]] = [
    {"id": "a", "question": "痛风有哪些症状？", "text": "关节痛", "probability": 0.9},
    {"id": "b", "question": None, "text": "Home | Login", "probability": 0.1},
]


def test_a_persons_keys_become_labels_that_can_be_taken_back(tmp_path: Path) -> None:
    keys, said = iter(["1", "u", "x", "2", "1"]), []
    desk = RowDesk(ROWS, tmp_path / "labels.jsonl", "王")
    assert label_in_terminal(desk, lambda prompt: next(keys), said.append) == 2
    labels = read_labels([desk.file])
    assert {key: row["label"] for key, row in labels.items()} == {("a", "王"): "bad", ("b", "王"): "good"}
    assert labels["a", "王"]["question"] == ROWS[0]["question"]
    assert any("问题：痛风有哪些症状？" in line for line in said)
    assert len(read_jsonl(desk.file)) == 4
    assert RowDesk(ROWS, desk.file, "王").state()["row"] is None  # goes on where it was
    assert RowDesk(ROWS, desk.file, "Li").state()["done"] == 0


def test_the_page_labels_over_http(tmp_path: Path) -> None:
    desk = RowDesk(ROWS, tmp_path / "labels.jsonl", "Li")
    with LabelServer(desk) as server:
        thread = threading.Thread(target=server.wait)
        thread.start()
        page = urllib.request.urlopen(server.url, timeout=10).read().decode()
        for action, body in (("label", {"row": "a", "label": "good"}), ("finish", {})):
            request = urllib.request.Request(server.url + action, json.dumps(body).encode(), method="POST")
            state = json.load(urllib.request.urlopen(request, timeout=10))
        thread.join(10)
    assert "切题" in page
    assert (state["done"], state["row"]["id"], state["language"]) == (1, "b", "en")


def test_mistakes_are_told(tmp_path: Path) -> None:
    desk = RowDesk(ROWS, tmp_path / "labels.jsonl", "Li")
    with pytest.raises(FusionError, match="`c` is not in this sample"):
        desk.label("c", "good")
    with pytest.raises(FusionError, match="none of good, bad"):
        desk.label("a", "perfect")
    desk.file.write_text('{"row": "a"}\n')
    with pytest.raises(FusionError, match="row 1: needs"):
        read_labels([desk.file])


def test_unlikely_rows_are_shown_as_often_as_likely_ones() -> None:
    rows = [{"id": f"{number}", "probability": 0.95 if number > 4 else 0.05} for number in range(100)]
    assert sum(row["probability"] < 0.5 for row in sample(rows, 10, 0)) == 5


def test_rows_come_from_the_documents(tmp_path: Path) -> None:
    rows = [
        {"question": "What is gout?", "answer": "Gout is a painful disease of the joints that comes in attacks."},
        {"text": "too short"},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    desk = open_row_desk(CorpusConfig(), Source(("a.jsonl",), tmp_path), None, tmp_path / "l.jsonl", "Li", 5)
    assert [(row["question"], row["text"]) for row in desk.rows] == [tuple(rows[0].values())]
    section = CorpusConfig(semantic=SemanticConfig(judges=("passages",)))
    with pytest.raises(FusionError, match="hold no passages to label"):
        open_row_desk(section, Source(("a.jsonl",), tmp_path), None, tmp_path / "l.jsonl", "Li", 5)


def test_a_judge_learns_what_its_users_call_good(tmp_path: Path) -> None:
    """Here answers are good only if they end with a note on the source, which the packaged judge cannot know."""
    desk_rows = [
        {"id": f"{number}", "question": f"What is disease {number}?", "text": text, "probability": 0.5}
        for number in range(40)
        for text in [f"Disease {number} is rare." + (" [source: registry]" if number % 2 else "")]
    ]
    desk = RowDesk(desk_rows, tmp_path / "labels.jsonl", "Li")
    desk.label("1", "good")
    with pytest.raises(FusionError, match="needs at least 10 good and 10 bad labels"):
        train_judge([desk.file], PACKAGED, tmp_path / "own.safetensors")
    for row in desk_rows:
        desk.label(str(row["id"]), "good" if int(row["id"]) % 2 else "bad")
    told = train_judge([desk.file], PACKAGED, tmp_path / "own.safetensors", steps=24)
    assert told["pair"]["labels"] == 40
    assert told["pair"]["right after"] > 0.9
    own = Judge.load(tmp_path / "own.safetensors")
    assert set(own.facts["reliability"]["pair"]) == {"labels"}
    assert set(own.facts["reliability"]["prose"]) == {"en", "zh"}
    sure = own.probabilities(["What is gout?"] * 2, ["Gout is rare. [source: registry]", "Gout is rare."])
    assert sure[0] > 0.8 > sure[1]
