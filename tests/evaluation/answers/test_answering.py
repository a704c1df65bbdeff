"""Batched answers against one prompt at a time, likelihoods against the naive sum."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deepseek_fusion.evaluation.answers.answering import (
    BATCH,
    SLACK,
    answer_all,
    choose_all,
    complete_all,
    score_all,
    surprises,
)
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.trees.reading import TOKENS

Load = Callable[[str], Language]
ARCHITECTURES = ("llama", "deepseek_v3", "deepseek_v32", "deepseek_v4")
QUESTIONS = ("What is the capital of France?", "短", "Name one disease, please.", "痛风有哪些症状？", "Why?")


def greedy(language: Language, prompt: list[int], limit: int) -> list[int]:
    """One prompt at a time, as the library decodes it."""
    ids = torch.tensor([prompt])
    made = language.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=limit)
    return made[0, len(prompt) :].tolist()


def questions(language: Language) -> list[list[int]]:
    return [language.encode_question(text) for text in QUESTIONS]


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "qwen2", "deepseek_v2"])
def test_answers_are_those_of_one_prompt_at_a_time(language: Load, architecture: str) -> None:
    loaded = language(architecture)
    expected = ["", "no such answer", "发烧", "", "x"]
    limits = [len(loaded.encode(text)) + SLACK for text in expected]
    alone = [
        loaded.decode(greedy(loaded, prompt, limit)) for prompt, limit in zip(questions(loaded), limits, strict=True)
    ]
    seen: list[int] = []
    assert answer_all(loaded, questions(loaded), expected, seen.append) == alone
    assert sum(seen) == len(QUESTIONS)
    assert len(set(alone)) > 1


def memorised(language: Language, pairs: dict[str, str]) -> Language:
    """A model that gives exactly these answers: trained on them until it does."""
    from deepseek_fusion.core.config import LoraConfig, TrainingConfig
    from deepseek_fusion.training.adapter import teaching
    from deepseek_fusion.training.samples import chat_sample

    samples = [chat_sample(language, question, answer) for question, answer in pairs.items()] * 100
    section = TrainingConfig(lora=LoraConfig(rank=16), learning_rate=1e-2, batch_tokens=128)
    loop = teaching(language, section, samples)
    while loop.progress.step < loop.steps:
        loop.step()
    return language


def test_a_right_draft_gives_what_decoding_gives(language: Load) -> None:
    pairs = {"code of Gout?": "J45.9", "code of Asthma?": "J45", "symptom of Gout?": "fever, cough", "痛风？": "发烧"}
    loaded = memorised(language("llama"), pairs)
    prompts = [loaded.encode_question(question) for question in pairs]
    decoded = answer_all(loaded, prompts, [""] * len(pairs), slack=16)
    assert decoded == list(pairs.values())
    assert answer_all(loaded, prompts, list(pairs.values())) == decoded
    # a draft that is right for a while saves those tokens and changes nothing
    assert answer_all(loaded, prompts, ["J45", "J99", "fever, pain", "咳嗽"], slack=16)[2:] == decoded[2:]
    # an answer that only begins like the draft is given whole enough to see that it is another
    assert answer_all(loaded, prompts[:1], ["J45"])[0] not in ("J45", "J45.")
    assert answer_all(loaded, prompts[:1], ["J4"])[0] not in ("J4",)
    assert answer_all(loaded, prompts[2:3], ["fever"])[0].startswith("fever,")


def test_more_prompts_than_fit_into_a_batch_keep_their_order(language: Load) -> None:
    loaded = language("llama")
    prompts = [loaded.encode_question(f"{number}?") for number in range(BATCH + 6)]
    answers = answer_all(loaded, prompts, [""] * len(prompts), slack=3)
    for number in (0, 7, BATCH - 1, BATCH, BATCH + 5):
        assert answers[number] == loaded.decode(greedy(loaded, prompts[number], 3))


def test_the_generation_config_of_a_model_changes_no_answer(models: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models("llama"), tmp_path / "sampling"))
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.5}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    plain, sampling = load_language(models("llama")), load_language(folder)
    expected = answer_all(plain, questions(plain), [""] * len(QUESTIONS))
    assert answer_all(sampling, questions(sampling), [""] * len(QUESTIONS)) == expected


@torch.inference_mode()
def naive_score(language: Language, prompt: list[int], option: str) -> float:
    ids = language.encode(option)
    logits = language.model(torch.tensor([prompt + ids])).logits[0].float().log_softmax(-1)
    return sum(logits[len(prompt) - 1 + j, token].item() for j, token in enumerate(ids)) / len(ids)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_choices_are_those_of_the_naive_likelihood(language: Load, architecture: str) -> None:
    loaded = language(architecture)
    prompts = questions(loaded)
    options = [
        ("fever", "cough", "痛风", "M10.9"),
        ("a", "bb"),
        ("G43", "G40.909", "D64"),
        ("发烧、咳嗽", "红肿"),
        ("x", "y"),
    ]
    expected = [
        max(range(len(own)), key=[naive_score(loaded, prompt, option) for option in own].__getitem__)
        for prompt, own in zip(prompts, options, strict=True)
    ]
    assert choose_all(loaded, prompts, options) == expected
    near = 0.05 if architecture == "deepseek_v4" else 1e-4  # its scores depend on what follows a token
    for prompt, own, scores in zip(prompts, options, score_all(loaded, prompts, options), strict=True):
        assert scores == pytest.approx([naive_score(loaded, prompt, option) for option in own], abs=near)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_completions_are_those_of_one_prompt_at_a_time(language: Load, architecture: str) -> None:
    loaded = language(architecture)
    alone = [greedy(loaded, prompt, 12) for prompt in questions(loaded)]
    assert complete_all(loaded, questions(loaded), 12) == alone
    taught = memorised(loaded, {"痛风？": "发烧"}) if architecture == "llama" else None
    if taught:
        (ids,) = complete_all(taught, [taught.encode_question("痛风？")], 12)
        assert ids == [*taught.encode("发烧"), taught.end_of_turn]


def test_many_options_on_one_prompt(language: Load) -> None:
    loaded = language("llama")
    prompts = [loaded.encode_question("code?")] * 30 + [loaded.encode_question("symptom?")]
    words = [f"{chr(65 + number % 26)}{number}.{number * 7 % 10}" for number in range(120)]
    options = [words[4 * row : 4 * row + 4] for row in range(30)] + [["fever", "cough"]]
    assert sum(len(loaded.encode(option)) for row in options for option in row) > TOKENS
    seen: list[int] = []
    chosen = choose_all(loaded, prompts, options, seen.append)
    assert sum(seen) == 31
    for row in (0, 5, 15, 16, 17, 23, 24):
        scores = [naive_score(loaded, prompts[row], option) for option in options[row]]
        assert chosen[row] == scores.index(max(scores))


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v4"])
@torch.inference_mode()
def test_every_window_is_as_unlikely_as_a_direct_sum_says(language: Load, architecture: str) -> None:
    loaded = language(architecture)
    texts = ["The symptoms of gout are fever and cough. " * 12, "痛风的症状是发烧。", "Short."]
    expected, left = [], 120
    for text in texts:
        ids = loaded.encode(text)[:left]
        left -= len(ids)
        for start in range(0, len(ids), 50):
            row = loaded.text_start() + ids[start : start + 50]
            logits = loaded.model(torch.tensor([row])).logits[0].log_softmax(-1)
            total = -sum(logits[place, token].item() for place, token in enumerate(row[1:]))
            expected.append((pytest.approx(total, rel=1e-4), len(row) - 1))
    assert surprises(loaded, texts, tokens=120, window=50) == expected
    assert sum(count for _, count in expected) == 120
    whole = sum(len(loaded.encode(text)) for text in texts)
    assert sum(count for _, count in surprises(loaded, texts, tokens=10**6)) == whole
