from __future__ import annotations

from corpus.conftest import Read
from corpus.formats.samples import reasons
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.reader import Fields


def test_rows_of_csv(read: Read) -> None:
    content = 'id,Text\n1,"two\nlines"\n2,痛风\n3,a,b\n4,"open\n'
    first, second, *rejected = read("a.csv", content)
    assert [first, second] == [Document("a.csv", "two\nlines", 2), Document("a.csv", "痛风", 4)]
    assert reasons(rejected) == ["3 fields where the header has 2", "broken CSV (unexpected end of data)"]
    assert [row.line for row in rejected] == [5, 6]


def test_tabs_semicolons_and_the_columns_to_keep(read: Read) -> None:
    fields = Fields("Body", ("ID",))
    for name, content in (("a.tsv", "ID\tBody\n7\ta, b\n"), ("a.csv", "ID;body;x\n7;a, b;\n")):
        (found,) = read(name, content, fields)
        assert isinstance(found, Document)
        assert (found.text, found.line, found.metadata) == ("a, b", 2, {"ID": "7"})


def test_a_row_that_cannot_be_decoded_takes_no_other_with_it(read: Read) -> None:
    first, second, third = read("a.csv", b"text\nfine\n\xff\x00\xfe\x00\nalso fine\n")
    assert [first, third] == [Document("a.csv", "fine", 2), Document("a.csv", "also fine", 4)]
    assert isinstance(second, Document)
    assert "\ufffd\0" in second.text  # for the filter of damaged texts


def test_a_text_column_longer_than_the_csv_module_allows(read: Read) -> None:
    (document,) = read("a.csv", "text\n" + "word " * 100_000)
    assert isinstance(document, Document)
    assert len(document.text) == 499_999


def test_a_csv_without_text_column(read: Read) -> None:
    assert reasons(read("a.csv", "id,body\n1,x\n")) == ["the header has no column `text`, but id, body"]
    assert reasons(read("a.csv", "text\n" + "x" * (17 << 20))) == ["line 2 is longer than 16 MB"]
