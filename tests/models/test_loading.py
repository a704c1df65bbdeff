"""Models are loaded whole or refused in one sentence; padding and templates are exact."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.loading import Language, load_language

ARCHITECTURES = ("llama", "qwen2", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4")
LONG = "A colleague asks about gout. Which symptoms should I mention? 同事问起痛风，我应该提到哪些症状？"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.inference_mode()
def test_padding_on_the_right_changes_nothing(language: Callable[[str], Language], architecture: str) -> None:
    loaded = language(architecture)
    rows = [loaded.encode_question(text) for text in (LONG, "短", "Why?")]
    width = max(map(len, rows))
    padded = loaded.hidden(torch.tensor([row + [loaded.end_of_turn] * (width - len(row)) for row in rows]))
    for row, hidden in zip(rows, padded, strict=True):
        alone = loaded.hidden(torch.tensor([row]))[0]
        torch.testing.assert_close(hidden[: len(row)], alone, rtol=0, atol=1e-5)
        through_model = loaded.model(torch.tensor([row])).logits[0]
        torch.testing.assert_close(loaded.head(alone), through_model, rtol=0, atol=1e-5)


@pytest.mark.parametrize("text", [LONG, "短", "", "two\nlines <|im_end|> and a tag"])
def test_a_question_is_what_the_chat_template_serves(language: Callable[[str], Language], text: str) -> None:
    loaded = language("llama")
    served = loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    assert loaded.encode_question(text) == served["input_ids"]
    shown = loaded.tokenizer.decode(loaded.encode_question("痛风？"))
    assert shown == "<|im_start|>user\n痛风？<|im_end|>\n<|im_start|>assistant\n"


def test_text_comes_back_without_special_tokens(language: Callable[[str], Language]) -> None:
    loaded = language("llama")
    assert loaded.decode([*loaded.encode(" 痛风 , fever ."), loaded.end_of_turn]) == " 痛风 , fever ."
    assert loaded.tokenizer.decode(loaded.text_start()) == "<|endoftext|>"


def without(file: str, *keys: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({name: value for name, value in content.items() if name not in keys}))

    return change


def replacing(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / "config.json").read_text()
        assert old in text
        (folder / "config.json").write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda folder: (folder / "chat_template.jinja").unlink(), "has no chat template; add chat_template.jinja"),
        (without("tokenizer_config.json", "eos_token"), "has no end-of-sequence token; set eos_token"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded as a causal language model"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "cannot be loaded as a causal language model"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded as a causal language model"),
        (replacing('"model_type": "llama"', '"model_type": "nobody"'), "cannot be loaded as a causal language model"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(
                (folder / "model.safetensors").read_bytes()[:9000]
            ),
            "cannot be loaded as a causal language model",
        ),
        (replacing('"num_hidden_layers": 2', '"num_hidden_layers": 3'), "lack 9 tensors"),
        (replacing('"hidden_size": 32', '"hidden_size": 48'), "in another shape, such as model.embed_tokens.weight"),
    ],
    ids=["template", "eos", "weights", "tokenizer", "config", "type", "cut", "layers", "shape"],
)
def test_a_broken_model_is_one_sentence(
    models: Callable[[str], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    break_it: Callable[[Path], object],
    sentence: str,
) -> None:
    folder = Path(shutil.copytree(models("llama"), tmp_path / "模型"))
    capfd.readouterr()
    break_it(folder)
    with pytest.raises(FusionError, match=sentence) as failure:
        load_language(folder)
    assert "模型" in str(failure.value)
    assert len(str(failure.value).splitlines()) == 1
    assert capfd.readouterr().err == ""


def test_weights_are_loaded_in_the_wanted_precision(models: Callable[[str], Path]) -> None:
    assert load_language(models("llama")).model.dtype == torch.float32
    assert load_language(models("llama"), torch.bfloat16).model.dtype == torch.bfloat16
    assert not load_language(models("llama")).model.training
