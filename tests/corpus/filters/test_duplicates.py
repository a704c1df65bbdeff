from __future__ import annotations

import pytest

from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.filters.base import Batch
from deepseek_fusion.corpus.filters.duplicates import ExactDuplicate, NearDuplicate
from deepseek_fusion.corpus.minhash import shingles, signatures

ENGLISH = "Gout is a painful disease of the joints that is caused by crystals of uric acid in the blood. " * 3
CHINESE = "痛风是一种由单钠尿酸盐沉积所致的晶体相关性关节病，与嘌呤代谢紊乱及尿酸排泄减少直接相关。" * 3


def test_exact_duplicates_name_the_first() -> None:
    exact = ExactDuplicate()
    first = Batch([Document("a.txt", "痛风 ABC"), Document("b.jsonl", "痛风\n ａｂｃ", 3)])
    assert [found and found.text for found in exact.reasons(first)] == [None, "same text as a.txt"]
    later = Batch([Document("c.txt", "痛风 abd"), Document("d.txt", "痛风 ABC")])
    assert [found and found.text for found in exact.reasons(later)] == [None, "same text as a.txt"]


@pytest.mark.parametrize(("text", "change"), [(ENGLISH, ("painful", "harmful")), (CHINESE, ("一种", "一类"))])
def test_near_duplicates_name_the_first(text: str, change: tuple[str, str]) -> None:
    texts = [text, text.replace(*change, 1), "".join(sorted(text))]
    batch = Batch([Document(f"{number}.txt", each) for number, each in enumerate(texts)])
    grams = shingles(batch.words)
    near = NearDuplicate(
        signatures(batch.words), batch.places, 0.5, lambda numbers: (grams[number] for number in numbers)
    )
    first, second, third = near.reasons(batch)
    assert first is None
    assert third is None
    assert second is not None
    assert second.text == f"similarity {second.score:.2f} to 0.txt"
    assert near.scores(batch)[1] == second.score
