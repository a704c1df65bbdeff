"""Names become marks, and marks become triples again."""

from __future__ import annotations

import random

import pytest

from deepseek_fusion.knowledge.extraction.delexical import delexicalise, read_answer
from deepseek_fusion.knowledge.extraction.extractor import packaged_words
from deepseek_fusion.knowledge.extraction.forms import Filler, examples, packaged_forms
from deepseek_fusion.knowledge.language import Language


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_form_is_filled_and_its_answer_reads_back_as_what_it_states(language: Language) -> None:
    rng = random.Random(1)
    filler = Filler(language, rng)
    linked = stated = 0
    for form in packaged_forms(language):
        for _ in range(3):
            filled = filler.fill(form)
            assert "{" not in filled.text
            stated += len(filled.stated)
            for marked, links in examples(filled, set(packaged_words())):
                read = delexicalise(marked, rng)
                words = read.answer(links).split()
                again = read_answer(read, words, [1.0] * len(words))
                marked_links = [link for link in links if link.relation in read.relations.values()]
                assert {(link.subject, link.relation, link.object) for link in again} == {
                    (link.subject, link.relation, link.object) for link in marked_links
                }
                linked += len(links)
    assert linked > 0.9 * stated


def test_no_name_is_among_the_words_that_a_model_reads() -> None:
    filler = Filler("en", random.Random(0))
    filled = filler.fill("The {A} of {S} are {a*}.")
    for marked, links in examples(filled, set()):
        words = set(delexicalise(marked).words)
        for link in links:
            assert not words & set(marked.names[link.object].text.casefold().split())


def test_what_does_not_fit_together_is_left_out() -> None:
    filler = Filler("zh", random.Random(0))
    ((marked, links), *_) = examples(filler.fill("{S}的{A}是{a1}。"), set())
    read = delexicalise(marked)
    right = read.answer(links).split()
    assert len(read_answer(read, right, [0.9, 0.8, 0.7])) == 1
    assert read_answer(read, right, [0.9, 0.8, 0.7])[0].confidence == 0.7
    for words in (right[:2], right[1:], [right[0], right[1], right[0]], ["s15", *right[1:]], [";", "n7", "of"]):
        assert read_answer(read, words, [1.0] * len(words)) == []
