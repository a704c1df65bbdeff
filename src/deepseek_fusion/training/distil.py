"""A teacher into a student: its next-token distributions are cached once, and the student is drawn to them.

Shape suffixes: N positions, D hidden size, K kept tokens.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_json, write_jsonl, writing
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.settings.phases import DistilConfig
from deepseek_fusion.knowledge.asking.questions import Question, informed, verifiable
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import begin_lora, lora_parameters
from deepseek_fusion.models.parallel import load_spread, settle
from deepseek_fusion.models.ranks import call
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.models.vocabulary import Vocabulary
from deepseek_fusion.models.writing import ends_of, write_answers
from deepseek_fusion.training.adapter import carry_out
from deepseek_fusion.training.divergence import CHUNK, Teacher, divergence
from deepseek_fusion.training.lessons import LessonBatch
from deepseek_fusion.training.loop import NODES, Loop, Objective, not_a_number
from deepseek_fusion.training.replay import Anchor, read_replay
from deepseek_fusion.training.samples import (
    Sample,
    batch_tokens_for,
    chat_sample,
    check_lengths,
    plan_batches,
    text_sample,
)

FILE, LESSONS = "teachings.safetensors", "lessons.jsonl"
EXAMINED = 48
"""Tokens of an answer by which a teacher is examined."""
THINK, THOUGHT = "<think>\n", "</think>"


@dataclass(frozen=True)
class Row:
    """What the student reads, and how it begins for the teacher.

    Attributes:
        common: the first token that both read; all that is learned lies behind it.
        question: the user's turn for the teacher; None for plain text.
    """

    sample: Sample
    common: int
    question: str | None

    @classmethod
    def chat(cls, language: Language, question: str, answer: str, informed: str | None = None) -> Row:
        """A question and its answer; the teacher may be asked in other words."""
        sample = chat_sample(language, question, answer)
        return cls(sample, sample.learned.index(True), informed or question)

    @classmethod
    def text(cls, language: Language, parts: Sequence[tuple[str, bool]]) -> Row:
        """Plain text."""
        return cls(text_sample(language, parts), len(language.text_start()), None)


@stage("teachings", version=2)
def write_teachings(
    out: Path,
    section: DistilConfig,
    model: ModelSource,
    teacher: ModelSource | None,
    lessons: Artifact,
    graph: Artifact,
) -> None:
    """Write `teachings.safetensors`, rows and what the teacher expects at their learned places, and `summary.json`.

    Raises:
        FusionError: the teacher is missing, has another vocabulary, or does not know enough itself.
    """
    facts = Graph.load(graph.path)
    if section.method == "context":
        _write_informed(
            out,
            section,
            load_language(model, model.torch_dtype),
            verifiable(read_jsonl(lessons.path / LESSONS), facts),
            facts,
        )
        return
    if teacher is None:
        raise FusionError(
            f"training.distil.teacher: `{section.method}` needs one; name a local folder, a GGUF file or a hub id."
        )
    if section.method == "chains":
        _write_chains(out, section, model, teacher, verifiable(read_jsonl(lessons.path / LESSONS), facts))
        return
    rows, order, tokenizer = _lesson_rows(model, lessons)
    _write(out, section, rows, order, tokenizer, load_language(teacher, teacher.torch_dtype), {"teacher": teacher.name})


@stage("examined", version=1)
def examine_teacher(out: Path, section: DistilConfig, model: ModelSource, lessons: Artifact, graph: Artifact) -> None:
    """Write `examined.json`: how well the base answers with the facts in context, and whether that is enough to teach.

    Raises:
        FusionError: no lesson is a question whose facts the graph has.
    """
    facts = Graph.load(graph.path)
    questions = verifiable(read_jsonl(lessons.path / LESSONS), facts)
    asked = [question for question in questions if question.subjects]
    found = _examined(load_language(model, model.torch_dtype), section, asked, facts)
    passed = found["accuracy"] >= section.accuracy
    write_json(out / "examined.json", {**found, "needed": section.accuracy, "passed": passed})


def _lesson_rows(model: ModelSource, lessons: Artifact) -> tuple[list[Row], list[int], PreTrainedTokenizerBase]:
    """The distinct lessons, which of them comes when, and the tokenizer; the student's weights are let go."""
    student = load_language(model, model.torch_dtype)
    distinct: dict[str, int] = {}
    rows: list[Row] = []
    order: list[int] = []
    for lesson in read_jsonl(lessons.path / LESSONS):
        prompt, parts = lesson["prompt"], lesson["parts"]
        name = repr((prompt, parts))
        if name not in distinct:
            distinct[name] = len(rows)
            answer = "".join(text for text, _ in parts)
            rows.append(Row.text(student, parts) if prompt is None else Row.chat(student, prompt, answer))
        order.append(distinct[name])
    return rows, order, student.tokenizer


