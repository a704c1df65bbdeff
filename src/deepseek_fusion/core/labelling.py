"""A desk at which a person labels one thing after another, in browser or terminal; what is labelled is the room's."""

from __future__ import annotations

import hmac
import json
import random
import secrets
import webbrowser
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import say

Row = TypeVar("Row", bound=Mapping[str, Any])

_LONGEST_BODY = 4096
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


class Desk(ABC):
    """Things to label in an order, and the file that the labels go to; every label is written at once.

    Attributes:
        page: the HTML file.
        noun: what a thing to label is called in states, requests and the file.
        labels: what it may be labelled.

    Args:
        rows: the things by their `id`, in the order in which they are shown.
        file: appended to; a row with a null label takes the one before back.
        labeller: the name of the person.
        done: the ids that the person has labelled before.
    """

    page: ClassVar[Path]
    noun: ClassVar[str]
    labels: ClassVar[Sequence[str]]

    def __init__(self, rows: Sequence[Mapping[str, Any]], file: Path, labeller: str, done: Iterable[str]) -> None:
        self.rows, self.file, self.labeller = rows, file, labeller
        self._wanted = {row["id"]: row for row in rows}
        self._order = [thing for thing in done if thing in self._wanted]
        self._lock = Lock()

    @abstractmethod
    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What a person sees of a thing."""

    @abstractmethod
    def language(self, row: Mapping[str, Any]) -> str:
        """In which language the page speaks of it."""

    def kept(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What stands beside its label in the file."""
        return {}

    def state(self) -> dict[str, Any]:
        """What the page shows: the thing to label now (null when all are), and how many are `done` of the `total`."""
        with self._lock:
            row = next((row for row in self.rows if row["id"] not in self._order), None)
            return {
                self.noun: None if row is None else self.shown(row),
                "done": len(self._order),
                "total": len(self.rows),
                "labeller": self.labeller,
                "language": self.language(row or self.rows[-1]),
            }

    def label(self, thing: str, label: str) -> None:
        """Write one label down.

        Raises:
            FusionError: the thing is not in this sample, or the label is none of those there are.
        """
        if thing not in self._wanted:
            raise FusionError(f"{self.noun}: `{thing}` is not in this sample; reload the page.")
        if label not in self.labels:
            raise FusionError(f"label: `{label}` is none of {', '.join(self.labels)}; send one of them.")
        with self._lock:
            self._append(thing, label)
            self._order = [other for other in self._order if other != thing] + [thing]

    def undo(self) -> None:
        """Take the last label back; nothing happens if there is none."""
        with self._lock:
            if self._order:
                self._append(self._order.pop(), None)

    def _append(self, thing: str, label: str | None) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        about = {"label": label, "labeller": self.labeller, "time": now}
        line = {self.noun: thing, **self.kept(self._wanted[thing]), **about}
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def sample(rows: Sequence[Row], stratum: Callable[[Row], str | int], count: int, seed: int) -> list[Row]:
    """Up to `count` rows, as equally from the strata as their numbers allow, in an order that tells nothing.

    Args:
        rows: each with an `id`.
        stratum: of a row, the one that it belongs to.
    """
    rng = random.Random(seed)
    strata: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: str(row["id"])):
        strata[stratum(row)].append(row)
    for part in strata.values():
        rng.shuffle(part)
    turns = [row for turn in range(count) for key in sorted(strata) for row in strata[key][turn : turn + 1]]
    chosen = turns[:count]
    rng.shuffle(chosen)
    return chosen


def ask_for_labels(
    desk: Desk,
    keys: Mapping[str, str],
    texts: Callable[[dict[str, Any]], Mapping[str, str]],
    told: Callable[[dict[str, Any]], str],
    read: Callable[[str], str],
    write: Callable[[str], None],
) -> int:
    """Ask in the terminal until all is labelled, the person stops or the input ends; return how many are done.

    Args:
        desk: where the labels go.
        keys: the label of each key; `u` takes one back, `q` stops.
        texts: of a state, what is said in its language: `ask`, `again` after a wrong key, `done` at the end.
        told: of a state, the thing to label.
        read: asks for a key.
        write: shows a line.
    """
    while (state := desk.state())[desk.noun] is not None:
        write(f"\n[{state['done'] + 1}/{state['total']}]")
        write(told(state))
        try:
            key = read(texts(state)["ask"]).strip().lower()
        except EOFError:
            break
        if key == "q":
            break
        if key == "u":
            desk.undo()
        elif key in keys:
            desk.label(state[desk.noun]["id"], keys[key])
        else:
            write(texts(state)["again"])
    state = desk.state()
    write(texts(state)["done"].format(done=state["done"], total=state["total"], file=desk.file))
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
                    self._send(200, server.desk.page.read_bytes(), "text/html; charset=utf-8")
                case "state":
                    self._send_json(200, server.desk.state())
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
                server.desk.label(str(body.get(server.desk.noun)), str(body.get("label")))
            elif action == "undo":
                server.desk.undo()
            elif action == "finish":
                server.finished = True
            else:
                raise FusionError(f"`{action}` is no action; send label, undo or finish.")

        def _body(self) -> dict[str, Any]:
            length = self.headers.get("Content-Length", "")
            example = json.dumps({server.desk.noun: "…", "label": server.desk.labels[0]}, ensure_ascii=False)
            if not length.isdigit() or int(length) > _LONGEST_BODY:
                raise FusionError(f"the request needs a Content-Length of at most {_LONGEST_BODY} bytes.")
            try:
                body = json.loads(self.rfile.read(int(length)))
            except ValueError:
                raise FusionError(f"the request is not JSON; send {example}.") from None
            if not isinstance(body, dict):
                raise FusionError(f"the request is no object; send {example}.")
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
