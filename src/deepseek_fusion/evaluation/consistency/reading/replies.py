"""Sentences that belong together: a question and its answer, a statement and its retraction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deepseek_fusion.evaluation.consistency.reading.scanning import Mark, Sentence

_FUNCTION = {"yes", "no", "not", "denial", "glue", "copula", "pronoun", "light", "open", "and", "turn"}
"""What a sentence is made of that says nothing by itself."""


def joined(sentences: Iterable[Sentence]) -> Iterator[Sentence]:
    """The sentences, those that belong together as one."""
    last: Sentence | None = None
    for sentence in sentences:
        if last and (_answers(sentence, last) if last.asks else _retracts(sentence)):
            last = _together(last, sentence)
            continue
        if last:
            yield last
        last = sentence
    if last:
        yield last


def _answers(sentence: Sentence, question: Sentence) -> bool:
    kinds = [mark.kind for mark in sentence.marks]
    if kinds and (kinds[0] in ("yes", "no") or _FUNCTION.issuperset(kinds)):
        return not sentence.text.endswith(":")
    return _completes(question, sentence)


def _retracts(sentence: Sentence) -> bool:
    """`That was wrong.`"""
    kinds = {mark.kind for mark in sentence.marks}
    return "denial" in kinds and kinds <= _FUNCTION


def _completes(question: Sentence, sentence: Sentence) -> bool:
    """`Seeing Fever? It could be Gout.`: objects alone are asked about, and a subject alone answers."""
    asked = [mark.meaning for mark in question.marks if mark.kind in ("name", "value")]
    told = [mark.meaning for mark in sentence.marks if mark.kind in ("name", "value")]
    nothing = not any(meaning.subjects for meaning in asked) and not any(meaning.objects for meaning in told)
    return bool(asked and told) and nothing


def _together(first: Sentence, second: Sentence) -> Sentence:
    shift = len(first.text) + 1
    moved = [
        Mark(mark.kind, mark.start + shift, mark.end + shift, mark.meaning, mark.relation) for mark in second.marks
    ]
    pieces = (*first.pieces, *((shift + begun, stands) for begun, stands in second.pieces))
    marks = [*first.marks, Mark("and", shift - 1, shift), *moved]
    return Sentence(f"{first.text} {second.text}", marks, pieces=pieces)
