"""Phase `adapt`: documents read as they are, every token learned (Gururangan et al. 2020, arXiv 2004.10964).

Documents are not glued together to fill rows: the engine pads nothing, so each keeps a row of its own and no token
looks at another document (Zhao et al. 2024, arXiv 2402.13991).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

from deepseek_fusion.core.artifacts import Artifact, read_parquet
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import track
from deepseek_fusion.models.loading import Language
from deepseek_fusion.training.lessons import Lessons
from deepseek_fusion.training.loop import Course
from deepseek_fusion.training.samples import Sample, plan_batches

ROUNDS = 4
"""Up to so many times the same text is worth about as much as new text (Muennighoff et al. 2023, arXiv 2305.16264)."""
ENOUGH = 200_000
"""Tokens after which nothing is read again: minutes on a laptop."""
FEWEST, MOST, STEPS = 256, 4096, 200
"""Tokens of a step, and the steps aimed at between these bounds."""


def document_course(language: Language, section: TrainingConfig, corpus: Artifact) -> Course:
    """The documents that the corpus does not hold out, in shuffled rounds.

    Raises:
        FusionError: there are none.
    """
    texts = [row["text"] for row in read_parquet(corpus.path / "documents.parquet", "text")]
    pieces: list[Sample] = []
    with track("tokenising", len(texts)) as progress:
        for text in texts:
            pieces += document_samples(language, text, section.max_length)
            progress.advance()
    if not pieces:
        raise FusionError(
            "training.phases: `adapt` reads documents and there are none to read; name some under `documents` or "
            "`training.adapt.documents`."
        )
    once = sum(map(len, pieces))
    tokens = section.adapt.tokens or max(once, min(ROUNDS * once, ENOUGH))
    samples = list(_rounds(pieces, tokens, section.seed))
    lengths = [len(sample) for sample in samples]
    batch_tokens = section.adapt.batch_tokens or min(MOST, max(FEWEST, sum(lengths) // STEPS))
    batches = plan_batches(lengths, batch_tokens, section.seed)
    return Course([Lessons(language, samples, batches, "document")], len(batches), batch_tokens)


def document_samples(language: Language, text: str, longest: int) -> list[Sample]:
    """A document in the fewest pieces of like length that fit; each begins as a document, the last one also ends."""
    separator = language.text_start()
    ids = [*language.encode(text), *separator]
    count = math.ceil(len(ids) / (longest - len(separator)))
    cuts = [len(ids) * number // count for number in range(count + 1)]
    return [
        Sample((*separator, *ids[start:end]), (False,) * len(separator) + (True,) * (end - start))
        for start, end in pairwise(cuts)
    ]


def _rounds(pieces: Sequence[Sample], tokens: int, seed: int) -> Iterator[Sample]:
    """Shuffled rounds through all pieces until so many tokens are read."""
    rng = random.Random(seed)
    while True:
        for piece in rng.sample(pieces, len(pieces)):
            if tokens <= 0:
                return
            yield piece
            tokens -= len(piece)
