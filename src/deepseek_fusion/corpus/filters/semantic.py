"""The semantic level: answers that do not answer their question, and passages that are no coherent prose."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from deepseek_fusion.core.settings.filtering import SemanticConfig
from deepseek_fusion.corpus.documents import Document, Level
from deepseek_fusion.corpus.filters.base import Batch, Filter, Reason
from deepseek_fusion.corpus.semantic.judge import Judge


class Judged(Filter):
    """Rows that a judge finds too unlikely to be good.

    Args:
        judge: says how likely each row is good.
        section: the threshold, and which fields are question and answer.
    """

    level: ClassVar[Level] = "semantic"
    says: ClassVar[str]

    def __init__(self, judge: Judge, section: SemanticConfig) -> None:
        self.judge = judge
        self.section = section

    def reasons(self, batch: Batch) -> Sequence[Reason | None]:
        """Name the probability; rows of the other kind stay."""
        return [
            Reason(f"{self.says} with probability {score:.2f}, less than {self.section.threshold:g}", float(score))
            if score < self.section.threshold
            else None
            for score in self.scores(batch)
        ]

    def scores(self, batch: Batch) -> npt.NDArray[np.float64]:
        """[N] the probability of each row of its kind; NaN for the others."""
        if self.name not in batch.judged:
            pairs = [self.parts(document) for document in batch.documents]
            places = [place for place, pair in enumerate(pairs) if pair is not None]
            found = np.full(len(pairs), np.nan)
            own = [pair for pair in pairs if pair is not None]
            if own:
                found[places] = self.judge.probabilities([asked for asked, _ in own], [text for _, text in own])
            batch.judged[self.name] = found
        return batch.judged[self.name]

    @abstractmethod
    def parts(self, document: Document) -> tuple[str | None, str] | None:
        """Question and text to judge; None if it is of the other kind."""


class Mismatch(Judged):
    """Answers to another question, or to none."""

    name: ClassVar[str] = "mismatch"
    says: ClassVar[str] = "answers its question"

    def parts(self, document: Document) -> tuple[str | None, str] | None:
        """Of rows with a question: it, and the answer, or the text if there is no such field."""
        question = document.metadata.get(self.section.question_field)
        if question is None:
            return None
        return question, document.metadata.get(self.section.answer_field, document.text)


class Incoherent(Judged):
    """Passages that are menus, torn, garbled, repeated or put together from pieces."""

    name: ClassVar[str] = "incoherent"
    says: ClassVar[str] = "is coherent prose"

    def parts(self, document: Document) -> tuple[str | None, str] | None:
        """Of rows without a question: their text."""
        return None if self.section.question_field in document.metadata else (None, document.text)


def probabilities(batch: Batch, filters: Sequence[Judged]) -> npt.NDArray[np.float64]:
    """[N] what the one filter that judged a row said; NaN where none did."""
    found = np.full(len(batch.documents), np.nan)
    for each in filters:
        scores = each.scores(batch)
        found = np.where(np.isnan(scores), found, scores)
    return found
