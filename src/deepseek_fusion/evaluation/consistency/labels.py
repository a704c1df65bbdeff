"""A sample of claims is put before a person, in the terminal or in the browser; every label is written at once."""

from __future__ import annotations

import hmac
import json
import random
import secrets
import webbrowser
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from deepseek_fusion.core.artifacts import Artifact, read_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import say
from deepseek_fusion.evaluation.consistency.checker import VERDICTS
from deepseek_fusion.knowledge.graph import Graph

PAGE = Path(__file__).parent / "label.html"
_KEYS = dict(zip("123", VERDICTS, strict=True))
_LONGEST_BODY = 4096
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
_SHOWN = ("id", "prompt", "answer", "text", "subject", "relation", "object", "negated")
"""What a person sees of a claim: nothing that the checker or the NLI model made of it."""


@dataclass
class Desk:
    """Claims to label, and the file that the labels go to.

    Attributes:
        claims: rows of `claims.jsonl`, in the order in which they are shown.
        graph: whose facts on the claim's subject are shown beside it.
        file: labels.jsonl, appended to; a row with a null label takes the one before back.
    """

    claims: Sequence[dict[str, Any]]
    graph: Graph
    file: Path
    labeller: str
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._labels = read_labels([self.file]).get(self.labeller, {}) if self.file.exists() else {}
        self._wanted = {row["id"]: row for row in self.claims}
        self._order = [claim for claim in self._labels if claim in self._wanted]

    def state(self) -> dict[str, Any]:
        """The claim to judge now (null when all are done) with the facts on its subject, and how many are done."""
        with self._lock:
            row = next((row for row in self.claims if row["id"] not in self._labels), None)
            shown = None if row is None else {key: row[key] for key in _SHOWN} | {"facts": self._facts(row)}
            return {"claim": shown, "done": len(self._order), "total": len(self.claims), "labeller": self.labeller}

    def label(self, claim: str, label: str) -> None:
        """Write one label down.

        Raises:
            FusionError: the claim is not in this sample, or the label is none of the three.
        """
        if claim not in self._wanted:
            raise FusionError(f"claim: `{claim}` is not in this sample; reload the page.")
        if label not in VERDICTS:
            raise FusionError(f"label: `{label}` is none of {', '.join(VERDICTS)}; send one of them.")
        with self._lock:
            self._append(claim, label)
            self._labels[claim] = label
            self._order = [other for other in self._order if other != claim] + [claim]

    def undo(self) -> None:
        """Take the last label back; nothing happens if there is none."""
        with self._lock:
            if self._order:
                claim = self._order.pop()
                self._append(claim, None)
                del self._labels[claim]

    def _append(self, claim: str, label: str | None) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"claim": claim, "label": label, "labeller": self.labeller, "time": now}
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _facts(self, row: dict[str, Any]) -> list[str]:
        return [
            f"{self.graph.relations[group.relation].name}: {', '.join(group.answers)}"
            for group in self.graph.forward()
            if group.anchor == row["subject"]
        ]


def open_desk(consistency: Artifact, graph: Artifact, file: Path, labeller: str, count: int, seed: int) -> Desk:
    """A desk with a sample of the claims that the `consistency` stage wrote.

    Raises:
        FusionError: there is no claim, the labeller has no name, or the file of labels is broken.
    """
    if not file.parent.is_dir():
        raise FusionError(f"{file.parent}: no such folder; make it, or give another place for the labels.")
    if not labeller.strip():
        raise FusionError("labeller: is empty; give the name of the person who labels.")
    rows = read_jsonl(consistency.path / "claims.jsonl")
    if not rows:
        raise FusionError(f"{consistency.path / 'claims.jsonl'}: holds no claim; evaluate a model that answers first.")
    return Desk(sample(rows, count, seed), Graph.load(graph.path), file, labeller.strip())


def sample(rows: Sequence[dict[str, Any]], count: int, seed: int) -> list[dict[str, Any]]:
    """Up to `count` rows, as equally from the three verdicts as their numbers allow, in an order that tells nothing."""
    rng = random.Random(seed)
    strata: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: str(row["id"])):
        strata[row["verdict"]].append(row)
    for stratum in strata.values():
        rng.shuffle(stratum)
    turns = [row for i in range(len(rows)) for name in sorted(strata) for row in strata[name][i : i + 1]]
    chosen = turns[:count]
    rng.shuffle(chosen)
    return chosen


def read_labels(files: Iterable[Path]) -> dict[str, dict[str, str]]:
    """The labels that stand: for each labeller, claim -> label.

    Raises:
        FusionError: a row lacks a field or has an unknown label.
    """
    labels: dict[str, dict[str, str]] = {}
    for file in files:
        for number, row in enumerate(read_jsonl(file), start=1):
            claim, label, labeller = (row.get(key) for key in ("claim", "label", "labeller"))
            known = label is None or label in VERDICTS
            if not (isinstance(claim, str) and isinstance(labeller, str) and known and "label" in row):
                raise FusionError(
                    f'{file}, row {number}: needs "claim", "labeller" and a "label" out of {", ".join(VERDICTS)} or '
                    "null; mend or delete the row."
                )
            own = labels.setdefault(labeller, {})
            own.pop(claim, None)
            if label is not None:
                own[claim] = label
    return labels


