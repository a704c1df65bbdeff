"""Multiple-choice sets from local files, in the formats in which they are published.

| format | files | columns |
|---|---|---|
| `medqa` | jsonl | question, options (letter to text), answer_idx (letter) or answer (text) |
| `medmcqa` | jsonl, json, csv | question, opa, opb, opc, opd, cop (counted from 0, or from 1 where a 4 occurs) |
| `pubmedqa` | json, jsonl | QUESTION, CONTEXTS, final_decision |
| `letters` | csv, also jsonl | question, A, B, ..., answer (letter); MMLU has no header, C-Eval has one |
| `choices` | jsonl | question, choices, answer (text, letter or number from 0) |

Case of column names does not matter. A row that cannot be asked is left out with its reason and line, never silently.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.exams.rows import LETTERS, read_rows
from deepseek_fusion.knowledge.language import Language, language_of

DECISIONS = ("yes", "no", "maybe")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """One multiple-choice question.

    Attributes:
        line: where it begins in its file; in a JSON file that is one value, the number of the entry.
        answer: index of the right option.
        passage: text to be read first, or empty.
    """

    line: int
    question: str
    options: tuple[str, ...]
    answer: int
    passage: str = ""


@dataclass(frozen=True)
class ExamSet:
    """The questions of one file, and the lines of those left out by reason."""

    name: str
    format: str
    language: Language
    questions: tuple[Question, ...]
    excluded: Mapping[str, tuple[int, ...]]


class _UnusableError(Exception):
    """A row that cannot be asked, and why."""


def read_set(path: Path) -> ExamSet:
    """Read one file.

    Raises:
        FusionError: it cannot be read, has no known columns, or not one usable question.
    """
    rows = list(read_rows(path))
    found = [row for _, row in rows if isinstance(row, dict)]
    name = max(_FORMATS, key=lambda name: sum(_FORMATS[name].columns <= set(row) for row in found))
    if not any(_FORMATS[name].columns <= set(row) for row in found):
        known = "; ".join(f"{key}: {', '.join(sorted(kind.columns))}" for key, kind in _FORMATS.items())
        raise FusionError(f"{path}: no row has the columns of a known format ({known}); rename its columns.")
    parse = partial(_medmcqa, first=_first_cop(path, found)) if name == "medmcqa" else _FORMATS[name].parse
    questions: dict[tuple[str, str, tuple[str, ...]], Question] = {}
    excluded: defaultdict[str, list[int]] = defaultdict(list)
    for line, row in rows:
        try:
            question = parse(line, row) if isinstance(row, dict) else _refuse(row)
            if questions.setdefault((question.passage, question.question, question.options), question) != question:
                raise _UnusableError("repeats an earlier question")
        except _UnusableError as reason:
            excluded[str(reason)].append(line)
    if not questions:
        reasons = ", ".join(f"{len(lines)} {reason}" for reason, lines in excluded.items())
        raise FusionError(f"{path}: not one usable question ({reasons}); mend the rows or leave the file out.")
    language = language_of(" ".join(question.question for question in questions.values()))
    return ExamSet(path.stem, name, language, tuple(questions.values()), {key: tuple(v) for key, v in excluded.items()})


def _refuse(reason: str) -> Question:
    raise _UnusableError(reason)


def _medqa(line: int, row: Row) -> Question:
    options = row.get("options")
    if not isinstance(options, dict) or not options:
        raise _UnusableError("options are not a mapping of letters")
    letters = [str(key).strip().upper() for key in options]
    texts = _texts(list(options.values()))
    named = [texts.index(_clean(row["answer"]))] if _clean(row.get("answer")) in texts else []
    if _clean(row.get("answer_idx")):
        named.append(_index(_clean(row["answer_idx"]).upper(), letters))
    elif not named:
        named.append(_index(_needed(row, "answer").upper(), letters))
    if len(set(named)) > 1:
        raise _UnusableError("answer and answer_idx differ")
    return _question(line, row, texts, named[0])


def _medmcqa(line: int, row: Row, first: int = 0) -> Question:
    texts = _texts([row.get(f"op{letter}") for letter in "abcd"])
    number = _number(row.get("cop"))
    if number is None or number < 0:
        raise _UnusableError("missing cop")
    return _question(line, row, texts, number - first)


def _pubmedqa(line: int, row: Row) -> Question:
    contexts = row.get("contexts")
    if not isinstance(contexts, list) or not any(_clean(text) for text in contexts):
        raise _UnusableError("missing contexts")
    answer = _index(_needed(row, "final_decision").casefold(), DECISIONS)
    return _question(line, row, list(DECISIONS), answer, "\n".join(map(_clean, contexts)))


def _letters(line: int, row: Row) -> Question:
    letters = [letter for letter in LETTERS if letter.casefold() in row]
    texts = _texts([row[letter.casefold()] for letter in letters])
    return _question(line, row, texts, _index(_needed(row, "answer").upper(), letters))


def _choices(line: int, row: Row) -> Question:
    choices, answer = row.get("choices"), row.get("answer")
    if not isinstance(choices, list):
        raise _UnusableError("choices are not a list")
    texts = _texts(choices)
    if isinstance(answer, int) and not isinstance(answer, bool):
        return _question(line, row, texts, answer)
    named = _needed(row, "answer")
    index = texts.index(named) if named in texts else _index(named.upper(), LETTERS)
    return _question(line, row, texts, index)


def _question(line: int, row: Row, texts: list[str], answer: int, passage: str = "") -> Question:
    if not 0 <= answer < len(texts):
        raise _UnusableError("answer not among the options")
    return Question(line, _needed(row, "question"), tuple(texts), answer, passage)


def _texts(options: Sequence[object]) -> list[str]:
    """Options as text. Case is kept apart: `AA`, `Aa` and `aa` are three genotypes."""
    texts = list(map(_clean, options))
    if not all(texts):
        raise _UnusableError("empty option")
    if len(texts) < 2:
        raise _UnusableError("fewer than two options")
    if len({unicodedata.normalize("NFKC", " ".join(text.split())) for text in texts}) < len(texts):
        raise _UnusableError("duplicate options")
    return texts


def _index(name: str, names: Sequence[str]) -> int:
    if name not in list(names):
        raise _UnusableError("answer not among the options")
    return list(names).index(name)


def _needed(row: Row, field: str) -> str:
    if text := _clean(row.get(field)):
        return text
    raise _UnusableError(f"missing {field}")


def _clean(value: object) -> str:
    """Stripped text; a number as it is written, anything else is no text."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _number(value: object) -> int | None:
    text = _clean(value).removesuffix(".0")
    return int(text) if text.removeprefix("-").isdecimal() else None


def _first_cop(path: Path, rows: Sequence[Row]) -> int:
    """MedMCQA counts answers from 1 where its authors publish it, and from 0 on hubs."""
    numbers = {_number(row.get("cop")) for row in rows}
    if 0 in numbers or not numbers & {1, 2, 3, 4}:
        return 0
    if 4 in numbers:
        return 1
    raise FusionError(
        f"{path}: cop is neither 0 nor 4 in any row, so it may count from 0 or from 1; add a row that settles it, or "
        'write each row as {"question": ..., "choices": [...], "answer": ...}.'
    )


@dataclass(frozen=True)
class _Format:
    columns: set[str]
    parse: Callable[[int, Row], Question]


_FORMATS = {
    "medmcqa": _Format({"question", "opa", "opb", "opc", "opd"}, _medmcqa),
    "medqa": _Format({"question", "options"}, _medqa),
    "pubmedqa": _Format({"question", "contexts"}, _pubmedqa),
    "choices": _Format({"question", "choices"}, _choices),
    "letters": _Format({"question", "a", "b"}, _letters),
}
