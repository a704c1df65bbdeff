"""The learned reader: what is said of each mention, and of whom, from the states of a tuned encoder.

Shapes: B texts, T tokens, C width, M mentions of all texts, S mentions of subjects of one text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from deepseek_fusion.evaluation.consistency.encoder.e5 import E5, MATRICES, NORMS
from deepseek_fusion.evaluation.consistency.encoder.masking import Masked, Span
from deepseek_fusion.evaluation.consistency.encoder.revision import SAID, UNDECIDED, Opinion

JOINT = 128
"""Width in which mentions are compared with subjects."""
ROLES = 4
_ITEM, _WORDS, _SUBJECT = 1, 2, 3


@dataclass(frozen=True)
class Tokens:
    """A masked text as the network reads it; the tokens of each mention and of each mention of a subject."""

    ids: list[int]
    roles: list[int]
    mentions: list[list[int]]
    subjects: list[list[int]]


def tokens(e5: E5, text: Masked) -> Tokens:
    """Cut into tokens; a mention beyond the longest text read has none."""
    ids, places = e5.encode(text.text)
    most = e5.sizes.positions - 2
    ids, places = [e5.begin, *ids[:most], e5.end], [(0, 0), *places[:most], (0, 0)]
    roles = [0] * len(ids)

    def within(span: Span, role: int) -> list[int]:
        found = [i for i, (a, b) in enumerate(places) if a < span[1] and b > span[0] and b > a]
        for place in found:
            roles[place] = role
        return found

    subjects = [within(span, _SUBJECT) for _, span in text.subjects]
    mentions = [within(one.span, _ITEM if one.kind == "item" else _WORDS) for one in text.mentions]
    return Tokens(ids, roles, mentions, subjects)


def base_weights(e5: E5) -> dict[str, Tensor]:
    """The encoder's own weights by the names of its file, without the table of tokens."""
    width = e5.sizes.hidden
    weights = {name: e5.vector(name)[:width] for name in ("emb.type", "emb.ln.w", "emb.ln.b")}
    weights["emb.pos"] = e5.vector("emb.pos").reshape(-1, width)
    for layer in range(e5.sizes.layers):
        for name in MATRICES:
            full = f"l{layer}.{name}"
            weights[f"{full}.w"] = e5.matrix(f"{full}.w", e5.sizes.wide if name == "fo" else width)
            weights[f"{full}.b"] = e5.vector(f"{full}.b")
        for name in NORMS:
            weights |= {f"l{layer}.{name}.{part}": e5.vector(f"l{layer}.{name}.{part}") for part in "wb"}
    return weights


def head_shapes(width: int) -> dict[str, tuple[int, ...]]:
    """The weights that the encoder does not have."""
    joint = {f"{name}.{part}": shape for name in ("mention", "subject") for part, shape in _linear(width, JOINT)}
    said = {f"said.{part}": shape for part, shape in _linear(width, len(SAID))}
    return {"roles": (ROLES, width), "nobody": (JOINT,), **said, **joint}


