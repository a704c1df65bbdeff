"""Who answers: the taught model, or its base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deepseek_fusion.core.artifacts import Artifact, write_json
from deepseek_fusion.core.config import LoraConfig, ServingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.knowledge.retrieval.passages import Document
from deepseek_fusion.knowledge.retrieval.store import create, writing
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import attach_lora, lora_parameters, save_adapter
from deepseek_fusion.models.router import Router
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.serving.answer import answer, reply
from deepseek_fusion.serving.weights import export_weights

QUESTION = "痛风有哪些症状？"
Load, Find = Callable[[str], Language], Callable[[str], ModelSource]


@pytest.fixture
def released(run: Run, source: Find, language: Load, tmp_path: Path) -> Callable[..., Path]:
    """A release of a random adapter, with a router of some threshold."""

    def make(threshold: float | None, base: str | None = None) -> Path:
        section = LoraConfig(rank=4)
        model = language("llama").model
        attach_lora(model, section, seed=0)
        for name, parameter in lora_parameters(model).items():
            if name.endswith("lora_B"):
                parameter.data.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
        place = tmp_path / f"taught-{threshold}-{base is None}"
        save_adapter(model, section, base or source("llama").path, place / "adapter")
        weights = run.step(export_weights, ServingConfig(), source("llama"), Artifact(place, place.name, "adapter"))
        if threshold is not None:
            weight = torch.randn(32, generator=torch.Generator().manual_seed(2))
            Router(2, weight, 0.0, threshold).save(weights.path / "router")
        return weights.path

    return make


def written(language: Language, prompt: str = QUESTION) -> str:
    ids = torch.tensor([language.encode_question(prompt)])
    made = language.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=256)
    return language.decode(made[0, ids.shape[1] :].tolist()).strip()


def test_what_is_of_the_domain_the_taught_model_answers_and_the_base_the_rest(
    released: Callable[..., Path], language: Load
) -> None:
    base, taught = written(language("llama")), written(load_language(released(None) / "merged"))
    assert base != taught
    inside, outside = reply(released(0.0), QUESTION), reply(released(2.0), QUESTION)
    assert (inside.text, inside.taught) == (taught, True)
    assert (outside.text, outside.taught) == (base, False)
    assert inside.probability == outside.probability
    assert inside.probability is not None
    assert 0 < inside.probability < 1
    assert inside.warning == outside.warning == ""
    assert answer(released(2.0), QUESTION) == base


def test_without_a_router_the_taught_model_answers(released: Callable[..., Path]) -> None:
    folder = released(None)
    said = reply(folder, QUESTION)
    assert (said.text, said.taught, said.probability) == (written(load_language(folder / "merged")), True, None)


@pytest.mark.parametrize("base", ["/nowhere/基础模型", "nobody/has-this-model"])
def test_where_the_base_is_gone_the_taught_model_answers_and_says_so(released: Callable[..., Path], base: str) -> None:
    folder = released(2.0, base)
    said = reply(folder, QUESTION)
    assert (said.text, said.taught, said.probability) == (written(load_language(folder / "merged")), True, None)
    assert base in said.warning
    assert said.warning.count(".") >= 1
    assert "the taught model answers everything" in said.warning


def test_what_an_index_finds_stands_before_the_question_and_is_told(
    released: Callable[..., Path], language: Load
) -> None:
    folder = released(2.0)
    (folder / "index").mkdir()
    create(folder / "index")
    texts = {"zh": "痛风的症状是关节痛。", "en": "Gout hurts in a joint."}
    with writing(folder / "index") as writer:
        writer.put(Document(own, text, f"{own}.txt:1", own) for own, text in texts.items())
    write_json(folder / "index" / "lookup.json", {"passages": 1})
    said = reply(folder, QUESTION)
    assert said.found is not None
    assert [(hit.text, hit.citation) for hit in said.found.hits] == [(texts["zh"], "zh.txt:1, characters 1 to 10")]
    assert said.text == written(language("llama"), texts["zh"] + QUESTION)
    assert said.probability == reply(released(2.0), QUESTION).probability  # the router reads the question alone
    elsewhere = reply(folder, QUESTION, {"language": ["en"]})
    assert elsewhere.found is not None
    assert elsewhere.found.hits == []
    assert elsewhere.text == written(language("llama"))


def test_a_release_without_an_index_cannot_be_narrowed(released: Callable[..., Path]) -> None:
    folder = released(None)
    assert reply(folder, QUESTION).found is None
    with pytest.raises(FusionError, match=r"has no index .* knowledge\.retrieval\.passages"):
        reply(folder, QUESTION, {"language": "zh"})
