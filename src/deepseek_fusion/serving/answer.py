"""One question to one release."""

from __future__ import annotations

from pathlib import Path

import torch

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import PLAIN, load_language

LONGEST = 256


@torch.inference_mode()
def answer(release: Path, question: str) -> str:
    """Greedy answer of the merged model in a release folder.

    Raises:
        FusionError: the folder is no release, or the question is empty.
    """
    if not (release / "merged" / "config.json").is_file():
        raise FusionError(f"{release}: has no merged/ model; give a release folder as `versions` lists them.")
    if not question.strip():
        raise FusionError("ask: the question is empty; put it in quotes.")
    language = load_language(release / "merged")
    prompt = torch.tensor([language.encode_question(question)], device=language.device)
    made = language.model.generate(  # type: ignore[operator]
        prompt, attention_mask=torch.ones_like(prompt), **PLAIN, do_sample=False, max_new_tokens=LONGEST
    )
    return language.decode(made[0, prompt.shape[1] :].tolist()).strip()
