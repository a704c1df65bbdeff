"""Reading a lessons artifact into samples: the other side of what the curriculum writes."""

from __future__ import annotations

from deepseek_fusion.core.artifacts import Artifact, read_jsonl
from deepseek_fusion.models.loading import Language
from deepseek_fusion.training.samples import Sample, chat_sample, text_sample


def read_samples(lessons: Artifact, language: Language) -> list[Sample]:
    """All lessons as samples, in their order. Lesson rows repeat, so each distinct one is tokenised once."""
    known: dict[str, Sample] = {}
    samples: list[Sample] = []
    for row in read_jsonl(lessons.path / "lessons.jsonl"):
        name = repr((row["prompt"], row["parts"]))
        if name not in known:
            prompt, parts = row["prompt"], row["parts"]
            known[name] = (
                text_sample(language, parts)
                if prompt is None
                else chat_sample(language, prompt, "".join(text for text, _ in parts))
            )
        samples.append(known[name])
    return samples
