"""A running OpenAI-compatible endpoint as the examined model: chat completions are all that is known of it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, write_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.answers.answering import SLACK
from deepseek_fusion.evaluation.answers.general import QUESTIONS
from deepseek_fusion.evaluation.answers.sitting import chosen_row, written_row
from deepseek_fusion.evaluation.exams.prompts import letter_in, lettered, without_thought
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.knowledge.asking.matching import is_mentioned
from deepseek_fusion.knowledge.language import language_of

CONTINUE = {
    "en": "Continue this sentence with nothing but what comes next: {}",
    "zh": "请接着写完这个句子，只写接下来的内容：{}",
}
"""How a cloze is put to a model that only answers turns."""
TOKEN_BYTES = 4
"""Bytes of text that count as one token, where the tokenizer is not known."""
LETTER_TOKENS = 32
MOST_BYTES = 1 << 20
"""A longer response is cut off as endless."""
BUSY = {408, 409, 425, 429, 500, 502, 503, 504, 529}
LONGEST_WAIT = 60.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Take none."""
        return


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, and how patiently.

    Attributes:
        url: base of the API, such as `http://localhost:8000/v1`.
        model: name of the model there.
        key_variable: environment variable that holds the API key, if it needs one. The key itself is never stored.
        thought: tokens that a thinking model may use on top of its answer.
        concurrency: requests at a time.
        timeout: seconds for one attempt, response included.
        attempts: how often a request is tried while the server is busy or fails.

    Raises:
        FusionError: when created, if the URL is not http or https.
    """

    url: str
    model: str
    key_variable: str = "OPENAI_API_KEY"
    thought: int = 0
    concurrency: int = 8
    timeout: float = 60.0
    attempts: int = 5

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise FusionError(
                f"endpoint: {self.url} is no http or https address; give one such as http://host:8000/v1."
            )

    @property
    def key(self) -> str:
        """Stands for the address and the model's name; a change of the model behind them goes unnoticed."""
        text = json.dumps([self.url, self.model, self.thought])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The model and where it is."""
        return f"{self.model} at {self.url}"

    @property
    def dtype(self) -> None:
        """Of its weights: not known."""

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        return urllib.request.build_opener(_NoRedirect)

    def ask(self, prompt: str, tokens: int) -> str:
        """The model's greedy answer to one user turn, cut at about `tokens` by the server.

        Raises:
            FusionError: the server cannot be reached, refuses, or answers something else than a chat completion.
        """
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": tokens + self.thought,
            "temperature": 0,
        }
        for attempt in range(1, self.attempts + 1):
            try:
                return self._content(self._post(body))
            except _BusyError as busy:
                if attempt == self.attempts:
                    raise FusionError(
                        f"endpoint: {self.url} failed {self.attempts} times, the last time with: {busy}; see whether "
                        "the server is up, or lower the number of requests at a time."
                    ) from None
                time.sleep(min(LONGEST_WAIT, busy.seconds or 0.5 * 2**attempt * random.uniform(0.5, 1)))
        raise AssertionError

    def ask_all(
        self, prompts: Sequence[str], tokens: Sequence[int], advance: Callable[[int], None] = lambda n: None
    ) -> list[str]:
        """Answers to many prompts, in their order; the first error ends them all."""
        with ThreadPoolExecutor(self.concurrency) as pool:
            try:
                return list(_counted(pool.map(self.ask, prompts, tokens), advance))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def answer_all(
        self,
        prompts: Sequence[str],
        expected: Sequence[str],
        advance: Callable[[int], None] = lambda n: None,
        slack: int = SLACK,
    ) -> list[str]:
        """Answers in words, without thoughts, each at most `slack` tokens (of TOKEN_BYTES bytes) longer than expected.

        An answer whose thought was cut off is empty.
        """
        sizes = [len(text.encode()) + slack * TOKEN_BYTES for text in expected]
        answers = self.ask_all(prompts, [2 * size // TOKEN_BYTES for size in sizes], advance)
        return [_cut(without_thought(answer) or "", size) for answer, size in zip(answers, sizes, strict=True)]

    def _post(self, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            self.url.rstrip("/") + "/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", **self._authorization()},
        )
        until = time.monotonic() + self.timeout
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                return self._json(_read(response, until))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from None
        except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
            raise _BusyError(str(getattr(error, "reason", error)) or type(error).__name__) from None

    def _authorization(self) -> dict[str, str]:
        secret = os.environ.get(self.key_variable, "").strip()
        if not secret.isascii() or not secret.isprintable():
            raise FusionError(f"endpoint: the key in ${self.key_variable} is not plain text; set it again.")
        return {"Authorization": f"Bearer {secret}"} if secret else {}

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        said = self._harmless(error.read(500).decode("utf-8", errors="replace"))
        if error.code in BUSY:
            wait = error.headers.get("Retry-After", "")
            return _BusyError(f"status {error.code} {said}", float(wait) if wait.isdecimal() else 0.0)
        fix = {
            401: f"set the key in ${self.key_variable}",
            403: f"set the key in ${self.key_variable}",
            404: "mend the address (it usually ends in /v1) or the model's name",
        }.get(error.code, "give the final address" if error.code // 100 == 3 else "see what it says")
        return FusionError(f"endpoint: {self.url} refuses with status {error.code}: {said or error.reason}; {fix}.")

    def _json(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            start = self._harmless(data[:60].decode("utf-8", errors="replace"))
            raise FusionError(
                f"endpoint: {self.url} answers something that is not JSON ({start!r}); give the address of an "
                "OpenAI-compatible API, which usually ends in /v1."
            ) from None

    def _content(self, value: Any) -> str:
        """The text of a chat completion; an empty answer may be null, and a separate thought is left aside."""
        try:
            content = value["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            content = value
        if content is not None and not isinstance(content, str):
            said = self._harmless(json.dumps(value, ensure_ascii=False)[:200])
            raise FusionError(
                f"endpoint: {self.url} answers JSON without choices[0].message.content ({said}); mend it."
            )
        return content or ""

    def _harmless(self, text: str) -> str:
        """What a server said, on one line and without the key, should it have repeated it."""
        secret = os.environ.get(self.key_variable, "").strip()
        return " ".join((text.replace(secret, "***") if secret else text).split())


class _BusyError(Exception):
    """A failure that may pass, and the seconds that the server asks to wait (0 if it does not say)."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


