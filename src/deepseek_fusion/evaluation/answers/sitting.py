"""One model sits one exam: every answer it gives is written down, right or wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_parquet, write_json, write_jsonl
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.answers.answering import answer_all, score_all, surprises
from deepseek_fusion.evaluation.answers.general import QUESTIONS, read_general_text, text_name
from deepseek_fusion.evaluation.questions.exam import read_exam
from deepseek_fusion.evaluation.questions.families import Item
from deepseek_fusion.knowledge.asking.matching import is_declined, is_listed, is_mentioned
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import load_adapter, merge_lora
from deepseek_fusion.models.source import ModelSource


@stage("sitting", version=6)
def sit_exam(
    out: Path,
    section: EvaluationConfig,
    model: ModelSource,
    adapter: Artifact | None,
    exam: Artifact,
    general: Source | None,
    corpus: Artifact | None,
) -> None:
    """Write `answers.jsonl` (one row an item), `general.json` (empty without its text) and `model.json`."""
    language = load_taught(model, adapter)
    items = read_exam(exam.path)
    with track("examining", len(items)) as progress:
        written = [item for item in items if not item.options]
        chosen = [item for item in items if item.options]
        answers = answer_all(
            language,
            read_prompts(language, written),
            [item.expected for item in written],
            progress.advance,
            draft=adapter is not None,
        )
        scores = score_all(language, read_prompts(language, chosen), [i.options for i in chosen], progress.advance)
    rows = [written_row(item, answer) for item, answer in zip(written, answers, strict=True)]
    rows += [_likeliest(item, own) for item, own in zip(chosen, scores, strict=True)]
    write_jsonl(out / "answers.jsonl", rows)
    write_json(out / "general.json", _general(language, section, general, corpus))
    write_json(out / "model.json", {"parameters": language.model.num_parameters()})


def load_taught(model: ModelSource, adapter: Artifact | None) -> Language:
    """A model, with what an adapter adds to it merged in."""
    language = load_language(model, model.torch_dtype)
    if adapter is not None:
        load_adapter(language.model, adapter.path / "adapter")
        merge_lora(language.model)
    return language


def read_prompts(language: Language, items: Sequence[Item]) -> list[list[int]]:
    """Token ids of each item's prompt."""
    return [
        language.encode_question(item.prompt) if item.chat else language.text_start() + language.encode(item.prompt)
        for item in items
    ]


def written_row(item: Item, answer: str) -> dict[str, Any]:
    """A written answer: for each fact whether it stands in it, strictly and at all."""
    return {
        "id": item.id,
        "family": item.family,
        "answer": answer,
        "right": [is_listed(answer, names) for names in item.gold],
        "mentioned": [is_mentioned(answer, names) for names in item.gold],
        "declined": is_declined(answer),
    }


def chosen_row(item: Item, choice: int, confidence: float | None = None) -> dict[str, Any]:
    """A chosen option, with the probability of it among the options where that is known."""
    right = [choice == 0]
    return {
        "id": item.id,
        "family": item.family,
        "answer": item.options[choice],
        "right": right,
        "mentioned": right,
        "declined": False,
        "confidence": confidence,
    }


def _likeliest(item: Item, scores: Sequence[float]) -> dict[str, Any]:
    """The likeliest option, the mean log-likelihood of each, and its probability: a softmax of these."""
    choice = max(range(len(scores)), key=scores.__getitem__)
    confidence = 1 / sum(math.exp(score - scores[choice]) for score in scores)
    return {**chosen_row(item, choice, confidence), "scores": list(scores)}


def _general(
    language: Language, section: EvaluationConfig, general: Source | None, corpus: Artifact | None
) -> dict[str, Any]:
    if general is None:
        return {}
    text = read_general_text(general.files[0])
    prompts = [language.encode_question(question) for question, _ in QUESTIONS]
    answers = answer_all(language, prompts, ["" for _ in QUESTIONS], slack=16)
    result: dict[str, Any] = {
        "perplexity": _perplexity(language, text, section.general_tokens, text_name(general.files[0])),
        "questions": [
            {"question": question, "answer": answer, "right": is_mentioned(answer, names)}
            for (question, names), answer in zip(QUESTIONS, answers, strict=True)
        ],
    }
    held_out = list(read_parquet(corpus.path / "held_out.parquet", "text")) if corpus is not None else []
    if held_out:
        documents = [row["text"] for row in held_out]
        result["domain_perplexity"] = _perplexity(
            language, documents, section.general_tokens // 2, "documents held out of the lessons"
        )
    return result


def _perplexity(language: Language, texts: Sequence[str], tokens: int, source: str) -> dict[str, Any]:
    """With every window of it, so that two models can be compared on the same ones."""
    windows = surprises(language, texts, tokens)
    read = sum(count for _, count in windows)
    value = math.exp(sum(surprise for surprise, _ in windows) / max(1, read))
    return {"value": value, "tokens": read, "source": source, "windows": windows}
