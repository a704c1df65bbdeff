from __future__ import annotations

import struct

import pytest

from corpus.conftest import Read
from corpus.formats.samples import docx, packed, paragraph, reasons
from deepseek_fusion.corpus.documents import Document

BODY = paragraph("Gout is a ", "painful disease.") + paragraph("痛风是关节病。")
TABLE = f"<w:tbl><w:tr><w:tc>{paragraph('Drug')}</w:tc><w:tc>{paragraph('Dose', '：5 mg')}</w:tc></w:tr></w:tbl>"
DELETED = '<w:p><w:r><w:t xml:space="preserve">It </w:t></w:r><w:del><w:r><w:delText>never </w:delText></w:r></w:del>'
DELETED += "<w:r><w:t>hurts.</w:t><w:tab/><w:t>Often.</w:t></w:r></w:p>"


def test_paragraphs_tables_and_revisions(read: Read) -> None:
    (document,) = read("a.docx", docx(BODY + paragraph("") + TABLE + DELETED))
    text = "Gout is a painful disease.\n痛风是关节病。\nDrug\tDose：5 mg\nIt hurts.\tOften."
    assert document == Document("a.docx", text)


def bomb() -> bytes:
    """A body that unpacks to a thousand times its size."""
    return docx(paragraph("0" * (65 << 20)))


def lying() -> bytes:
    """An archive that states a small size for the same body."""
    data, size = bomb(), len(docx("")) and 65 << 20
    real = next(number for number in range(size, size + 2000) if struct.pack("<I", number) in data)
    return data.replace(struct.pack("<I", real), struct.pack("<I", 1000))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 not really", "no Word document that can be opened"),
        (docx(BODY)[:200], "no Word document that can be opened"),
        (packed({"a.txt": "x"}), "it holds no word/document.xml"),
        (docx("<w:p>"), "broken XML"),
        (bomb(), "unpacks to more than 64 MB, as a zip bomb does"),
        (lying(), "no Word document that can be opened|broken XML"),
    ],
    ids=["no archive", "cut", "another archive", "broken", "bomb", "lying bomb"],
)
def test_what_is_no_word_document(read: Read, content: bytes, reason: str) -> None:
    (found,) = reasons(read("a.docx", content))
    assert any(part in found for part in reason.split("|"))
