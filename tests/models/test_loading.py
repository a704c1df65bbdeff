"""Models are loaded whole or refused in one sentence; padding and templates are exact."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

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


def indexed(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(text)

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
        (indexed("[]"), "model.safetensors.index.json does not tell where the tensors are"),
        (indexed('{"weight_map": {"lm_head.weight": "../../etc/x.safetensors"}}'), "cannot be loaded"),
        (replacing('"num_hidden_layers": 2', '"num_hidden_layers": 3'), "lack 9 tensors"),
        (replacing('"hidden_size": 32', '"hidden_size": 48'), "in another shape, such as model.embed_tokens.weight"),
    ],
    ids=["template", "eos", "weights", "tokenizer", "config", "type", "cut", "index", "outside", "layers", "shape"],
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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_read_one_by_one_are_those_that_the_library_reads(
    models: Callable[[str], Path], tmp_path: Path, architecture: str
) -> None:
    theirs: PreTrainedModel = AutoModelForCausalLM.from_pretrained(models(architecture), dtype=torch.bfloat16)
    whole = load_language(models(architecture), torch.bfloat16)
    shutil.copytree(models(architecture), tmp_path / "cut")
    (tmp_path / "cut" / "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(models(architecture)).save_pretrained(tmp_path / "cut", max_shard_size="50KB")
    cut = load_language(tmp_path / "cut", torch.bfloat16)
    assert len(list((tmp_path / "cut").glob("*.safetensors"))) > 1
    assert (whole.model.name_or_path, whole.model.config.to_dict()) == (theirs.name_or_path, theirs.config.to_dict())
    for ours, end in ((whole.model, whole.end_of_turn), (cut.model, cut.end_of_turn)):
        assert ours.generation_config.to_dict() == {**theirs.generation_config.to_dict(), "pad_token_id": end}
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, weight in theirs.state_dict().items():
            own = ours.state_dict()[name]
            assert own.dtype == weight.dtype  # some stay in float32 whatever is wanted
            assert torch.equal(own, weight)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs the peak of memory that Linux tells")
def test_the_files_are_never_in_memory_beside_the_model(models: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(models("llama"), tmp_path / "large")
    config = AutoConfig.from_pretrained(tmp_path / "large")
    config.hidden_size, config.intermediate_size, config.num_hidden_layers = 1024, 4096, 8
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(tmp_path / "large")
    size = (tmp_path / "large" / "model.safetensors").stat().st_size
    code = (
        "import sys, torch, pathlib\nfrom deepseek_fusion.models.loading import load_language\n"
        "told = lambda: int(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]) * 1024\n"
        "before = told()\nload_language(pathlib.Path(sys.argv[1]), torch.bfloat16)\nprint(told() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "large"], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 0.9 * size  # half of it is the model; mapped, it would be one and a half
