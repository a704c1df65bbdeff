"""Rows of the user's own documents are put before a person, and a judge is trained on what the person said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from deepseek_fusion.core.artifacts import read_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.labelling import Desk, ask_for_labels
from deepseek_fusion.core.labelling import sample as spread
from deepseek_fusion.knowledge.language import language_of

PAGE = Path(__file__).parent / "label.html"
LABELS = ("good", "bad")
_KEYS = dict(zip("12", LABELS, strict=True))
_SHOWN = ("id", "question", "text")
"""What a person sees of a row: nothing of what the judge thinks."""


@dataclass(frozen=True)
class Example:
    """What somebody judged: an answer to a question, or a passage where there is no question."""

    text: str
    good: bool
    question: str | None = None
    weight: float = 1.0


class RowDesk(Desk):
    """Rows to label; the file gets their texts, too, so that training needs nothing else.

    Args:
        rows: `id`, `question` (or None), `text`, in the order in which they are shown.
        file: of the labels.
        labeller: the name of the person.
    """

    page: ClassVar[Path] = PAGE
    noun: ClassVar[str] = "row"
    labels: ClassVar[Sequence[str]] = LABELS

    def __init__(self, rows: Sequence[Mapping[str, Any]], file: Path, labeller: str) -> None:
        known = read_labels([file]) if file.exists() else {}
        super().__init__(rows, file, labeller, [row for row, who in known if who == labeller])

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Question and text."""
        return {key: row[key] for key in _SHOWN}

    def language(self, row: Mapping[str, Any]) -> str:
        """That of the text."""
        return language_of(str(row["text"]))

    def kept(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Question and text."""
        return {"question": row["question"], "text": row["text"]}


def sample(rows: Sequence[Mapping[str, Any]], count: int, seed: int) -> list[Mapping[str, Any]]:
    """Up to `count` rows in random order, as many as possible from each fifth of the probabilities.

    Most rows of a usual corpus are good; drawn at random, hardly a bad one would be seen.
    """
    return spread(rows, lambda row: min(4, int(5 * row["probability"])), count, seed)


def read_labels(files: Iterable[Path]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The labels that stand: (row, labeller) -> the line of the file.

    Raises:
        FusionError: a line lacks a field or has an unknown label.
    """
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for file in files:
        for number, row in enumerate(read_jsonl(file), start=1):
            texts = [row.get(name) for name in ("row", "labeller", "text")]
            label, question = row.get("label", ""), row.get("question")
            known = label is None or label in LABELS
            if not (all(isinstance(text, str) for text in texts) and known and isinstance(question, str | None)):
                raise FusionError(
                    f'{file}, row {number}: needs "row", "labeller", "text", "question" (or null) and a "label" out of '
                    f"{', '.join(LABELS)} or null; mend or delete the row."
                )
            key = (str(texts[0]), str(texts[1]))
            found.pop(key, None)
            if label is not None:
                found[key] = row
    return found


_TEXTS = {
    "en": {
        "pair": "Question: {question}\nAnswer:   {text}",
        "prose": "{text}",
        "ask": "1 good: it answers, or reads well   2 bad   u undo   q stop: ",
        "again": "Type 1, 2, u or q.",
        "done": "{done} of {total} labelled; kept in {file}.",
    },
    "zh": {
        "pair": "问题：{question}\n回答：{text}",
        "prose": "{text}",
        "ask": "1 合格：切题或通顺   2 不合格   u 撤销   q 停止：",
        "again": "请输入 1、2、u 或 q。",
        "done": "已标注 {done}/{total}，保存在 {file}。",
    },
}


def label_in_terminal(desk: RowDesk, read: Callable[[str], str] = input, write: Callable[[str], None] = print) -> int:
    """Ask row by row until all are labelled, the person stops or the input ends; return how many are done."""

    def texts(state: dict[str, Any]) -> dict[str, str]:
        return _TEXTS[state["language"]]

    def told(state: dict[str, Any]) -> str:
        row = state["row"]
        shown = texts(state)["prose" if row["question"] is None else "pair"]
        return shown.format(question=row["question"], text=row["text"])

    return ask_for_labels(desk, _KEYS, texts, told, read, write)