def _write_informed(
    out: Path, section: DistilConfig, language: Language, questions: Sequence[Question], graph: Graph
) -> None:
    """The base reads the facts before each question, the student does not."""
    asked = [question for question in questions if question.subjects]
    accuracy = _examined(language, section, asked, graph)
    if accuracy["accuracy"] < section.accuracy:
        raise FusionError(
            f"training.distil: the base answers {accuracy['right']} of {accuracy['examined']} questions rightly with "
            f"the facts in context; to teach itself it must answer {section.accuracy:.0%}; name a stronger "
            "`teacher`, or leave the phase out."
        )
    told = informed(asked, graph)
    rows = [Row.chat(language, own.text, own.answer, text) for own, text in zip(asked, told, strict=True)]
    summary = {"questions": len(rows), **accuracy}
    _write(out, section, rows, range(len(rows)), language.tokenizer, language, summary)


def _examined(
    language: Language, section: DistilConfig, questions: Sequence[Question], graph: Graph
) -> dict[str, float | int]:
    """How well the base answers a sample of the questions with the facts before it."""
    drawn = random.Random(section.seed).sample(questions, min(section.sample, len(questions)))
    if not drawn:
        raise FusionError(
            "training.distil: no lesson is a question whose facts the graph has; raise curriculum.questions."
        )
    prompts = [language.encode_question(text) for text in informed(drawn, graph)]
    answers = [language.decode(ids) for ids in write_answers(language, prompts, EXAMINED)]
    right = sum(own.answered(answer) for answer, own in zip(answers, drawn, strict=True))
    return {"examined": len(drawn), "right": right, "accuracy": right / len(drawn)}


def _write_chains(
    out: Path, section: DistilConfig, model: ModelSource, teacher: ModelSource, questions: Sequence[Question]
) -> None:
    """Let the teacher think and answer; what ends rightly is taught as text."""
    kept = _chains(section, load_language(teacher, teacher.torch_dtype), questions)
    written = len(questions) * section.attempts
    if not kept:
        raise FusionError(
            f"training.distil.teacher: not one of its {written} answers is right by the graph and ends within "
            f"{section.max_tokens} tokens; raise max_tokens or attempts, or name a better teacher."
        )
    student = load_language(model, model.torch_dtype)
    samples = [chat_sample(student, question, _continued(student, question, text)) for question, text in kept]
    labels_N = torch.tensor([sample.ids[place] for sample in samples for place in _learned(sample)])
    summary = {"teacher": teacher.name, "questions": len(questions), "written": written, "right": len(kept)}
    _save(out, samples, range(len(samples)), Teacher.certain(labels_N), summary)
    write_jsonl(out / "chains.jsonl", [{"question": question, "text": text} for question, text in kept])


def _chains(section: DistilConfig, teacher: Language, questions: Sequence[Question]) -> list[tuple[str, str]]:
    """Questions with what the teacher wrote, its thoughts included, where its answer is right."""
    asked = [question for question in questions for _ in range(section.attempts)]
    prompts = [teacher.encode_question(question.text) for question in asked]
    written = write_answers(teacher, prompts, section.max_tokens, section.temperature, section.seed)
    kept: list[tuple[str, str]] = []
    ends = ends_of(teacher)
    for question, prompt, ids in zip(asked, prompts, written, strict=True):
        if ids[-1] not in ends:
            continue
        opened = THINK if _decoded(teacher, prompt).endswith(THINK) else ""
        text = opened + _decoded(teacher, ids[:-1])
        thought, _, answer = text.rpartition(THOUGHT)
        if (thought or THINK.strip() not in text) and question.answered(answer):
            kept.append((question.text, text))
    return kept


