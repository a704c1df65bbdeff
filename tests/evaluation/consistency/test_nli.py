"""A real, tiny BERT with NLI labels: which output means what, which evidence is found, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

import deepseek_fusion.evaluation.consistency.judge as judging
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.consistency.nli import Evidence, Judge, encode, passages, statement
from deepseek_fusion.evaluation.consistency.reading.claims import Claim
from deepseek_fusion.knowledge.graph import Graph

from .test_checker import EN, ZH

NAMES = ("contradiction", "ENTAILMENT", "neutral")  # as the common checkpoints have them: in any order and case


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("nli")
    words = judging._tokenizer(EN)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label=dict(enumerate(NAMES)),
        label2id={name: i for i, name in enumerate(NAMES)},
    )
    torch.manual_seed(0)
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([0.0, 9.0, 0.0]))  # always says ENTAILMENT
    model.save_pretrained(place)
    words.save_pretrained(place)
    return place


def claim(subject: str | None = "Gout", negated: bool = False) -> Claim:
    return Claim("it causes swelling", subject, "symptom", "Swelling", (), negated)


def test_labels_are_found_by_their_names(folder: Path) -> None:
    judge = Judge(str(folder))
    rows = judge.probabilities([("The symptoms of Gout are Swelling.", "Swelling is a symptom of Gout.")] * 40)
    assert rows.shape == (40, 3)
    assert rows[:, 0].min() > 0.9
    assert judge.probabilities([]).shape == (0, 3)


def test_an_opinion_comes_with_its_evidence(folder: Path) -> None:
    evidence = Evidence(EN, ["Gout makes the big toe swell. Rest helps.", "Nothing about it."])
    opinion, without = Judge(str(folder)).opinions([claim(), claim("Malaria")], evidence)
    assert opinion.verdict == "supported"
    assert opinion.evidence in evidence.of("Gout", "Swelling is a symptom of Gout.")
    assert (without.verdict, without.evidence) == ("unknown", "")


def test_evidence_is_the_graphs_and_the_documents_that_name_the_subject() -> None:
    evidence = Evidence(EN, ["A chest cold goes by itself.", "Asthma is another thing."])
    found = evidence.of("Acute Bronchitis", "Cough is a symptom of Acute Bronchitis.")
    assert found[0] == "The symptom of Acute Bronchitis is Cough."
    assert "A chest cold goes by itself." in found
    assert not any("Asthma" in text for text in found)
    assert "哮喘的症状是咳嗽、气短。" in Evidence(ZH).of("哮喘", "咳嗽是哮喘的症状。")


def test_passages_are_whole_sentences() -> None:
    text = "One is 1.5 mg. " + "Two is long. " * 40
    found = passages(text)
    assert all(len(passage) < 320 for passage in found)
    assert found[0].startswith("One is 1.5 mg. Two")
    assert "".join(found).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("graph", "said", "sentence"),
    [
        (EN, claim(), "Swelling is a symptom of Gout."),
        (EN, claim(negated=True), "Swelling is not a symptom of Gout."),
        (EN, Claim("it is rare", "Gout", None, None), "Gout: it is rare"),
        (ZH, Claim("红肿", "痛风", "症状", "红肿", (), True), "红肿不是痛风的症状。"),
    ],
)
def test_a_claim_becomes_a_sentence_that_stands_alone(graph: Graph, said: Claim, sentence: str) -> None:
    assert statement(graph, said) == sentence


def test_matching_tokens_have_types_of_their_own() -> None:
    words = judging._tokenizer(EN)
    batch = encode(words, [("Gout swelling", "swelling cough")], matches=True)
    assert words.convert_ids_to_tokens(batch["input_ids"][0])[1:-1] == [
        "gout",
        "swelling",
        "[SEP]",
        "swelling",
        "cough",
    ]
    assert batch["token_type_ids"].tolist() == [[0, 0, 2, 0, 3, 1, 1]]


def test_what_a_judge_refuses(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="cannot be loaded as a sequence classification model"):
        Judge(str(tmp_path))
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(FusionError, match=r"labels of .* are LABEL_0, LABEL_1, LABEL_2, not entailment"):
        Judge(str(tmp_path))


def test_a_model_without_a_trained_head_is_refused(folder: Path, tmp_path: Path) -> None:
    judge = Judge(str(folder))
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    judge.model.bert.save_pretrained(tmp_path)  # the encoder alone
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(FusionError, match="lack 2 tensors"):
        Judge(str(tmp_path))


def test_nothing_but_safetensors_is_read(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(Judge(str(folder)).model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(FusionError, match="in safetensors"):
        Judge(str(tmp_path))