@stage("sitting_endpoint", version=1)
def sit_exam_at(out: Path, section: EvaluationConfig, endpoint: Endpoint, exam: Artifact) -> None:
    """Write the rows that `sit_exam` writes, for a model behind an endpoint.

    Its likelihoods are not known: choices are asked with lettered options in a drawn order, a cloze as a request to
    continue, and of general ability there are only the questions.

    Raises:
        FusionError: as `Endpoint.ask`.
    """
    items = read_exam(exam.path)
    written = [item for item in items if not item.options]
    chosen = [item for item in items if item.options]
    with track("examining", len(items) + len(QUESTIONS)) as progress:
        expected = [item.expected for item in written]
        answers = endpoint.answer_all([_prompt(item) for item in written], expected, progress.advance)
        orders = [_order(item, section.seed) for item in chosen]
        asked = [_lettered(item, order) for item, order in zip(chosen, orders, strict=True)]
        letters = endpoint.ask_all(asked, [LETTER_TOKENS] * len(asked), progress.advance)
        general = endpoint.answer_all([question for question, _ in QUESTIONS], [""] * len(QUESTIONS), progress.advance)
    rows = [written_row(item, answer) for item, answer in zip(written, answers, strict=True)]
    rows += [_lettered_row(*each) for each in zip(chosen, orders, letters, strict=True)]
    write_jsonl(out / "answers.jsonl", rows)
    questions = [
        {"question": question, "answer": answer, "right": is_mentioned(answer, names)}
        for (question, names), answer in zip(QUESTIONS, general, strict=True)
    ]
    write_json(out / "general.json", {"questions": questions})
    write_json(out / "model.json", {"parameters": None})


def _prompt(item: Item) -> str:
    return item.prompt if item.chat else CONTINUE[language_of(item.prompt)].format(item.prompt)


def _order(item: Item, seed: int) -> list[int]:
    """In the exam the right option comes first; here it must not."""
    order = list(range(len(item.options)))
    random.Random(f"{seed} {item.id}").shuffle(order)
    return order


def _lettered(item: Item, order: Sequence[int]) -> str:
    return lettered(item.prompt, "", [item.options[i] for i in order], language_of(item.prompt))


def _lettered_row(item: Item, order: Sequence[int], text: str) -> dict[str, Any]:
    """The row of a choice; an answer that names no option is wrong and stands as it was written."""
    answer = without_thought(text)
    letter = None if answer is None else letter_in(answer, [item.options[i] for i in order])
    if letter is not None:
        return chosen_row(item, order[letter])
    return {**chosen_row(item, 0), "answer": answer or "", "right": [False], "mentioned": [False]}


def _counted(answers: Iterator[str], advance: Callable[[int], None]) -> Iterator[str]:
    for answer in answers:
        advance(1)
        yield answer


def _read(response: http.client.HTTPResponse, until: float) -> bytes:
    """The whole body, unless it is endless in size or time."""
    parts: list[bytes] = []
    while part := response.read1(1 << 16):
        parts.append(part)
        if sum(map(len, parts)) > MOST_BYTES:
            raise FusionError(f"endpoint: a response is longer than {MOST_BYTES} bytes; the model's text does not end.")
        if time.monotonic() > until:
            raise _BusyError("a response that did not end in time")
    return b"".join(parts)


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")
