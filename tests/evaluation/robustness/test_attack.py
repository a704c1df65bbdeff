"""Gradients against autograd by hand, attacks against trying everything."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import tiny
from deepseek_fusion.evaluation.answers.answering import UNPADDED
from deepseek_fusion.evaluation.robustness.attack import Attack, HotFlip, Projected, Random, gradients, losses
from deepseek_fusion.evaluation.robustness.tokens import Target, Vocabulary
from deepseek_fusion.models.loading import Language, load_language
from evaluation.robustness.conftest import small_graph, targets

Knowing = Callable[[str], tuple[Vocabulary, list[Target]]]
ARCHITECTURES = ("llama", "qwen2", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4")
TONGUES = ("en", "zh")


def alone(language: Language, target: Target, embeddings: torch.Tensor | None = None) -> torch.Tensor:
    """The loss of one question, as the library computes it."""
    ids = torch.tensor([[*target.ids, *target.answer]])
    inputs = {"input_ids": ids} if embeddings is None else {"inputs_embeds": embeddings}
    logits = language.model(**inputs, use_cache=False).logits[0, len(target.ids) - 1 : -1]
    return F.cross_entropy(logits, ids[0, len(target.ids) :])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_losses_and_gradients_are_those_of_one_question_at_a_time(
    language: Callable[[str], Language], architecture: str
) -> None:
    loaded = language(architecture)
    some = targets(Vocabulary(loaded, small_graph("en")), "en")[:5]
    assert len({len(target.ids) for target in some}) > 1
    if architecture in UNPADDED:  # with random weights, rounding decides whom their indexers choose
        values = [value for target in some for value in losses(loaded, [target])]
        found = [gradient for target in some for gradient in gradients(loaded, [target])]
    else:
        values, found = losses(loaded, some), gradients(loaded, some)
    for target, value, gradient_LD in zip(some, values, found, strict=True):
        ids = torch.tensor([[*target.ids, *target.answer]])
        leaf = loaded.model.get_input_embeddings()(ids).detach().requires_grad_()
        loss = alone(loaded, target, leaf)
        (expected,) = torch.autograd.grad(loss, leaf)
        assert value == pytest.approx(loss.item(), rel=1e-4)
        assert gradient_LD.shape == (len(target.ids), leaf.shape[-1])
        torch.testing.assert_close(gradient_LD, expected[0, : len(target.ids)], rtol=1e-3, atol=1e-5)
    assert losses(loaded, some[:1]) == [pytest.approx(values[0], rel=1e-4)]  # no hook is left behind


def test_gradients_where_tokens_are_routed_by_their_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSeek V4 with a hash-routed layer takes no embeddings instead of ids; the slope is measured instead."""
    hashed = ("DeepseekV4Config", {**tiny.V4, "mlp_layer_types": ["hash_moe", "moe", "moe"]})
    monkeypatch.setitem(tiny.CONFIGS, "hashed", hashed)
    loaded = load_language(tiny.save_model("hashed", tmp_path))
    target = targets(Vocabulary(loaded, small_graph("en")), "en")[0]
    (gradient_LD,) = gradients(loaded, [target])
    token = target.ids[target.units[1][0]]
    slope_D = sum(row for row, id_ in zip(gradient_LD, target.ids, strict=True) if id_ == token)
    assert isinstance(slope_D, torch.Tensor)
    assert token not in target.answer
    weight_VD = loaded.model.get_input_embeddings().weight
    step_D, found = 1e-3 * slope_D / slope_D.norm(), []
    for sign in (1, -2):
        with torch.no_grad():
            weight_VD[token] += sign * step_D
        found += losses(loaded, [target])
    assert found[0] - found[1] == pytest.approx(2e-3 * slope_D.norm().item(), rel=0.05)


