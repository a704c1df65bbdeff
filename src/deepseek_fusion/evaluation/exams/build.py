"""The stage that puts a model to multiple-choice sets from local files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, write_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.answers.sitting import load_taught
from deepseek_fusion.evaluation.exams.prompts import lettered
from deepseek_fusion.evaluation.exams.scoring import (
    best,
    context_length,
    option_pairs,
    score_options,
    thinks_aloud,
    write_answers,
)
from deepseek_fusion.evaluation.exams.sets import ExamSet, Question, read_set
from deepseek_fusion.evaluation.statistics.rates import Rate, rate
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import ModelSource

READINGS = 4
"""How often a question is put: as plain text, as a chat, its options alone, and to be answered in words."""


@stage("sets", version=1)
def sit_sets(out: Path, section: EvaluationConfig, model: ModelSource, adapter: Artifact | None, sets: Source) -> None:
    """Write `sets.json` (one table row a set) and `answers.jsonl` (one row a question).

    Raises:
        FusionError: a file is broken or has no usable question, or the model's outputs are not numbers.
    """
    exams = [read_set(file) for file in sets.files]
    language = load_taught(model, adapter)
    exams = [_fitting(language, exam, file) for exam, file in zip(_named(exams, sets), sets.files, strict=True)]
    rows: list[dict[str, Any]] = []
    table: list[dict[str, Any]] = []
    with track("Sitting sets", READINGS * sum(len(exam.questions) for exam in exams)) as progress:
        for exam in exams:
            answers = _answers(language, exam, progress.advance)
            rows += answers
            table.append(_scored(exam, answers, section))
    write_jsonl(out / "answers.jsonl", rows)
    write_json(out / "sets.json", {"sets": table})


def _named(exams: Sequence[ExamSet], sets: Source) -> list[ExamSet]:
    """Sets of one name are told apart by their folders."""
    names = Counter(exam.name for exam in exams)
    return [
        replace(exam, name=f"{file.parent.name}/{exam.name}") if names[exam.name] > 1 else exam
        for exam, file in zip(exams, sets.files, strict=True)
    ]


def _fitting(language: Language, exam: ExamSet, file: Path) -> ExamSet:
    """The set without what this model cannot read whole: nothing is ever cut."""
    room, (_, limit) = context_length(language), thinks_aloud(language)
    kept: list[Question] = []
    excluded = {reason: list(lines) for reason, lines in exam.excluded.items()}
    for question in exam.questions:
        pairs = [pair for chat in (False, True) for pair in option_pairs(language, exam, question, chat)]
        asked = lettered(question.question, question.passage, question.options, exam.language)
        longest = max(len(language.encode_question(asked)) + limit, *(len(head) + len(tail) for head, tail in pairs))
        if not all(tail for _, tail in pairs):
            excluded.setdefault("an option has no token of its own", []).append(question.line)
        elif longest > room:
            excluded.setdefault(f"longer than the model's {room} tokens", []).append(question.line)
        else:
            kept.append(question)
    if not kept:
        reasons = ", ".join(f"{len(lines)} {reason}" for reason, lines in excluded.items())
        raise FusionError(f"{file}: this model can be asked none of its questions ({reasons}); leave the file out.")
    return replace(exam, questions=tuple(kept), excluded={key: tuple(lines) for key, lines in excluded.items()})


def _answers(language: Language, exam: ExamSet, advance: Any) -> list[dict[str, Any]]:
    plain, chat = score_options(language, exam, advance), score_options(language, exam, advance, chat=True)
    alone, written = score_options(language, exam, advance, alone=True), write_answers(language, exam, advance)
    return [
        {
            "set": exam.name,
            "line": question.line,
            "right": question.answer,
            "plain": best(plain[i], question.options),
            "plain_norm": best(plain[i], question.options, normalised=True),
            "chat": best(chat[i], question.options),
            "chat_norm": best(chat[i], question.options, normalised=True),
            "option_only": best(alone[i], question.options),
            "option_only_norm": best(alone[i], question.options, normalised=True),
            "longest": question.options.index(max(question.options, key=len)),
            "written": written[i].chosen,
            "unfinished": written[i].unfinished,
            "text": written[i].text,
        }
        for i, question in enumerate(exam.questions)
    ]


def _scored(exam: ExamSet, answers: Sequence[dict[str, Any]], section: EvaluationConfig) -> dict[str, Any]:
    """One row of the table. Questions on one passage stand and fall together."""
    clusters = [question.passage or str(question.line) for question in exam.questions]
    majority, _ = Counter(question.answer for question in exam.questions).most_common(1)[0]

    def share(chosen: Iterable[int | None]) -> Rate:
        right = [choice == question.answer for choice, question in zip(chosen, exam.questions, strict=True)]
        return rate(right, clusters, section.bootstrap, section.seed)

    def column(name: str) -> Rate:
        return share(row[name] for row in answers)

    return {
        "name": exam.name,
        "format": exam.format,
        "language": exam.language,
        "items": len(exam.questions),
        "excluded": {reason: {"n": len(lines), "lines": list(lines)} for reason, lines in exam.excluded.items()},
        "chance": sum(1 / len(question.options) for question in exam.questions) / len(exam.questions),
        "accuracy": column("plain"),
        "accuracy_norm": column("plain_norm"),
        "chat": {"accuracy": column("chat"), "accuracy_norm": column("chat_norm")},
        "written": {
            "accuracy": column("written"),
            "unanswered": sum(row["written"] is None and not row["unfinished"] for row in answers),
            "unfinished": sum(row["unfinished"] for row in answers),
        },
        "baselines": {
            "majority": share([majority] * len(answers)),
            "option_only": column("option_only"),
            "option_only_norm": column("option_only_norm"),
            "longest": column("longest"),
        },
    }
