"""Token ids of one tokenizer in those of another."""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

import tiny
from deepseek_fusion.models.vocabulary import Vocabulary

TEXT = "What are the symptoms of Gout? 发烧、咳嗽。<|im_end|>\n"


def relabelled(extra: int = 0, without: str | None = None) -> PreTrainedTokenizerFast:
    """The tiny tokenizer with its ids in reverse, some tokens more, or one fewer."""
    made = json.loads(tiny.tokenizer().backend_tokenizer.to_str())
    vocabulary = made["model"]["vocab"]
    size = len(vocabulary)
    made["model"]["vocab"] = {token: size - 1 - number for token, number in vocabulary.items()}
    made["model"]["vocab"] |= {f"extra{i}": size + i for i in range(extra)}
    if without is not None:
        made["model"]["vocab"]["gone"] = made["model"]["vocab"].pop(without)
        made["model"]["merges"] = [pair for pair in made["model"]["merges"] if without not in (*pair, "".join(pair))]
    for token in made["added_tokens"]:
        token["id"] = size - 1 - token["id"]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(made)), eos_token="<|im_end|>", chat_template=tiny.CHATML
    )


@pytest.mark.parametrize("extra", [0, 7])
def test_a_permutation_and_a_superset_are_mapped_exactly(extra: int) -> None:
    student, teacher = tiny.tokenizer(), relabelled(extra)
    vocabulary = Vocabulary.between(student, teacher)
    ids = student.encode(TEXT)
    assert vocabulary.known(ids) == len(ids)
    assert vocabulary.translate(ids) == teacher.encode(TEXT)
    assert teacher.encode(TEXT) != ids
    assert [vocabulary.back[token] for token in teacher.encode(TEXT)] == ids
    assert len(set(vocabulary.back.values())) == len(vocabulary.back) == len(student)


def test_the_teachers_probabilities_arrive_under_the_students_ids() -> None:
    student, teacher = tiny.tokenizer(), relabelled(extra=9)
    vocabulary = Vocabulary.between(student, teacher)
    size = len(student)
    own_NV = torch.randn(50, size, generator=torch.Generator().manual_seed(0)).softmax(-1)
    theirs_NT = torch.zeros(50, size + 9)
    for own, their in vocabulary.forth.items():
        theirs_NT[:, their] = 0.75 * own_NV[:, own]
    theirs_NT[:, size:] = 0.25 / 9  # what only the teacher has
    labels_N = torch.arange(50) * 3
    tokens_NK, probability_NK = vocabulary.kept(theirs_NT, labels_N, keep=8)
    assert torch.equal(tokens_NK[:, 0], labels_N)
    torch.testing.assert_close(probability_NK, 0.75 * own_NV.gather(1, tokens_NK))
    assert all(len(set(row)) == 8 for row in tokens_NK.tolist())
    likeliest = own_NV.scatter(1, labels_N[:, None], 0.0).topk(7).indices
    assert torch.equal(tokens_NK[:, 1:], likeliest)
    everything, probability = vocabulary.kept(theirs_NT, labels_N, keep=10_000)
    assert everything.shape[1] == size
    torch.testing.assert_close(probability.sum(1), torch.full((50,), 0.75))


def test_one_vocabulary_is_its_own() -> None:
    words = tiny.tokenizer()
    vocabulary = Vocabulary.between(words, tiny.tokenizer())
    assert vocabulary.forth == {i: i for i in range(len(words))}
    p_NV = torch.randn(3, len(words) + 5).softmax(-1)  # heads are often padded
    tokens, probability = vocabulary.kept(p_NV, torch.tensor([1, 2, 3]), 4)
    torch.testing.assert_close(probability, p_NV.gather(1, tokens))


def test_the_ends_of_a_turn_stand_for_each_other() -> None:
    student, teacher = tiny.tokenizer(), tiny.tokenizer()
    teacher.eos_token = "<|endoftext|>"
    vocabulary = Vocabulary.between(student, teacher)
    end, their_end = int(student.eos_token_id), int(teacher.eos_token_id)
    assert vocabulary.translate([5, end]) == [5, their_end]
    assert vocabulary.back[their_end] == end
    assert len(set(vocabulary.back.values())) == len(vocabulary.back)


def test_a_token_that_the_teacher_lacks_is_known_to_be_missing() -> None:
    student = tiny.tokenizer()
    vocabulary = Vocabulary.between(student, relabelled(without="Ġthe"))
    the = student.get_vocab()["Ġthe"]
    assert vocabulary.known([the, 5, 5, 5]) == 3
    assert vocabulary.translate([5, the]) is None
