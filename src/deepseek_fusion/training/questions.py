"""Questions of the lessons that the graph can verify, and what a model writes to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from deepseek_fusion.core.artifacts import Artifact, read_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.graph import Graph, Triple
from deepseek_fusion.knowledge.matching import Accepted
from deepseek_fusion.knowledge.ontology import find_ontology
from deepseek_fusion.knowledge.phrase import join, phrase
from deepseek_fusion.models.attention import reads_trees
from deepseek_fusion.models.loading import PLAIN, Language

BATCH = 32
"""Answers written at once."""
NOTES = {
    "en": ("The {noun} of {anchor} {is} {answer}.", " ", "{notes}\nAnswer with names only, as briefly as you can. "),
    "zh": ("{anchor}的{noun}是{answer}。", "", "{notes}\n请只回答名称，尽量简短。"),
}
"""How a fact is told, what stands between two of them, and what stands before the question."""


@dataclass(frozen=True)
class Question:
    """A question as lessons ask it.

    Attributes:
        accepted: what is right.
        answer: what the lesson answers.
        subjects: what the facts asked for are about; none if there are no such facts.
    """

    text: str
    accepted: Accepted
    answer: str
    subjects: tuple[str, ...]


def read_questions(lessons: Artifact, graph: Graph) -> list[Question]:
    """Each distinct question of the lessons whose facts the graph has, and those it must decline."""
    book = _Book(graph)
    rows = {row["prompt"]: row for row in read_jsonl(lessons.path / "lessons.jsonl") if row["kind"] in book.kinds}
    return [question for row in rows.values() if (question := book.question(row))]


class _Book:
    """A graph, to look answers up in."""

    kinds = ("question", "reversed", "refusal")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.triples = {graph.fact_id(triple): triple for triple in graph.triples}
        ontology = find_ontology(graph)
        self.parents = ontology.parents if ontology.hierarchy else {}
        groups = {"question": graph.forward(), "reversed": graph.backward()}
        self.answers = {
            kind: {(group.anchor, group.relation): group.answers for group in own} for kind, own in groups.items()
        }

    def question(self, row: dict[str, Any]) -> Question | None:
        """What a row of lessons asks; None if the graph does not have it."""
        kind, text, facts, parts = row["kind"], row["prompt"], row["facts"], row["parts"]
        answer = "".join(part for part, _ in parts)
        if kind == "refusal":
            return Question(text, Accepted((), (), 0), answer, ())
        triples = [self.triples[fact] for fact in facts if fact in self.triples]
        if not triples:
            return None
        anchor = triples[0].subject if kind == "question" else triples[0].object
        right = self.answers[kind][anchor, triples[0].relation]
        accepted = Accepted(
            answers=tuple((name, *self.graph.synonyms.get(name, ())) for name in right),
            parents=tuple(sorted({self.parents[name] for name in right if name in self.parents} - set(right))),
            wanted=len(triples),
        )
        return Question(text, accepted, answer, _subjects(triples))


def _subjects(triples: Sequence[Triple]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(triple.subject for triple in triples))


def informed(questions: Sequence[Question], graph: Graph) -> list[str]:
    """Each question after all that the graph says about its subjects."""
    template, space, head = NOTES[graph.language]
    before, _, after = template.partition("{answer}")
    notes: defaultdict[str, list[str]] = defaultdict(list)
    for group in graph.forward():
        notes[group.anchor].append(f"{phrase(graph, group, before)}{join(graph, group)}{after}")
    told = [space.join(note for subject in question.subjects for note in notes[subject]) for question in questions]
    return [head.format(notes=own) + question.text for own, question in zip(told, questions, strict=True)]


@torch.no_grad()
def write_answers(
    language: Language,
    prompts: Sequence[Sequence[int]],
    limit: int,
    temperature: float = 0.0,
    seed: int = 0,
    place: str = "training.distil",
) -> list[list[int]]:
    """Token ids of one answer to each prompt, up to and with the one that ends the turn.

    Args:
        limit: tokens at which an answer is cut.
        temperature: at which tokens are drawn, from the whole vocabulary; 0 takes the likeliest.
        seed: of the draws.
        place: of the phase in the configuration, for errors.

    Raises:
        FusionError: the model's outputs are not numbers.
    """
    ends = ends_of(language)
    drawn = {"do_sample": True, "top_k": 0, "temperature": temperature} if temperature else {"do_sample": False}
    written: dict[int, list[int]] = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for part in _together(language, prompts):
            width = max(len(prompts[i]) for i in part)
            rows = [[language.end_of_turn] * (width - len(prompts[i])) + list(prompts[i]) for i in part]
            mask = [[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in part]
            made: Tensor = language.model.generate(  # type: ignore[operator]
                torch.tensor(rows, device=language.device),
                attention_mask=torch.tensor(mask, device=language.device),
                **{**PLAIN, **drawn},
                max_new_tokens=limit,
                eos_token_id=sorted(ends),
                pad_token_id=language.end_of_turn,
                logits_processor=[_Numbers(language, place)],
            )
            for index, ids in zip(part, made[:, width:].tolist(), strict=True):
                end = next((place for place, token in enumerate(ids) if token in ends), limit - 1)
                written[index] = ids[: end + 1]
    return [written[index] for index in range(len(prompts))]


class _Numbers(LogitsProcessor):
    """Lets nothing pass but numbers."""

    def __init__(self, language: Language, place: str) -> None:
        self.language, self.place = language, place

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [B, V] of the tokens that could follow `input_ids` [B, L]."""
        if bool((scores.isnan() | scores.isposinf()).any()):
            begins = self.language.decode(input_ids[0].tolist())
            raise FusionError(
                f"{self.place}: the model's outputs are not numbers, in the batch with {begins!r}; lower "
                f"{self.place}.learning_rate and run again."
            )
        return scores


def ends_of(language: Language) -> set[int]:
    """Tokens that end an answer."""
    config = language.model.generation_config
    ends = config.eos_token_id if config is not None else None
    return {language.end_of_turn, *(ends if isinstance(ends, list) else [] if ends is None else [ends])}


def _together(language: Language, prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Prompts of like length, at most a batch of them; of one length where padding would change the answer."""
    padded = reads_trees(language.model)
    part: list[int] = []
    for index in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        if part and (len(part) == BATCH or not (padded or len(prompts[index]) == len(prompts[part[0]]))):
            yield part
            part = []
        part.append(index)
    if part:
        yield part