def is_real(words: Vocabulary, before: Target, after: Target, budget: int) -> bool:
    """Real text that keeps names, relation and template, within the budget."""
    tokens = words.language.encode_question(after.text)
    moved = {place for place, (old, new) in enumerate(zip(before.ids, after.ids, strict=True)) if old != new}
    allowed = {token for place in after.changed for token in range(*after.units[place])}
    kept = [before.question.prompt[start:end] for start, end in before.question.kept]
    return (
        tokens == list(after.ids)
        and moved <= allowed
        and len(after.changed) <= budget
        and after.text.isprintable()
        and all(name in after.text for name in kept)
    )


@pytest.mark.parametrize("tongue", TONGUES)
@pytest.mark.parametrize("kind", ["hotflip", "projected", "random"])
def test_every_attack_makes_real_text_within_its_budget(knowing: Knowing, tongue: str, kind: str) -> None:
    words, asked = knowing(tongue)
    attack: Attack = {"hotflip": HotFlip, "projected": Projected, "random": lambda w: Random(w, {}, 0)}[kind](words)
    moved = asked
    for budget in (1, 2):
        moved = attack(moved, budget)
        assert all(is_real(words, *pair, budget) for pair in zip(asked, moved, strict=True))
    assert sum(target.text != target.question.prompt for target in moved) > len(asked) // 2


def test_hotflip_finds_one_of_the_worst_replacements_there_are(knowing: Knowing) -> None:
    words, asked = knowing("en")
    rng = random.Random(0)
    for target, made in zip(asked[:3], HotFlip(words)(asked[:3], 1), strict=True):
        every = [(place, unit) for place in target.open for unit in words.candidates_for(target.unit(place)).tolist()]
        some = [words.replaced(target, {place: tuple(unit)}) for place, unit in rng.sample(every, 150)]
        values = losses(words.language, [candidate for candidate in some if candidate])
        worst = losses(words.language, [made])[0]
        assert sum(value < worst for value in values) >= 0.85 * len(values) > 50


@pytest.mark.parametrize("tongue", TONGUES)
def test_following_the_gradient_hurts_more_than_chance(knowing: Knowing, tongue: str) -> None:
    words, asked = knowing(tongue)
    clean = losses(words.language, asked)
    flipped = HotFlip(words)(asked, 1)
    projected = Projected(words)(asked, 1)
    order = {target.id: target.changed for target in flipped}
    drawn = [losses(words.language, Random(words, order, seed)(asked, 1)) for seed in range(3)]
    mean = {
        "clean": sum(clean) / len(clean),
        "random": sum(map(sum, drawn)) / sum(map(len, drawn)),
        "projected": sum(losses(words.language, projected)) / len(clean),
        "hotflip": sum(losses(words.language, flipped)) / len(clean),
    }
    assert mean["clean"] < mean["random"] < mean["projected"], mean
    assert mean["projected"] < mean["hotflip"], mean
    assert all(a >= b for a, b in zip(losses(words.language, projected), clean, strict=True))


def test_the_control_takes_the_given_places_first_and_depends_on_its_seed_alone(knowing: Knowing) -> None:
    words, asked = knowing("en")
    order = {target.id: (target.open[-1],) for target in asked}
    control = Random(words, order, 5)
    once, backwards = control(asked, 1), control(asked[::-1], 1)[::-1]
    assert [target.text for target in once] == [target.text for target in backwards]
    assert [target.text for target in once] != [target.text for target in Random(words, order, 6)(asked, 1)]
    assert sum(target.changed == order[target.id] for target in once) > len(asked) // 2
    twice = control(once, 2)
    assert all(target.changed[: len(first.changed)] == first.changed for first, target in zip(once, twice, strict=True))


def test_a_character_of_several_tokens_is_replaced_as_a_whole(knowing: Knowing) -> None:
    words, asked = knowing("zh")
    moved = HotFlip(words)(HotFlip(words)(asked, 1), 2)
    lengths = [len(target.unit(place)) for target in moved for place in target.changed]
    assert max(lengths) > 1, "no unit of several tokens was ever replaced"
