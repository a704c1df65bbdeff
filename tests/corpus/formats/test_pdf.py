from __future__ import annotations

import pytest

from corpus.conftest import Read
from corpus.formats.samples import pdf, reasons
from deepseek_fusion.corpus.documents import Document

PAGES = [
    "City Hospital 2026\nGout is a painful disease of the joints.\nThe uric acid is\nhigh.\nPage {}",
    "City Hospital 2026\n痛风是一种晶体相关性关节病。\nDiet helps.\nMore water.\nPage {}",
    "City Hospital 2026\nAsthma narrows the airways.\nInhalers open them.\nSo they say.\nPage {}",
]


def test_pages_are_one_document_without_their_running_heads(read: Read) -> None:
    (document,) = read("a.pdf", pdf(*(page.format(number) for number, page in enumerate(PAGES, start=1))))
    assert document == Document(
        "a.pdf",
        "Gout is a painful disease of the joints.\nThe uric acid is\nhigh.\n\n痛风是一种晶体相关性关节病。\n"
        "Diet helps.\nMore water.\n\nAsthma narrows the airways.\nInhalers open them.\nSo they say.",
        metadata={"pages": "3"},
    )


def test_a_word_broken_at_the_end_of_a_line_is_whole_again(read: Read) -> None:
    (document,) = read("a.pdf", pdf("The joint hurts in arthri-\ntis, and the ICD-\n10 code is M10."))
    assert isinstance(document, Document)
    assert document.text == "The joint hurts in arthritis, and the ICD-10 code is M10."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7\n\x00garbage", "no PDF that can be opened"),
        (b"", "no PDF that can be opened"),
        (pdf("Gout is a disease.")[:300], "no PDF that can be opened"),
        (pdf(""), "no text on 1 pages; if it was scanned, run OCR on it first"),
    ],
)
def test_what_is_no_pdf_with_text(read: Read, content: bytes, reason: str) -> None:
    (found,) = reasons(read("a.pdf", content))
    assert reason in found
