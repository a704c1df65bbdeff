from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.readers import decode, read_documents

SIMPLIFIED = "肺炎是由细菌或病毒引起的肺部感染，常见症状包括发热、咳嗽和胸痛。"
TRADITIONAL = "肺炎是由細菌或病毒引起的肺部感染，常見症狀包括發熱、咳嗽和胸痛。"
WESTERN = "Ménière’s disease – a naïve résumé"


def read(folder: Path, name: str, content: str | bytes) -> list[Document | Rejected]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_documents(path, name))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "utf-8-sig"),
        (SIMPLIFIED, "utf-16"),
        (SIMPLIFIED, "gb18030"),
        (TRADITIONAL, "big5"),
        (WESTERN, "cp1252"),
    ],
)
def test_encodings(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("data", [bytes(range(256)), b"\x89PNG\r\n\x1a\n\0\0", b"abc\0"])
def test_binary_data_is_not_text(tmp_path: Path, data: bytes) -> None:
    assert decode(data) is None
    (rejected,) = read(tmp_path, "a.txt", data)
    assert isinstance(rejected, Rejected)
    assert (rejected.filter, rejected.reason) == ("reader", "not text in any known encoding")


def test_text_and_markdown_are_taken_as_they_are(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", "one\r\ntwo\n") == [Document("a.txt", "one\ntwo")]
    assert read(tmp_path, "a.md", "# 痛风\n\n*关节痛*") == [Document("a.md", "# 痛风\n\n*关节痛*")]


def test_html_without_scripts_and_menus(tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title>T</title><style>a{color:red}</style></head>
    <body><nav>menu</nav><!-- hidden --><h1>Gout</h1><p>Gout is a <b>pain</b>ful\n  disease&nbsp;&amp; more.<br>Second
    <script>var x = 1</script></p><ul><li>痛<em>风</em><li>b</ul><footer>imprint</footer></body></html>"""
    (document,) = read(tmp_path, "a.html", page)
    assert document == Document("a.html", "Gout\nGout is a painful disease & more.\nSecond\n痛风\nb")


def test_html_with_a_main_part(tmp_path: Path) -> None:
    page = f"<body><div>log in</div><main><p>{SIMPLIFIED}</p></main></body>"
    assert read(tmp_path, "a.htm", page.encode("gb18030")) == [Document("a.htm", SIMPLIFIED)]


def test_rows_of_jsonl(tmp_path: Path) -> None:
    content = '{"text": "痛风 ", "id": 1}\n{broken\n\n{"body": "x"}\n[1]\n{"text": 3}\n'
    first, *rejected = read(tmp_path, "a.jsonl", content)
    assert first == Document("a.jsonl", "痛风", 1)
    assert [row.line for row in rejected] == [2, 4, 5, 6]
    assert all(isinstance(row, Rejected) for row in rejected)


def test_rows_of_csv(tmp_path: Path) -> None:
    content = 'id,Text\n1,"two\nlines"\n2,痛风\n3,a,b\n4,"open\n'
    rows = read(tmp_path, "a.csv", content)
    assert rows[:2] == [Document("a.csv", "two\nlines", 2), Document("a.csv", "痛风", 4)]
    assert [(row.line, row.reason) for row in rows[2:] if isinstance(row, Rejected)] == [
        (5, "3 fields where the header has 2"),
        (6, "broken CSV (unexpected end of data)"),
    ]


def test_a_text_column_longer_than_the_csv_module_allows(tmp_path: Path) -> None:
    (document,) = read(tmp_path, "a.csv", "text\n" + "word " * 100_000)
    assert isinstance(document, Document)
    assert len(document.text) == 499_999


def test_a_csv_without_text_column(tmp_path: Path) -> None:
    (rejected,) = read(tmp_path, "a.csv", "id,body\n1,x\n")
    assert isinstance(rejected, Rejected)
    assert (rejected.line, rejected.reason) == (1, "the header has no column `text`")


def test_an_unknown_kind_of_file(tmp_path: Path) -> None:
    (rejected,) = read(tmp_path, "scan.pdf", b"%PDF")
    assert isinstance(rejected, Rejected)
    assert "not one of .txt" in rejected.reason


@pytest.mark.parametrize(
    ("package", "name", "data"),
    [("charset_normalizer", "a.txt", "痛风".encode("gb18030")), ("selectolax.lexbor", "a.html", b"<p>x")],
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str, data: bytes
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FusionError, match=r"pip install 'deepseek-fusion\[text\]'"):
        read(tmp_path, name, data)


PIECES = [
    "text",
    ",",
    '"',
    "\n",
    "\r",
    "\t",
    "痛风",
    "<p>",
    "</main>",
    "<main>",
    "<script>",
    "{",
    "}",
    "[",
    "\0",
    "\ufeff",
]
PIECES += ["\\ud800", json.dumps({"text": "关节痛"}) + "\n", "<b>", "&#0;", "<!--"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["a.txt", "a.md", "a.html", "a.jsonl", "a.csv", "a.tsv"]),
    content=st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)),
)
def test_any_content_gives_documents_or_reasons(tmp_path: Path, name: str, content: str | bytes) -> None:
    for item in read(tmp_path, name, content):
        assert item.source == name
        assert item.text == item.text.strip() if isinstance(item, Document) else item.reason
