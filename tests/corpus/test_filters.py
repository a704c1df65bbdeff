from __future__ import annotations

import pytest

from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.filters import Damaged, ExactDuplicate, NearDuplicate, TooShort

ENGLISH = "Gout is a painful disease of the joints that is caused by crystals of uric acid in the blood. " * 3
CHINESE = "痛风是一种由单钠尿酸盐沉积所致的晶体相关性关节病，与嘌呤代谢紊乱及尿酸排泄减少直接相关。" * 3


def test_what_is_rejected_is_kept_with_the_reason() -> None:
    too_short = TooShort(5)
    kept = list(
        too_short([Document("a.txt", "a b c d"), Document("b.txt", "痛风与关节"), Document("c.csv", "x\ny", 7)])
    )
    assert [document.source for document in kept] == ["b.txt"]
    assert too_short.rejected == [
        Rejected("a.txt", None, "too_short", "4 characters, fewer than 5", "a b c d"),
        Rejected("c.csv", 7, "too_short", "2 characters, fewer than 5", "x y"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ENGLISH, None),
        (CHINESE, None),
        ("Ménière’s disease – naïve café résumé, Größe, señor, ângulo", None),
        ("She said “café” and “Maß”, he said “déjà”.", None),
        (ENGLISH + "\ufffd", None),
        ("Gout\x00\x01\x02 is a disease", r"3 control characters, such as '\x00'"),
        (ENGLISH + "\ud800", r"1 control characters, such as '\ud800'"),
        ("MÃ©niÃ¨reâ€™s disease", "decoded with the wrong encoding, see 'Ã©'"),
        (CHINESE.encode().decode("cp1252", errors="replace"), "decoded with the wrong encoding, see "),
        ("痛风锟斤拷锟斤拷关节痛", "decoded with the wrong encoding, see '锟斤拷'"),
        ("痛风\ufffd\ufffd关节痛", "decoded with the wrong encoding, see '\ufffd\ufffd'"),
    ],
)
def test_damage(text: str, reason: str | None) -> None:
    found = Damaged().reason(Document("a.txt", text))
    assert found == reason or (reason and found and found.startswith(reason))


def test_exact_duplicates_name_the_first() -> None:
    exact = ExactDuplicate()
    assert exact.reason(Document("a.txt", "痛风 ABC")) is None
    assert exact.reason(Document("b.jsonl", "痛风\n ａｂｃ", 3)) == "same text as a.txt"
    assert exact.reason(Document("c.txt", "痛风 abd")) is None


@pytest.mark.parametrize(("text", "change"), [(ENGLISH, ("painful", "harmful")), (CHINESE, ("一种", "一类"))])
def test_near_duplicates_name_the_first(text: str, change: tuple[str, str]) -> None:
    near = NearDuplicate(0.5)
    assert near.reason(Document("a.txt", text)) is None
    reason = near.reason(Document("b.txt", text.replace(*change, 1)))
    assert reason
    assert reason.startswith("similarity 0.")
    assert reason.endswith("to a.txt")
    assert near.reason(Document("c.txt", "".join(sorted(text)))) is None
