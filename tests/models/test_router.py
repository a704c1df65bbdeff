"""What a router sees of a prompt, and how it decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.router import Router, depths, mean_states

QUESTIONS = (
    "What is the ICD-10 code of Gout?",
    "痛风的症状是什么？",
    "Hi",
    "In the reference book, the entry on Gout lists the medication. Regarding this, what would you write down?",
)
ARCHITECTURES = ("llama", "qwen2", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_prompt_looks_the_same_alone_and_among_others(language: Callable[[str], Language], architecture: str) -> None:
    base = language(architecture)
    layers = [1] if architecture == "deepseek_v32" else depths(base)  # later, rounding may tip what its index selects
    together = mean_states(base, QUESTIONS, layers)
    for number, question in enumerate(QUESTIONS):
        alone = mean_states(base, [question], layers)
        for layer in layers:
            torch.testing.assert_close(together[layer][number], alone[layer][0], rtol=1e-3, atol=1e-4)
    assert all((states[0] - states[1]).abs().max() > 1e-2 for states in together.values())


def test_the_mean_is_over_the_tokens_of_the_prompt(language: Callable[[str], Language]) -> None:
    base = language("llama")
    ids = torch.tensor([base.encode_question(QUESTIONS[0])])
    states = base.model.get_decoder()(ids, output_hidden_states=True).hidden_states[1][0].float()
    scaled = torch.nn.functional.layer_norm(states, states.shape[-1:])
    torch.testing.assert_close(mean_states(base, QUESTIONS, [1])[1][0], scaled.mean(0), rtol=1e-3, atol=1e-4)


def test_what_is_saved_decides_alike(language: Callable[[str], Language], tmp_path: Path) -> None:
    base = language("qwen2")
    weight = torch.randn(32, generator=torch.Generator().manual_seed(0))
    router = Router(2, weight, -0.25, 0.3)
    router.save(tmp_path / "router")
    assert {file.name for file in (tmp_path / "router").iterdir()} == {"router.safetensors", "router.json"}
    loaded = Router.load(tmp_path / "router")
    shares = router.probabilities(base, QUESTIONS)
    assert loaded.probabilities(base, QUESTIONS) == shares
    assert all(0 < share < 1 for share in shares)
    assert len({round(share, 6) for share in shares}) == len(QUESTIONS)
    assert [loaded.takes(share) for share in (0.29, 0.3, 0.31)] == [False, True, True]
