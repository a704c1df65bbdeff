"""A sample of claims is put before a person, in the terminal or in the browser; every label is written at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from deepseek_fusion.core.artifacts import Artifact, read_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.labelling import ask_for_labels
from deepseek_fusion.core.labelling import sample as spread
from deepseek_fusion.evaluation.consistency.checker import VERDICTS
from deepseek_fusion.knowledge.graph import Graph

PAGE = Path(__file__).parent / "label.html"
_KEYS = dict(zip("123", VERDICTS, strict=True))
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
    page: Path = PAGE
    noun: ClassVar[str] = "claim"
    example: ClassVar[str] = "supported"
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._labels = read_labels([self.file]).get(self.labeller, {}) if self.file.exists() else {}
        self._wanted = {row["id"]: row for row in self.claims}
        self._order = [claim for claim in self._labels if claim in self._wanted]

    def state(self) -> dict[str, Any]:
        """The language, the claim to judge now (null when all are done), facts on its subject, how many are done."""
        with self._lock:
            row = next((row for row in self.claims if row["id"] not in self._labels), None)
            shown = None if row is None else {key: row[key] for key in _SHOWN} | {"facts": self._facts(row)}
            counts = {"done": len(self._order), "total": len(self.claims)}
            return {"claim": shown, **counts, "labeller": self.labeller, "language": self.graph.language}

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
    return spread(rows, lambda row: str(row["verdict"]), count, seed)


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

    def told(state: dict[str, Any]) -> str:
        claim = state["claim"]
        stated = " · ".join(str(claim[key] or "?") for key in ("subject", "relation", "object"))
        facts = "; ".join(claim["facts"]) or texts["none"]
        said = (texts["denied"] if claim["negated"] else "") + stated
        return texts["said"].format(prompt=claim["prompt"], answer=claim["answer"], claim=said, facts=facts)

    return ask_for_labels(desk, _KEYS, lambda state: texts, told, read, write)
