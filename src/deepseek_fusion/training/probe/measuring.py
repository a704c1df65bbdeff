"""How well an adapter answers what no lesson asked, and how far it moved the model from its base elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.trees.tree import Row
from deepseek_fusion.training.divergence import CHUNK, Teacher, divergences
from deepseek_fusion.training.loop import NODES
from deepseek_fusion.training.replay import Replay
from deepseek_fusion.training.samples import Sample


@dataclass(frozen=True)
class Measured:
    """What settings are compared by.

    Attributes:
        loss: minus the log-likelihood of right answers, in nats a token.
        accuracy: share of questions whose right answer is what the model would write.
        divergence: KL(base || model) on general text that was not trained on, in nats a token.
    """

    loss: float
    accuracy: float
    divergence: float

    def score(self, weight: float) -> float:
        """The less the better: the objective of training, on what is not trained."""
        return self.loss + weight * self.divergence


@torch.inference_mode()
def measure(language: Language, questions: Sequence[Sample], general: Replay) -> Measured:
    """Ask all questions and read all general text, with each right answer put before the model."""
    language.model.eval()
    loss, right, tokens = 0.0, 0, 0
    rows = [sample.ids[:-1] for sample in questions]
    places = [[i - 1 for i in range(1, len(sample)) if sample.learned[i]] for sample in questions]
    for part, hidden_ND in _read(language, rows, places):
        targets_N = torch.tensor([questions[i].ids[p + 1] for i in part for p in places[i]], device=hidden_ND.device)
        loss += float(divergences(hidden_ND, language.head.weight, Teacher.certain(targets_N)).sum())
        tokens += len(targets_N)
        hits = torch.cat([language.head(chunk).argmax(-1) for chunk in hidden_ND.split(CHUNK)]) == targets_N
        right += sum(bool(own.all()) for own in hits.split([len(places[i]) for i in part]))
    apart = 0.0
    texts = [text[:-1] for text in general.texts]
    for part, hidden_ND in _read(language, texts, general.places):
        teacher = general.teacher(part).to(hidden_ND.device)
        apart += float(divergences(hidden_ND, language.head.weight, teacher).sum())
    return Measured(loss / tokens, right / len(questions), apart / sum(map(len, general.places)))


def _read(
    language: Language, rows: Sequence[Row], places: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], Tensor]]:
    """Which rows, and their hidden states at their places, in order; part by part."""
    for part in language.parts(rows, NODES[language.device.type]):
        hidden_ND, _ = language.states([rows[i] for i in part], [places[i] for i in part])
        yield part, hidden_ND
