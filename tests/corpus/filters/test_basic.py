from __future__ import annotations

import pytest

from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.filters.base import Batch, Filter, sift
from deepseek_fusion.corpus.filters.basic import Damaged, OtherLanguage, Repetitive, TooShort

ENGLISH = "Gout is a painful disease of the joints that is caused by crystals of uric acid in the blood. " * 3
CHINESE = "痛风是一种由单钠尿酸盐沉积所致的晶体相关性关节病，与嘌呤代谢紊乱及尿酸排泄减少直接相关。" * 3
NOTE = "BP 127/71 mmHg, HR 78 bpm. Tiotropium inhalation continue; CAT / mMRC symptom review. Next visit: 60 days."


def reason(by: Filter, text: str) -> str | None:
    (found,) = by.reasons(Batch([Document("a.txt", text)]))
    return found and found.text


def test_the_first_filter_with_a_reason_is_named() -> None:
    documents = [Document("a.txt", "a b c d"), Document("b.txt", "痛风与关节"), Document("c.csv", "x\0\ny", 7)]
    assert sift(Batch(documents), [TooShort(5), Damaged()]) == [
        Rejected("a.txt", None, "too_short", "4 characters, fewer than 5", "a b c d", score=4),
        None,
        Rejected("c.csv", 7, "too_short", "3 characters, fewer than 5", "x\0 y", score=3),
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (ENGLISH, None),
        (CHINESE, None),
        ("Ménière’s disease – naïve café résumé, Größe, señor, ângulo", None),
        ("She said “café” and “Maß”, he said “déjà”.", None),
        (ENGLISH + "\ufffd", None),
        (ENGLISH + "\0", r"1 control characters, such as '\x00'"),
        ("Gout\x01\x01\x02 is a disease", r"3 control characters, such as '\x01'"),
        (ENGLISH + "\ud800", r"1 control characters, such as '\ud800'"),
        ("MÃ©niÃ¨reâ€™s disease", "decoded with the wrong encoding, see 'Ã©'"),
        (CHINESE.encode().decode("cp1252", errors="replace"), "decoded with the wrong encoding, see "),
        ("痛风锟斤拷锟斤拷关节痛", "decoded with the wrong encoding, see '锟斤拷'"),
        ("痛风\ufffd\ufffd关节痛", "decoded with the wrong encoding, see '\ufffd\ufffd'"),
    ],
)
def test_damage(text: str, wanted: str | None) -> None:
    found = reason(Damaged(), text)
    assert found == wanted or (wanted and found and found.startswith(wanted))


OFFER = "Buy this watch now and save a lot of money, click here today. "
ITEMS = "".join(f"Item {number} of this list says that the finding was within normal limits. " for number in range(20))
DIFFERENT = " ".join(f"word{number}" for number in range(200))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (DIFFERENT, None),
        (OFFER, None),  # said once
        (OFFER * 2, None),  # a short text may say a line twice
        (OFFER * 10, "90% of it repeats what it said before"),
        (OFFER.upper() + OFFER * 9, "90% of it repeats what it said before"),
        (CHINESE * 4, "92% of it repeats what it said before"),
        (f"{DIFFERENT} {OFFER * 10}", None),
        (ITEMS, "59% of it repeats what it said before"),
        ("", None),
    ],
)
def test_repetition(text: str, wanted: str | None) -> None:
    assert reason(Repetitive(0.5), text) == wanted


def test_what_two_texts_share_is_no_repetition() -> None:
    batch = Batch([Document("a.txt", text) for text in (DIFFERENT, OFFER * 10, DIFFERENT)])
    assert batch.repetition.round(2).tolist() == [0, 0.9, 0]
    assert Repetitive(0.5).reasons(batch)[0] is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (ENGLISH, None),
        (NOTE, None),
        (CHINESE, None),
        (CHINESE + NOTE, None),
        ("α-blockers and β2-agonists; Ménière.", None),
        ("", None),
        ("La goutte est une maladie des articulations qui est causée par des cristaux dans le sang.", "French"),
        ("Die Gicht ist eine Krankheit, die sich durch Schmerzen zeigt und nicht nur mit dem Alter kommt.", "German"),
        ("La gota es una enfermedad de los huesos y las articulaciones que duele por la noche y el día.", "Spanish"),
        ("痛風は関節の病気であり、尿酸の結晶によって引き起こされる。", "Japanese"),
        ("통풍은 관절의 질병이다.", "Korean"),
        ("Подагра является болезнью суставов.", "Cyrillic"),
    ],
)
def test_languages(text: str, wanted: str | None) -> None:
    assert reason(OtherLanguage(("en", "zh")), text) == (wanted and f"seems to be {wanted}")


def test_one_wanted_language() -> None:
    assert reason(OtherLanguage(("zh",)), ENGLISH) == "seems to be English"
    assert reason(OtherLanguage(("en",)), CHINESE) == "seems to be Chinese"
