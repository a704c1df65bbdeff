"""Against a real server on loopback that speaks the API, well and badly."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.evaluation.answers.endpoint import Endpoint, sit_exam_at
from deepseek_fusion.evaluation.answers.general import QUESTIONS
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from knowledge_samples import GRAPHS

SECRET = "sk-very-secret"
Reply = tuple[int, bytes, dict[str, str]]


def completion(text: Any) -> Reply:
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    return 200, json.dumps(body).encode(), {}


@dataclass
class Requests:
    """What the server was sent, and how many requests it had in work at once."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def serving(reply: Callable[[str, int], Reply]) -> Iterator[tuple[str, Requests]]:
    """A server; `reply` gets the user's turn and how many requests there were before."""
    seen = Requests()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with seen.lock:
                before = len(seen.bodies)
                seen.bodies.append(body)
                seen.keys.append(self.headers["Authorization"])
                seen.now += 1
                seen.most = max(seen.most, seen.now)
            status, data, headers = (
                reply(body["messages"][-1]["content"], before)
                if self.path == "/v1/chat/completions"
                else (404, b"", {})
            )
            with seen.lock:
                seen.now -= 1
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(data)
            except ConnectionError:  # the client has had enough
                return

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_model_that_knows_the_exam_answers_it(run: Run, graph: Callable[..., Artifact], language: str) -> None:
    table, section = GRAPHS[language]
    facts = graph(table, **section)
    exam = run.step(write_exam, EvaluationConfig(refusals=3), facts, facts)
    items = read_exam(exam.path)
    by_prompt = {item.prompt: item for item in items if not item.options}
    choices = {(item.prompt, frozenset(item.options)): item for item in items if item.options}

    def reply(prompt: str, _: int) -> Reply:
        time.sleep(0.005)  # so that requests meet
        lines = prompt.split("\n")
        if item := choices.get((lines[0], frozenset(line[3:] for line in lines[1:] if line[1:3] == ". "))):
            letter = next(line[0] for line in lines if line[1:] == f". {item.options[0]}")
            return completion(f"<think>It is not {letter}... or is it?</think>The answer is ({letter}).")
        found = by_prompt.get(prompt) or next((i for i in by_prompt.values() if i.prompt in prompt), None)
        if found is None:
            return completion("<think>Easy.</think>Paris")
        return completion(
            {"refusal": "I do not know. 不知道。"}.get(found.family, f"<think>Hm</think>\n{found.expected}")
        )

    with serving(reply) as (url, seen):
        section = EvaluationConfig()
        made = run.step(sit_exam_at, section, Endpoint(url, "m", concurrency=4), exam)
        assert run.step(sit_exam_at, section, Endpoint(url, "m", concurrency=1), exam) == made
    rows = {row["id"]: row for row in read_jsonl(made.path / "answers.jsonl")}
    assert set(rows) == {item.id for item in items}
    for item in items:
        row = rows[item.id]
        extra = {"confidence"} if item.options else set()
        assert set(row) == {"id", "family", "answer", "right", "mentioned", "declined"} | extra
        assert row["declined"] if item.family == "refusal" else all(row["right"]), (item, row)
        assert item.family == "refusal" or len(row["right"]) == len(item.facts)
    questions = read_json(made.path / "general.json")["questions"]
    assert [row["right"] for row in questions] == [names == ("Paris",) for _, names in QUESTIONS]
    assert 1 < seen.most <= 4
    assert {body["model"] for body in seen.bodies} == {"m"}
    assert all(body["temperature"] == 0 and body["max_tokens"] > 0 for body in seen.bodies)


def test_the_right_option_stands_anywhere(run: Run, graph: Callable[..., Artifact]) -> None:
    table, section = GRAPHS["en"]
    facts = graph(table, **section)
    exam = run.step(write_exam, EvaluationConfig(refusals=1), facts, facts)
    with serving(lambda prompt, _: completion("A")) as (url, _):
        made = run.step(sit_exam_at, EvaluationConfig(), Endpoint(url, "m"), exam)
    right = [row["right"][0] for row in read_jsonl(made.path / "answers.jsonl") if row["family"] == "choice"]
    assert 0 < sum(right) < len(right)


