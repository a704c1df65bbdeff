"""Labelling: a real server on loopback, a person's keys in the terminal, and the file that both write."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.core.artifacts import Artifact, write_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.labelling import LabelServer, label_in_browser
from deepseek_fusion.evaluation.consistency.labels import (
    ClaimDesk,
    label_in_terminal,
    open_desk,
    read_labels,
    sample,
)
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple

GRAPH = Graph(
    (Triple("痛风", "症状", "红肿"), Triple("痛风", "症状", "关节痛")), "疾病", {"症状": Relation("症状", "症状")}
)
ROWS: list[dict[str, Any]] = [
    {
        "id": f"c{i}",
        "item": "question-0",
        "prompt": "痛风有哪些症状？",
        "answer": "红肿、咳嗽",
        "text": "红肿",
        "subject": "痛风",
        "relation": "症状",
        "object": "红肿",
        "negated": i == 2,
        "verdict": ("supported", "contradicted", "unknown")[i % 3],
        "reason": "stated",
        "evidence": [["痛风", "症状", "红肿"]],
        "nli": {"verdict": "supported", "probability": 0.9, "evidence": "…"},
    }
    for i in range(3)
]


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., ClaimDesk]:
    return lambda labeller="Wang": ClaimDesk(ROWS, GRAPH, tmp_path / "labels.jsonl", labeller)


@pytest.fixture
def served(desk: Callable[..., ClaimDesk]) -> Iterator[tuple[LabelServer, ClaimDesk]]:
    table = desk()
    with LabelServer(table) as server:
        thread = threading.Thread(target=server.wait)
        thread.start()
        yield server, table
        server.finished = True
        thread.join()


def ask(url: str, body: object = None, raw: bytes | None = None) -> tuple[int, dict[str, Any]]:
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=10) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_the_page_and_its_claims_come_over_http(served: tuple[LabelServer, ClaimDesk]) -> None:
    server, table = served
    with urllib.request.urlopen(server.url, timeout=10) as reply:
        page = reply.read().decode()
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched from elsewhere
    status, state = ask(f"{server.url}state")
    assert (status, state["done"], state["total"], state["language"]) == (200, 0, 3, "zh")
    assert state["claim"]["facts"] == ["症状: 红肿, 关节痛"]
    status, state = ask(f"{server.url}label", {"claim": "c0", "label": "supported"})
    assert (status, state["done"], state["claim"]["id"]) == (200, 1, "c1")
    assert read_labels([table.file]) == {"Wang": {"c0": "supported"}}
    assert ask(f"{server.url}undo", {})[1]["done"] == 0
    assert read_labels([table.file]) == {"Wang": {}}


def test_no_verdict_is_shown_before_the_persons(served: tuple[LabelServer, ClaimDesk]) -> None:
    shown = ask(f"{served[0].url}state")[1]["claim"]
    assert not {"verdict", "reason", "evidence", "nli"} & set(shown)


@pytest.mark.parametrize("token", ["", "wrong", "../x"])
def test_a_wrong_token_is_refused(served: tuple[LabelServer, ClaimDesk], token: str) -> None:
    server, table = served
    base = server.url.replace(server.token, token)
    for action, body in (("state", None), ("label", {"claim": "c0", "label": "supported"})):
        status, reply = ask(f"{base}{action}", body)
        assert status == 403
        assert "token" in reply["error"]
    assert not table.file.exists()


@pytest.mark.parametrize(
    ("action", "raw", "words"),
    [
        ("label", b'{"claim": "c0", "label": "maybe"}', "none of supported"),
        ("label", b'{"claim": "c9", "label": "supported"}', "not in this sample"),
        ("label", b"{", "not JSON"),
        ("label", b"[]", "no object"),
        ("label", b"x" * 5000, "at most"),
        ("delete", b"{}", "no action"),
    ],
)
def test_a_bad_request_gets_a_sentence(
    served: tuple[LabelServer, ClaimDesk], action: str, raw: bytes, words: str
) -> None:
    server, table = served
    status, reply = ask(f"{server.url}{action}", raw=raw)
    assert status == 400
    assert words in reply["error"]
    assert not table.file.exists()


def test_labelling_goes_on_where_it_stopped(desk: Callable[..., ClaimDesk]) -> None:
    desk().label("c0", "unknown")
    later, other = desk(), desk("Li")
    assert later.state()["claim"]["id"] == "c1"
    assert later.state()["done"] == 1
    assert other.state()["claim"]["id"] == "c0"  # everybody judges alone
    other.label("c0", "supported")
    assert read_labels([other.file]) == {"Wang": {"c0": "unknown"}, "Li": {"c0": "supported"}}
    later.undo()
    assert later.state()["claim"]["id"] == "c0"


def test_in_the_terminal(desk: Callable[..., ClaimDesk]) -> None:
    keys, said = iter(["1", "x", "u", "2", "3", "q"]), []
    assert label_in_terminal(desk(), lambda prompt: next(keys), said.append, "en") == 2
    assert read_labels([desk().file]) == {"Wang": {"c0": "contradicted", "c1": "unknown"}}
    assert any("Type 1, 2, 3" in line for line in said)
    assert any("NOT 痛风 · 症状 · 红肿" in line for line in said)
    assert not any("contradicted" in line for line in said)


def test_the_end_of_input_ends_the_terminal(desk: Callable[..., ClaimDesk]) -> None:
    def end(prompt: str) -> str:
        raise EOFError

    assert label_in_terminal(desk(), end, lambda line: None) == 0


def test_in_the_browser_until_the_person_closes(desk: Callable[..., ClaimDesk]) -> None:
    def person(url: str) -> None:
        def work() -> None:
            for row in ROWS:
                ask(f"{url}label", {"claim": row["id"], "label": "supported"})
            ask(f"{url}finish", {})

        threading.Thread(target=work).start()

    assert label_in_browser(desk(), person) == 3


def test_a_sample_is_seeded_and_takes_all_verdicts_alike() -> None:
    verdicts = ["supported"] * 90 + ["contradicted"] * 6 + ["unknown"] * 4
    rows = [{"id": f"{i:03}", "verdict": verdict} for i, verdict in enumerate(verdicts)]
    drawn = sample(rows, 30, seed=1)
    counts = [sum(row["verdict"] == name for row in drawn) for name in ("supported", "contradicted", "unknown")]
    assert counts == [20, 6, 4]
    assert drawn == sample(list(reversed(rows)), 30, seed=1) != sample(rows, 30, seed=2)
    assert len(sample(rows, 1000, seed=1)) == 100


def test_what_a_desk_refuses(tmp_path: Path) -> None:
    folder = Artifact(tmp_path, "0", "consistency")
    write_jsonl(tmp_path / "claims.jsonl", [])
    GRAPH.save(tmp_path)
    with pytest.raises(FusionError, match="holds no claim"):
        open_desk(folder, folder, tmp_path / "labels.jsonl", "Wang", 3, 0)
    with pytest.raises(FusionError, match="labeller: is empty"):
        open_desk(folder, folder, tmp_path / "labels.jsonl", " ", 3, 0)
    with pytest.raises(FusionError, match="no such folder"):
        open_desk(folder, folder, tmp_path / "nowhere" / "labels.jsonl", "Wang", 3, 0)
    write_jsonl(tmp_path / "claims.jsonl", ROWS)
    (tmp_path / "labels.jsonl").write_text(
        '{"claim": "c0", "label": "perhaps", "labeller": "Wang"}\n', encoding="utf-8"
    )
    with pytest.raises(FusionError, match=r"labels.jsonl, row 1: needs"):
        open_desk(folder, folder, tmp_path / "labels.jsonl", "Wang", 3, 0)
