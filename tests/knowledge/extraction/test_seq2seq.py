"""The model of our own, and other people's T5."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.extraction.extractor import Extractor, packaged_model
from deepseek_fusion.knowledge.extraction.training import Recipe, train
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple

GRAPH = Graph(
    (Triple("Asthma", "symptom", "Wheezing"), Triple("Measles", "symptom", "Rash")),
    "disease",
    {"symptom": Relation("symptom", "symptoms")},
)


def test_the_packaged_model_is_small_safe_and_a_t5() -> None:
    names = {path.name for path in packaged_model().iterdir()}
    assert "model.safetensors" in names
    assert not [name for name in names if name.endswith((".bin", ".pkl", ".pt", ".py"))]
    assert sum(path.stat().st_size for path in packaged_model().iterdir()) < 5_000_000


def test_a_model_is_trained_saved_and_read_again(tmp_path: Path) -> None:
    forms = {"en": ["The {A} of {S} are {a*}."], "zh": ["{S}的{A}是{a*}。"]}
    made = train(tmp_path / "model", forms, Recipe(steps=2, pool=20))  # type: ignore[arg-type]
    assert 0 < made["parameters"] < 5e6
    found = Extractor(GRAPH, "seq2seq", str(tmp_path / "model")).extract([("d", "The symptom of asthma is rash.")])
    assert all(each.relation == "symptom" for each in found)


def t5_of_words(folder: Path, pairs: dict[str, str], steps: int = 200) -> str:
    """A tiny T5 with a word tokenizer that has learned these pairs by heart."""
    words = ["<pad>", "</s>", "<unk>", *sorted({word for pair in pairs.items() for word in " ".join(pair).split()})]
    plain = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(words),
            d_model=64,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            decoder_start_token_id=0,
            dropout_rate=0.0,
        )
    )
    inputs = tokenizer(list(pairs), padding=True, return_tensors="pt")
    labels = tokenizer([f"{answer} </s>" for answer in pairs.values()], padding=True, return_tensors="pt")
    targets = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        loss = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=targets).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < 0.02:
            break
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    "answer",
    ["Asthma | symptom | Rash ; Asthma | symptom | Wheezing", "<triplet> Asthma <subj> Rash <obj> symptom"],
    ids=["bars", "REBEL"],
)
def test_a_t5_that_writes_words_is_linked_to_the_sentence(tmp_path: Path, answer: str) -> None:
    sentence = "Asthma brings Rash or Wheezing ."
    model = t5_of_words(tmp_path, {sentence: answer, "Nothing here .": "none"})
    found = list(Extractor(GRAPH, "seq2seq", model).extract([("d", sentence)]))
    assert ("Asthma", "symptom", "Rash") in {each.statement for each in found}
    assert all(sentence[slice(*each.object_span)] == each.object for each in found if each.object_span)


def test_a_folder_that_holds_no_t5_is_refused_in_one_sentence(tmp_path: Path) -> None:
    BertModel(BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)).save_pretrained(
        tmp_path
    )
    with pytest.raises(FusionError, match=r"knowledge\.extraction\.model: .* of type `bert`; give .* T5"):
        Extractor(GRAPH, "seq2seq", str(tmp_path))


def test_an_empty_folder_and_pickled_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="cannot be loaded as a T5"):
        Extractor(GRAPH, "seq2seq", str(tmp_path))
    folder = Path(t5_of_words(tmp_path / "t5", {"a": "b"}, steps=0))
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(FusionError, match="in safetensors"):
        Extractor(GRAPH, "seq2seq", str(folder))