def _linear(width: int, out: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return ("w", (out, width)), ("b", (out,))


def outputs(
    weights: Mapping[str, Tensor], e5: E5, batch: Sequence[Tokens], drop: float = 0.0
) -> tuple[Tensor, list[Tensor]]:
    """Logits [M, 4] of what is said, and for each text logits [its mentions, 1 + S] of nobody and of its subjects."""
    states_BTC = states(weights, e5, batch, drop)
    mentions = F.dropout(_pooled(states_BTC, [text.mentions for text in batch]), drop)
    asked = F.linear(mentions, weights["mention.w"], weights["mention.b"])
    offered = F.linear(
        _pooled(states_BTC, [text.subjects for text in batch]), weights["subject.w"], weights["subject.b"]
    )
    chosen = []
    for text in batch:
        mine, asked = asked[: len(text.mentions)], asked[len(text.mentions) :]
        theirs, offered = offered[: len(text.subjects)], offered[len(text.subjects) :]
        chosen.append(mine @ torch.cat([weights["nobody"][None], theirs]).T / JOINT**0.5)
    return F.linear(mentions, weights["said.w"], weights["said.b"]), chosen


def opinions(weights: Mapping[str, Tensor], e5: E5, texts: Sequence[Masked]) -> list[list[Opinion]]:
    """Of each mention of each text."""
    batch = [tokens(e5, text) for text in texts]
    with torch.inference_mode():
        logits, chosen = outputs(weights, e5, batch)
        said = logits.softmax(-1).tolist()
    found: list[list[Opinion]] = []
    for text, cut, rows in zip(texts, batch, chosen, strict=True):
        mine, said = said[: len(text.mentions)], said[len(text.mentions) :]
        each = zip(cut.mentions, mine, rows.softmax(-1), strict=True)
        found.append([Opinion(tuple(s), _by_name(text, row)) if at else UNDECIDED for at, s, row in each])
    return found


def _by_name(text: Masked, row: Tensor) -> dict[str | None, float]:
    nobody, *rest = row.tolist()
    found: dict[str | None, float] = {None: nobody}
    for (name, _), share in zip(text.subjects, rest, strict=True):
        found[name] = found.get(name, 0.0) + share
    return found


def _pooled(states_BTC: Tensor, places: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """[M, C] means of the tokens of each; zeros for none."""
    length, width = states_BTC.shape[1:]
    flat = [[text * length + i for i in one] for text, each in enumerate(places) for one in each]
    means = torch.zeros(len(flat), states_BTC.shape[0] * length)
    for row, at in enumerate(flat):
        means[row, at] = 1 / max(len(at), 1)
    pooled: Tensor = means @ states_BTC.reshape(-1, width)
    return pooled


def states(weights: Mapping[str, Tensor], e5: E5, batch: Sequence[Tokens], drop: float) -> Tensor:
    """[B, T, C] of the last layer."""
    lengths = torch.tensor([len(text.ids) for text in batch])
    longest = int(lengths.max())
    ids = [i for text in batch for i in [*text.ids, *[e5.pad] * (longest - len(text.ids))]]
    roles = torch.tensor([[*text.roles, *[0] * (longest - len(text.roles))] for text in batch])
    x_BTC = e5.words(ids).reshape(len(batch), longest, -1) + weights["emb.pos"][:longest] + weights["emb.type"]
    x_BTC = F.dropout(_norm(weights, "emb.ln", x_BTC, e5), drop) + weights["roles"][roles]
    seen = (torch.arange(longest) < lengths[:, None])[:, None, None]
    for layer in range(e5.sizes.layers):
        x_BTC = _layer(weights, f"l{layer}", x_BTC, seen, e5, drop)
    return x_BTC


def _layer(weights: Mapping[str, Tensor], name: str, x_BTC: Tensor, seen: Tensor, e5: E5, drop: float) -> Tensor:
    def linear(part: str, x: Tensor) -> Tensor:
        return F.linear(x, weights[f"{name}.{part}.w"], weights[f"{name}.{part}.b"])

    def heads(part: str) -> Tensor:
        split: Tensor = linear(part, x_BTC).unflatten(-1, (e5.sizes.heads, -1))
        return split.transpose(1, 2)

    mixed = F.scaled_dot_product_attention(heads("q"), heads("k"), heads("v"), attn_mask=seen, dropout_p=drop)
    attended = linear("ao", mixed.transpose(1, 2).flatten(2))
    x_BTC = _norm(weights, f"{name}.aln", x_BTC + F.dropout(attended, drop), e5)
    widened = linear("fo", F.gelu(linear("fi", x_BTC)))
    return _norm(weights, f"{name}.oln", x_BTC + F.dropout(widened, drop), e5)


def _norm(weights: Mapping[str, Tensor], name: str, x: Tensor, e5: E5) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.w"], weights[f"{name}.b"], e5.epsilon)