def _decoded(language: Language, ids: Sequence[int]) -> str:
    """Text with its special tokens: some tokenizers count `<think>` among them."""
    return str(language.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _continued(student: Language, question: str, text: str) -> str:
    """The text without the opening that the student's own template brings along."""
    brought = _decoded(student, student.encode_question(question)).endswith(THINK)
    return text.removeprefix(THINK) if brought else text


def _write(
    out: Path,
    section: DistilConfig,
    rows: Sequence[Row],
    order: Sequence[int],
    tokenizer: PreTrainedTokenizerBase,
    teacher: Language,
    summary: Mapping[str, Any],
) -> None:
    """Cache the teacher's distributions on the rows that it can read."""
    vocabulary = Vocabulary.between(tokenizer, teacher.tokenizer)
    used = sum(len(row.sample) - row.common for row in rows)
    mapped = sum(vocabulary.known(row.sample.ids[row.common :]) for row in rows) / max(1, used)
    readable = [i for i, row in enumerate(rows) if vocabulary.translate(row.sample.ids[row.common :]) is not None]
    if mapped < section.mapped or not readable:
        raise FusionError(
            f"training.distil.teacher: it has {mapped:.1%} of the tokens of the lessons, and {section.mapped:.0%} are "
            "needed; choose a teacher of the student's own family, whose tokenizer has the same tokens."
        )
    places = {index: place for place, index in enumerate(readable)}
    teachings = _distributions(section, [rows[i] for i in readable], teacher, vocabulary)
    mass = teachings.probability_NK.float().sum(1).mean().item()
    known = {"mapped": mapped, "left_out": len(rows) - len(readable), "mass": mass}
    samples = [rows[i].sample for i in readable]
    _save(out, samples, [places[i] for i in order if i in places], teachings, {**summary, **known})


@torch.inference_mode()
def _distributions(section: DistilConfig, rows: Sequence[Row], teacher: Language, vocabulary: Vocabulary) -> Teacher:
    """What the teacher expects at every learned place of the rows, in order, in the student's ids."""
    begins = [teacher.text_start() if row.question is None else teacher.encode_question(row.question) for row in rows]
    read: list[list[int]] = []
    places: list[list[int]] = []
    for row, begin in zip(rows, begins, strict=True):
        read.append([*begin, *(vocabulary.translate(row.sample.ids[row.common : -1]) or ())])
        places.append([i - 1 - row.common + len(begin) for i in _learned(row.sample)])
    found: dict[int, Teacher] = {}
    with track("asking the teacher", len(rows)) as progress:
        for part in teacher.parts(read, NODES[teacher.device.type]):
            hidden_ND, _ = teacher.states([read[i] for i in part], [places[i] for i in part])
            labels_N = torch.tensor([rows[i].sample.ids[place] for i in part for place in _learned(rows[i].sample)])
            kept = [
                vocabulary.kept(teacher.head(chunk_ND).float().softmax(-1), own_N, section.keep)
                for chunk_ND, own_N in zip(hidden_ND.split(CHUNK), labels_N.split(CHUNK), strict=True)
            ]
            tokens_NK = torch.cat([tokens for tokens, _ in kept]).int().cpu()
            probability_NK = torch.cat([probability for _, probability in kept]).half().cpu()
            sizes = [len(places[i]) for i in part]
            pairs = zip(tokens_NK.split(sizes), probability_NK.split(sizes), strict=True)
            found |= {index: Teacher(*pair) for index, pair in zip(part, pairs, strict=True)}
            progress.advance(len(part))
    ordered = [found[index] for index in range(len(rows))]
    return Teacher(torch.cat([own.tokens_NK for own in ordered]), torch.cat([own.probability_NK for own in ordered]))


def _learned(sample: Sample) -> list[int]:
    """Places of the tokens to be learned."""
    return [i for i in range(1, len(sample)) if sample.learned[i]]


def _save(
    out: Path, samples: Sequence[Sample], order: Sequence[int], teacher: Teacher, summary: Mapping[str, Any]
) -> None:
    tensors = {
        "ids": torch.tensor([token for sample in samples for token in sample.ids], dtype=torch.int32),
        "learned": torch.tensor([flag for sample in samples for flag in sample.learned]),
        "lengths": torch.tensor([len(sample) for sample in samples]),
        "order": torch.tensor(order),
        "tokens": teacher.tokens_NK.int(),
        "probability": teacher.probability_NK.half(),
    }
    with writing(out / FILE) as file:
        file.write(save(tensors))
    write_json(out / "summary.json", {"rows": len(samples), "positions": len(teacher.tokens_NK), **summary})


class Teachings:
    """What `write_teachings` wrote; distributions are read from disk row by row.

    Attributes:
        samples: distinct rows.
        order: which of them comes when.
    """

    def __init__(self, folder: Path) -> None:
        self._file: Any = safe_open(folder / FILE, "pt")
        lengths: list[int] = self._file.get_tensor("lengths").tolist()
        ids = self._file.get_tensor("ids").split(lengths)
        learned = self._file.get_tensor("learned").split(lengths)
        self.samples = [
            Sample(tuple(own.tolist()), tuple(flags.tolist())) for own, flags in zip(ids, learned, strict=True)
        ]
        self.order: list[int] = self._file.get_tensor("order").tolist()
        self._starts = [0, *accumulate(len(_learned(sample)) for sample in self.samples)]

    def teacher(self, rows: Sequence[int], hard: float = 0.0) -> Teacher:
        """The distributions of some rows, in order, mixed with the text itself: its token is the first of the kept."""
        tokens, probability = (self._file.get_slice(name) for name in ("tokens", "probability"))
        parts = [slice(self._starts[row], self._starts[row + 1]) for row in rows]
        tokens_NK = torch.cat([tokens[part] for part in parts]).long()
        probability_NK = torch.cat([probability[part] for part in parts]).float() * (1 - hard)
        probability_NK[:, 0] += hard
        return Teacher(tokens_NK, probability_NK)


class Distil:
    """KL(teacher || student) at the learned places of rows, a planned batch at each step."""

    name = "distil"
    weight = 1.0

    def __init__(
        self, language: Language, teachings: Teachings, batches: Sequence[Sequence[int]], hard: float = 0.0
    ) -> None:
        self.language, self.teachings, self.batches, self.hard = language, teachings, batches, hard

    def batch(self, step: int, seen: Mapping[str, int]) -> DistilBatch:
        """The rows planned for a step."""
        rows = self.batches[step]
        return DistilBatch(self.language, [self.teachings.samples[i] for i in rows], self, rows, step)


@dataclass(frozen=True)
class DistilBatch(LessonBatch):
    """Some rows, by their numbers."""

    objective: Distil
    numbers: Sequence[int]
    step: int

    def loss(self, hidden_ND: Tensor, rows: Sequence[int]) -> Tensor:
        """Sum of the divergence over the learned tokens of some rows."""
        teacher = self.objective.teachings.teacher([self.numbers[row] for row in rows], self.objective.hard)
        loss = divergence(hidden_ND, self.language.head.weight, teacher.to(hidden_ND.device))
        if not loss.isfinite():
            raise not_a_number(self.language, self.objective, self.step, self.rows[rows[0]])
        return loss


@stage("distil", version=1, resumable=True)
def distil(
    out: Path,
    section: TrainingConfig,
    model: ModelSource,
    teachings: Artifact,
    replay: Artifact | None,
    start: Artifact | None,
) -> None:
    """Train LoRA, fresh or that of the phase before, on teachings; write `adapter/` and `training.json`.

    Raises:
        FusionError: a row is too long, the phase before left another kind of adapter, or the loss is not a number.
    """
    call(("distil", out, section, model, teachings, replay, start))
    cached = Teachings(teachings.path)
    check_lengths(cached.samples, section.max_length)
    order = cached.order * section.distil.epochs
    lengths = [len(cached.samples[i]) for i in order]
    size = section.distil.batch_tokens or batch_tokens_for(sum(lengths))
    own = {name: getattr(section.distil, name) for name in ("learning_rate", "replay_share")}
    section = section.model_copy(update={"batch_tokens": size, **own})
    batches = [[order[i] for i in batch] for batch in plan_batches(lengths, size, section.seed)]
    language = load_spread(model, section.parallel)
    begin_lora(language.model, section.lora, section.seed, start.path / "adapter" if start else None)
    objectives: list[Objective] = [Distil(language, cached, batches, section.distil.hard)]
    if replay is not None and section.replay_weight and section.replay_share:
        objectives.append(Anchor(read_replay(replay), language, section, size))
    settle(language.model, section.parallel)
    loop = Loop(language, section, objectives, lora_parameters(language.model), len(batches))
    carry_out(loop, out, section, model, start, size)
