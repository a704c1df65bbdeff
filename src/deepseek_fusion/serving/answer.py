"""One question to one release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.retrieval.build import in_context, open_index
from deepseek_fusion.knowledge.retrieval.index import Found, Where
from deepseek_fusion.models.loading import PLAIN, Language, load_language
from deepseek_fusion.models.lora import ADAPTER_CONFIG, load_adapter, merge_lora
from deepseek_fusion.models.router import Router
from deepseek_fusion.serving.release import INDEX, LOOKUP

LONGEST = 256


@dataclass(frozen=True)
class Reply:
    """An answer and who gave it.

    Attributes:
        taught: whether the taught model answered; its base did otherwise.
        probability: how likely the question is of the domain; None if nothing decided that.
        warning: why nothing did, if the release has a router.
        found: what was put before the question; None if the release has no index.
    """

    text: str
    taught: bool = True
    probability: float | None = None
    warning: str = ""
    found: Found | None = None


def answer(release: Path, question: str) -> str:
    """Greedy answer of a release, as `reply` gives it."""
    return reply(release, question).text


def reply(release: Path, question: str, where: Where | None = None) -> Reply:
    """Greedy answer of the taught model in a release folder or, if its router finds the question to be outside the
    domain, of the base model; either reads first what an index in the release has on the question.

    The router has read the question with the base, so the adapter is merged into that one; `merged/` stays on disk.

    Args:
        where: what must hold for the documents that are looked into.

    Raises:
        FusionError: the folder is no release, or the question is empty.
    """
    if not (release / "merged" / "config.json").is_file():
        raise FusionError(f"{release}: has no merged/ model; give a release folder as `versions` lists them.")
    if not question.strip():
        raise FusionError("ask: the question is empty; put it in quotes.")
    found = _found(release, question, where)
    prompt = in_context(question, [hit.text for hit in found.hits] if found else [])
    if not (release / "router").is_dir():
        return Reply(_written(load_language(release / "merged"), prompt), found=found)
    recorded = Path(read_json(release / "adapter" / ADAPTER_CONFIG)["base_model_name_or_path"])
    try:
        base = load_language(recorded)
    except FusionError:
        lost = (
            f"{release}: the base model {recorded} cannot be loaded, so the taught model answers everything; put it "
            f"there, or write where it is into adapter/{ADAPTER_CONFIG}."
        )
        return Reply(_written(load_language(release / "merged"), prompt), warning=lost, found=found)
    router = Router.load(release / "router")
    (probability,) = router.probabilities(base, [question])
    if not router.takes(probability):
        return Reply(_written(base, prompt), False, probability, found=found)
    load_adapter(base.model, release / "adapter")
    merge_lora(base.model)
    return Reply(_written(base, prompt), True, probability, found=found)


def _found(release: Path, question: str, where: Where | None) -> Found | None:
    if not (release / INDEX).is_dir():
        if where:
            raise FusionError(
                f"{release}: has no index to look into; set knowledge.retrieval.passages and teach again."
            )
        return None
    index = open_index(release / INDEX)
    try:
        return index.search(question, int(read_json(release / INDEX / LOOKUP)["passages"]), where)
    finally:
        index.close()


@torch.inference_mode()
def _written(language: Language, question: str) -> str:
    prompt = torch.tensor([language.encode_question(question)], device=language.device)
    made = language.model.generate(  # type: ignore[operator]
        prompt, attention_mask=torch.ones_like(prompt), **PLAIN, do_sample=False, max_new_tokens=LONGEST
    )
    return language.decode(made[0, prompt.shape[1] :].tolist()).strip()