def test_an_answer_without_a_letter_is_wrong(run: Run, graph: Callable[..., Artifact]) -> None:
    table, section = GRAPHS["en"]
    facts = graph(table, **section)
    exam = run.step(write_exam, EvaluationConfig(refusals=1), facts, facts)
    with serving(lambda prompt, _: completion("<think>Is it B? It must be B. The answer is B")) as (url, _):
        made = run.step(sit_exam_at, EvaluationConfig(), Endpoint(url, "m"), exam)
    rows = [row for row in read_jsonl(made.path / "answers.jsonl") if row["family"] != "refusal"]
    assert not any(value for row in rows for value in [*row["right"], *row["mentioned"]])
    assert {row["answer"] for row in rows} == {""}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int) -> None:
    with serving(lambda _, before: completion("yes") if before else (status, b"busy", {})) as (url, seen):
        assert Endpoint(url, "m").ask("?", 4) == "yes"
    assert len(seen.bodies) == 2
    assert seen.keys == [f"Bearer {SECRET}"] * 2


def test_the_server_says_how_long_to_wait() -> None:
    with serving(lambda _, before: completion("ok") if before else (429, b"", {"Retry-After": "1"})) as (url, _):
        started = time.monotonic()
        assert Endpoint(url, "m").ask("?", 4) == "ok"
    assert time.monotonic() - started >= 1


GARBAGE = {
    "html": ((200, b"<html>hello</html>", {}), "not JSON .*<html>.*/v1"),
    "not utf-8": ((200, b"\xff\xfe\x00", {}), "not JSON"),
    "nested": ((200, b"[" * 10**5, {}), "not JSON"),
    "another object": ((200, b'{"answer": "yes"}', {}), r"without choices\[0\]"),
    "no choices": ((200, b'{"choices": []}', {}), r"without choices\[0\]"),
    "a list": ((200, b"[1]", {}), r"without choices\[0\]"),
    "no text": (completion(["parts"]), r"without choices\[0\]"),
    "key refused": (
        (401, f"bad key {SECRET}".encode(), {}),
        r"status 401: bad key \*\*\*; set the key in \$OPENAI_API_KEY",
    ),
    "no such model": ((404, b'{"error": "no model m"}', {}), "status 404.*no model m.*mend the address"),
    "bad request": ((400, b"too long", {}), "status 400: too long"),
    "redirect": ((302, b"", {"Location": "http://127.0.0.1:9/v1"}), "status 302.*final address"),
    "endless": ((200, b'{"choices": "' + b"x" * (1 << 21), {}), "longer than 1048576 bytes"),
}


@pytest.mark.parametrize("case", GARBAGE, ids=str)
def test_what_is_no_answer_ends_the_exam(case: str) -> None:
    reply, message = GARBAGE[case]
    with serving(lambda *_: reply) as (url, seen), pytest.raises(FusionError, match=message) as error:
        Endpoint(url, "m", concurrency=2).ask_all(["?"] * 9, [4] * 9)
    assert SECRET not in str(error.value)
    assert len(seen.bodies) < 9


def test_a_server_that_stays_silent_or_away_is_an_error() -> None:
    def late(*_: Any) -> Reply:
        time.sleep(0.4)
        return completion("late")

    with serving(late) as (url, _), pytest.raises(FusionError, match=r"failed 2 times, the last time with: timed out"):
        Endpoint(url, "m", timeout=0.1, attempts=2).ask("?", 4)
    with pytest.raises(FusionError, match=r"failed 1 times.*refused"):
        Endpoint(url, "m", attempts=1).ask("?", 4)


def test_endless_text_is_cut_and_thoughts_are_not_answers() -> None:
    texts = {"long": "word " * 5000, "thought": "<think>Paris?</think> Rome", "cut": "<think>Paris? No", "none": None}
    with serving(lambda prompt, _: completion(texts[prompt])) as (url, seen):
        answers = Endpoint(url, "m", thought=500).answer_all(list(texts), ["x" * 36] * 4)
    assert answers[1:] == ["Rome", "", ""]
    assert len(answers[0]) == 36 + 16 * 4
    assert {body["max_tokens"] for body in seen.bodies} == {550}


def test_the_key_stands_for_the_address_not_for_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Endpoint("http://a/v1", "m")
    assert first.key != Endpoint("http://b/v1", "m").key
    assert SECRET not in repr(first)
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    assert Endpoint("http://a/v1", "m", concurrency=2).key == first.key


def test_bad_settings_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FusionError, match="file:///etc/passwd is no http"):
        Endpoint("file:///etc/passwd", "m")
    monkeypatch.setenv("OPENAI_API_KEY", "sk\nX-Injected: 1")
    with pytest.raises(FusionError, match=r"key in \$OPENAI_API_KEY is not plain text") as error:
        Endpoint("http://127.0.0.1:9/v1", "m").ask("?", 4)
    assert "Injected" not in str(error.value)
