"""A sample of claims is put before a person, in the terminal or in the browser; every label is written at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from deepseek_fusion.core.artifacts import Artifact, read_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.labelling import Desk, ask_for_labels
from deepseek_fusion.core.labelling import sample as spread
from deepseek_fusion.evaluation.consistency.checker import VERDICTS
from deepseek_fusion.knowledge.graph import Graph

PAGE = Path(__file__).parent / "label.html"
_KEYS = dict(zip("123", VERDICTS, strict=True))
_SHOWN = ("id", "prompt", "answer", "text", "subject", "relation", "object", "negated")
"""What a person sees of a claim: nothing that the checker or the NLI model made of it."""


class ClaimDesk(Desk):
    """Claims to label.

    Args:
        claims: rows of `claims.jsonl`, in the order in which they are shown.
        graph: whose facts on the claim's subject are shown beside it.
        file: of the labels.
        labeller: the name of the person.
    """

    page: ClassVar[Path] = PAGE
    noun: ClassVar[str] = "claim"
    labels: ClassVar[Sequence[str]] = VERDICTS

    def __init__(self, claims: Sequence[Mapping[str, Any]], graph: Graph, file: Path, labeller: str) -> None:
        super().__init__(claims, file, labeller, read_labels([file]).get(labeller, ()) if file.exists() else ())
        self.graph = graph

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The claim with facts on its subject."""
        return {key: row[key] for key in _SHOWN} | {"facts": self._facts(row)}

    def language(self, row: Mapping[str, Any]) -> str:
        """That of the graph."""
        return self.graph.language

    def _facts(self, row: Mapping[str, Any]) -> list[str]:
        return [
            f"{self.graph.relations[group.relation].name}: {', '.join(group.answers)}"
            for group in self.graph.forward()
            if group.anchor == row["subject"]
        ]


def open_desk(consistency: Artifact, graph: Artifact, file: Path, labeller: str, count: int, seed: int) -> ClaimDesk:
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
    return ClaimDesk(sample(rows, count, seed), Graph.load(graph.path), file, labeller.strip())


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
    desk: ClaimDesk,
    read: Callable[[str], str] = input,
    write: Callable[[str], None] = print,
    language: str | None = None,
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
