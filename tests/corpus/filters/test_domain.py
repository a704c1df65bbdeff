from __future__ import annotations

import numpy as np
import pytest

from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.filters.base import Batch
from deepseek_fusion.corpus.filters.domain import Frequencies, OffDomain

TERMS = ["gout", "uric acid", "joint pain", "inflammation", "kidney stone", "痛风", "关节痛", "尿酸", "肾结石"]
MEDICAL = [
    "Gout causes joint pain when uric acid forms crystals, and inflammation follows.",
    "A kidney stone may form from uric acid; the pain comes in waves and inflammation is rare.",
    "痛风患者的尿酸升高，常有关节痛，也可能有肾结石。",
    "尿酸结晶引起关节痛和炎症，痛风因此发作。",
]
OTHER = [
    "The team won the football league after a long season with many late goals.",
    "Shares of the bank fell sharply after the market opened on Monday.",
    "足球队在漫长的赛季之后终于赢得了联赛冠军。",
    "周一开盘后该银行的股票大幅下跌。",
]


def batch(texts: list[str]) -> Batch:
    return Batch([Document(f"{number}.txt", text) for number, text in enumerate(texts)])


def filter_of(terms: list[str], seeds: list[str], threshold: float = 0.3) -> OffDomain:
    frequencies = Frequencies()
    frequencies.add(batch([*MEDICAL, *OTHER]))
    return OffDomain(terms, seeds, frequencies, threshold)


@pytest.mark.parametrize(("terms", "seeds"), [(TERMS, []), ([], MEDICAL)])
def test_relevance_tells_the_domain_from_the_rest_in_both_languages(terms: list[str], seeds: list[str]) -> None:
    domain = filter_of(terms, seeds)
    inside, outside = domain.scores(batch(MEDICAL)), domain.scores(batch(OTHER))
    assert inside.min() > 0.3 > outside.max()
    assert domain.reasons(batch(MEDICAL)) == [None] * 4
    (reason, *_) = domain.reasons(batch(OTHER))
    assert reason is not None
    assert reason.text == f"relevance {reason.score:.2f}, less than 0.3"


def test_relevance_is_the_cosine_with_the_projection() -> None:
    domain = filter_of(["gout"], [])
    weights = Frequencies.of([*MEDICAL, *OTHER]).weights()
    texts = ["gout gout football"]
    numbers = {word: Frequencies.of([word]).counts.argmax() for word in ("gout", "football")}
    gout, football = ((1 + np.log(2)) * weights[numbers["gout"]], weights[numbers["football"]])
    assert domain.scores(batch(texts))[0] == pytest.approx(gout / np.hypot(gout, football))


def test_a_language_that_the_domain_has_no_words_of_is_not_judged() -> None:
    domain = filter_of(["gout"], [])
    scores = domain.scores(batch(["Shares fell.", "周一开盘后该银行的股票大幅下跌。"]))
    assert scores[0] == 0
    assert np.isnan(scores[1])
    assert domain.reasons(batch(["周一开盘后该银行的股票大幅下跌。"])) == [None]


def test_a_text_of_no_words() -> None:
    assert filter_of(["gout"], []).scores(batch(["...", "12 34"])).tolist() == [0, 0]
