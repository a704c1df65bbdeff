"""One question to one release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import PLAIN, Language, load_language
from deepseek_fusion.models.lora import ADAPTER_CONFIG, load_adapter, merge_lora
from deepseek_fusion.models.router import Router

LONGEST = 256


@dataclass(frozen=True)
class Reply:
    """An answer and who gave it.

    Attributes:
        taught: whether the taught model answered; its base did otherwise.
        probability: how likely the question is of the domain; None if nothing decided that.
        warning: why nothing did, if the release has a router.
    """

    text: str
    taught: bool = True
    probability: float | None = None
    warning: str = ""


def answer(release: Path, question: str) -> str:
    """Greedy answer of a release, as `reply` gives it."""
    return reply(release, question).text


def reply(release: Path, question: str) -> Reply:
    """Greedy answer of the taught model in a release folder or, if its router finds the question to be outside the
    domain, of the base model.

    The router has read the question with the base, so the adapter is merged into that one; `merged/` stays on disk.

    Raises:
        FusionError: the folder is no release, or the question is empty.
    """
    if not (release / "merged" / "config.json").is_file():
        raise FusionError(f"{release}: has no merged/ model; give a release folder as `versions` lists them.")
    if not question.strip():
        raise FusionError("ask: the question is empty; put it in quotes.")
    if not (release / "router").is_dir():
        return Reply(_written(load_language(release / "merged"), question))
    recorded = Path(read_json(release / "adapter" / ADAPTER_CONFIG)["base_model_name_or_path"])
    try:
        base = load_language(recorded)
    except FusionError:
        lost = (
            f"{release}: the base model {recorded} cannot be loaded, so the taught model answers everything; put it "
            f"there, or write where it is into adapter/{ADAPTER_CONFIG}."
        )
        return Reply(_written(load_language(release / "merged"), question), warning=lost)
    router = Router.load(release / "router")
    (probability,) = router.probabilities(base, [question])
    if not router.takes(probability):
        return Reply(_written(base, question), False, probability)
    load_adapter(base.model, release / "adapter")
    merge_lora(base.model)
    return Reply(_written(base, question), True, probability)


@torch.inference_mode()
def _written(language: Language, question: str) -> str:
    prompt = torch.tensor([language.encode_question(question)], device=language.device)
    made = language.model.generate(  # type: ignore[operator]
        prompt, attention_mask=torch.ones_like(prompt), **PLAIN, do_sample=False, max_new_tokens=LONGEST
    )
    return language.decode(made[0, prompt.shape[1] :].tolist()).strip()
