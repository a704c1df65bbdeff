"""How a model does on a multiple-choice set: by the likelihood of each option, and by what it writes itself.

Likelihoods are those of lm-evaluation-harness, request by request (Gao et al. 2024, doi 10.5281/zenodo.12608602): the
same text is encoded in the same way, so the same option wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deepseek_fusion.evaluation.answers.answering import answer_all, likelihoods
from deepseek_fusion.evaluation.exams.prompts import DELIMITERS, continued, letter_in, lettered, without_thought
from deepseek_fusion.evaluation.exams.sets import ExamSet, Question
from deepseek_fusion.models.loading import Language

WRITTEN = 32
"""Tokens in which a model that does not think aloud has to name its letter."""
THOUGHT = 2048
"""Tokens for one that does, at most half of what it can read."""
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Written:
    """An answer in the model's own words: the text, the option it names, and whether its thought was cut off."""

    text: str
    chosen: int | None
    unfinished: bool


def option_pairs(
    language: Language, exam: ExamSet, question: Question, chat: bool, alone: bool = False
) -> list[tuple[list[int], list[int]]]:
    """What is read and what is scored for each option.

    Args:
        chat: whether the prompt is a user's turn, as lm-eval has it with `--apply_chat_template`.
        alone: leave out question and passage; the options must speak for themselves.
    """
    text = "" if alone else question.question
    prompt = continued(text, "" if alone else question.passage, exam.language)
    context = templated(language, prompt) if chat else prompt
    delimiter = "" if chat else DELIMITERS[exam.language]
    return [encode_pair(language, context, delimiter + option) for option in question.options]


def templated(language: Language, prompt: str) -> str:
    """A user's turn and the opening of the assistant's, as text."""
    turn = [{"role": "user", "content": prompt}]
    return str(language.tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False))


def encode_pair(language: Language, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Ids of a context and of its continuation, split where lm-eval splits them: spaces and line ends of the context
    belong to the continuation, and the two are encoded as one text."""
    kept = context.rstrip()
    head = encode_whole(language, kept)
    return head, encode_whole(language, kept + context[len(kept) :] + continuation)[len(head) :]


def encode_whole(language: Language, text: str) -> list[int]:
    """Ids with the special tokens that the tokenizer adds, unless the text begins with its first one already."""
    tokenizer = language.tokenizer
    first = tokenizer.bos_token or tokenizer.eos_token
    if first and text.startswith(str(first)):
        return list(tokenizer.encode(text, add_special_tokens=False))
    return list(tokenizer.encode(text))


def score_options(
    language: Language, exam: ExamSet, advance: Advance, chat: bool = False, alone: bool = False
) -> list[list[float]]:
    """Summed log-likelihood of each option of each question.

    Raises:
        FusionError: the model's likelihoods are not numbers; names the set.
    """
    pairs = [option_pairs(language, exam, question, chat, alone) for question in exam.questions]
    flat = [pair for own in pairs for pair in own]
    # The context is the same for all options, but which tokens it ends with may depend on how an option begins.
    sums = likelihoods(language, [head for head, _ in flat], [[tail] for _, tail in flat], place=exam.name)
    advance(len(pairs))
    found = iter(sums)
    return [[next(found)[0] for _ in own] for own in pairs]


def best(sums: Sequence[float], options: Sequence[str], normalised: bool = False) -> int:
    """Index of the likeliest option, in all or for each character of it (lm-eval's `acc` and `acc_norm`)."""
    scores = [s / len(option) if normalised else s for s, option in zip(sums, options, strict=True)]
    return scores.index(max(scores))


def write_answers(language: Language, exam: ExamSet, advance: Advance) -> list[Written]:
    """Ask each question with lettered options and find the letter in what the model writes.

    Raises:
        FusionError: the model's outputs are not numbers; names the set.
    """
    prompts = [
        language.encode_question(lettered(question.question, question.passage, question.options, exam.language))
        for question in exam.questions
    ]
    opened, limit = thinks_aloud(language)
    texts = answer_all(language, prompts, [""] * len(prompts), advance, slack=limit, draft=False, place=exam.name)
    return [_written(text, question, opened) for text, question in zip(texts, exam.questions, strict=True)]


def thinks_aloud(language: Language) -> tuple[bool, int]:
    """Whether the chat template begins a thought, and how many tokens an answer with its thought may take."""
    opened = templated(language, "").rstrip().endswith("<think>")
    if opened or "<think>" in language.tokenizer.get_vocab():
        return opened, min(THOUGHT, context_length(language) // 2)
    return False, WRITTEN


def context_length(language: Language) -> int:
    """Tokens that the model can read and write in all."""
    return getattr(language.model.config, "max_position_embeddings", None) or 1 << 30


def _written(text: str, question: Question, opened: bool) -> Written:
    answer = without_thought(text, opened)
    return Written(text, None if answer is None else letter_in(answer, question.options), answer is None)