_TEXTS = {
    "en": {
        "said": "Question: {prompt}\nAnswer:   {answer}\n\nIt says:  {claim}\nFacts:    {facts}",
        "ask": "1 the facts support it   2 they contradict it   3 they do not tell   u undo   q stop: ",
        "again": "Type 1, 2, 3, u or q.",
        "denied": "NOT ",
        "none": "none on this subject",
        "done": "{done} of {total} labelled; kept in {file}.",
    },
    "zh": {
        "said": "问题：{prompt}\n回答：{answer}\n\n其中说：{claim}\n事实：{facts}",
        "ask": "1 与事实相符   2 与事实矛盾   3 事实未说明   u 撤销   q 停止：",
        "again": "请输入 1、2、3、u 或 q。",
        "denied": "并非 ",
        "none": "没有关于它的事实",
        "done": "已标注 {done}/{total}，保存在 {file}。",
    },
}


def label_in_terminal(
    desk: Desk, read: Callable[[str], str] = input, write: Callable[[str], None] = print, language: str | None = None
) -> int:
    """Ask claim by claim until all are labelled, the person stops or the input ends; return how many are done."""
    texts = _TEXTS[language or desk.graph.language]
    while (claim := desk.state()["claim"]) is not None:
        stated = " · ".join(str(claim[key] or "?") for key in ("subject", "relation", "object"))
        facts = "; ".join(claim["facts"]) or texts["none"]
        said = (texts["denied"] if claim["negated"] else "") + stated
        state = desk.state()
        write(f"\n[{state['done'] + 1}/{state['total']}]")
        write(texts["said"].format(prompt=claim["prompt"], answer=claim["answer"], claim=said, facts=facts))
        try:
            key = read(texts["ask"]).strip().lower()
        except EOFError:
            break
        if key == "q":
            break
        if key == "u":
            desk.undo()
        elif key in _KEYS:
            desk.label(claim["id"], _KEYS[key])
        else:
            write(texts["again"])
    state = desk.state()
    write(texts["done"].format(done=state["done"], total=state["total"], file=desk.file))
    return int(state["done"])


def label_in_browser(desk: Desk, open_page: Callable[[str], object] = webbrowser.open) -> int:
    """Serve the page until the person is done or the program is interrupted; return how many are labelled."""
    with LabelServer(desk) as server:
        say(f"Labelling at {server.url} (Ctrl-C stops; labels are kept)")
        open_page(server.url)
        try:
            server.wait()
        except KeyboardInterrupt:
            say("stopped; the next call goes on from here")
    return int(desk.state()["done"])


class LabelServer:
    """One page on the loopback interface, under an address that nobody can guess."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.token = desk, secrets.token_urlsafe(24)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.finished = False

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{self.token}/"

    def wait(self) -> None:
        """Answer requests until the person closes the sample."""
        self._server.timeout = 0.5
        while not self.finished:
            self._server.handle_request()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()


def _handler(server: LabelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self._action():
                case "":
                    self._send(200, PAGE.read_bytes(), "text/html; charset=utf-8")
                case "state":
                    self._send_json(200, server.desk.state() | {"language": server.desk.graph.language})
                case str():
                    self._send_json(404, {"error": "there is no such page"})

        def do_POST(self) -> None:
            action = self._action()
            if action is None:
                return
            try:
                self._act(action)
            except FusionError as error:
                self._send_json(400, {"error": str(error)})
                return
            self._send_json(200, server.desk.state())

        def _act(self, action: str) -> None:
            if action == "label":
                body = self._body()
                server.desk.label(str(body.get("claim")), str(body.get("label")))
            elif action == "undo":
                server.desk.undo()
            elif action == "finish":
                server.finished = True
            else:
                raise FusionError(f"`{action}` is no action; send label, undo or finish.")

        def _body(self) -> dict[str, Any]:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > _LONGEST_BODY:
                raise FusionError(f"the request needs a Content-Length of at most {_LONGEST_BODY} bytes.")
            try:
                body = json.loads(self.rfile.read(int(length)))
            except ValueError:
                raise FusionError('the request is not JSON; send {"claim": "…", "label": "supported"}.') from None
            if not isinstance(body, dict):
                raise FusionError('the request is no object; send {"claim": "…", "label": "supported"}.')
            return body

        def _action(self) -> str | None:
            """What is asked for; None, and a refusal, without the token."""
            _, token, *rest = [*self.path.split("/"), ""]
            if not hmac.compare_digest(token.encode(), server.token.encode()):
                self._send_json(403, {"error": "this address lacks the right token; use the one the program printed"})
                return None
            return rest[0] if rest else ""

        def _send_json(self, status: int, value: dict[str, Any]) -> None:
            self._send(status, json.dumps(value, ensure_ascii=False).encode(), "application/json; charset=utf-8")

        def _send(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", _POLICY)
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet: a person is looking at the terminal."""

    return Handler
