from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus.conftest import Read
from corpus.formats.samples import docx, paragraph, pdf, reasons
from corpus.formats.test_articles import JATS, MEDLINE
from corpus.formats.test_fhir import note
from corpus.formats.test_parquet import parquet
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.files import read_documents
from deepseek_fusion.corpus.readers.opening import suffix_of

GOUT = "Gout is a painful disease of the joints."


def test_text_and_markdown_are_taken_as_they_are(read: Read) -> None:
    assert read("a.txt", "one\r\ntwo\n") == [Document("a.txt", "one\ntwo")]
    assert read("a.md", "# 痛风\n\n*关节痛*") == [Document("a.md", "# 痛风\n\n*关节痛*")]


def test_binary_data_is_not_text(read: Read) -> None:
    assert reasons(read("a.txt", b"\x89PNG\r\n\x1a\n\0\0")) == ["not text in any known encoding"]


@pytest.mark.parametrize("name", ["a.TXT.gz", "a.b.txt.zst", "a.txt"])
def test_packed_files_are_read_by_the_name_inside(read: Read, name: str) -> None:
    pack = zstandard.compress if name.endswith("zst") else gzip.compress
    assert read(name, pack(GOUT.encode())) == [Document(name, GOUT)]
    assert suffix_of(Path(name)) == ".txt"


def test_an_unknown_kind_of_file(read: Read) -> None:
    for name in ("scan.png", "Makefile", ".gz"):
        assert reasons(read(name, b"\x89PNG"))[0].startswith("not one of .txt, .md, .html")


def test_a_file_without_rights(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.txt").mkdir()
    assert "not a file" in reasons(list(read_documents(Path("d.txt"), "d.txt")))[0]


PDF, DOCX, PARQUET = pdf(GOUT), docx(paragraph(GOUT)), parquet(text=[GOUT])


@pytest.mark.parametrize(
    ("package", "name", "data"),
    [
        ("charset_normalizer", "a.txt", "痛风".encode("gb18030")),
        ("ftfy", "a.txt", "MÃ©niÃ¨reâ€™s disease".encode()),
        ("selectolax.lexbor", "a.html", b"<p>x"),
        ("pypdfium2", "a.pdf", PDF),
        ("pyarrow", "a.parquet", PARQUET),
        ("zstandard", "a.txt", zstandard.compress(b"x")),
    ],
)
def test_a_missing_package_is_named(
    read: Read, monkeypatch: pytest.MonkeyPatch, package: str, name: str, data: bytes
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FusionError, match=r"pip install 'deepseek-fusion\[text\]'"):
        read(name, data)


WHOLE: dict[str, bytes] = {
    "a.txt": GOUT.encode("utf-16"),
    "a.md": f"# {GOUT}".encode(),
    "a.html": f"<main><p>{GOUT}<script>x</script></main>".encode(),
    "a.pdf": PDF,
    "a.docx": DOCX,
    "a.csv": f'id,text\n1,"{GOUT}"\n'.encode(),
    "a.tsv": f"id\ttext\n1\t{GOUT}\n".encode(),
    "a.json": json.dumps([{"text": GOUT}, note("x")]).encode(),
    "a.jsonl": json.dumps({"text": "关节痛"}).encode() + b"\n",
    "a.parquet": PARQUET,
    "a.xml": MEDLINE.encode(),
    "a.nxml": JATS.encode(),
    "a.ndjson.gz": gzip.compress(json.dumps(note(GOUT)).encode()),
    "a.txt.zst": zstandard.compress(GOUT.encode()),
}
PIECES = [
    b"text",
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\t",
    "痛风".encode(),
    "痛风".encode("gbk"),
    b"<p>",
    b"</main>",
    b"<main>",
]
PIECES += [b"<script>", b"{", b"}", b"[", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\\ud800", b"<b>", b"&#0;", b"<!--"]
PIECES += [b"<!ENTITY x 'y'>", b"&x;", b"]]>", b"PAR1", b"stream", b"\xff" * 8, b"0" * 50]

cuts = st.tuples(st.floats(0, 1), st.floats(0, 0.3), st.lists(st.sampled_from(PIECES), max_size=6))
"""A place, how much is lost there, and what stands there instead."""


def check_any_content(
    read: Read, name: str, damage: list[tuple[float, float, list[bytes]]], junk: bytes | None
) -> None:
    content = WHOLE[name] if junk is None else junk
    for place, share, pieces in damage:
        start = int(place * len(content))
        content = content[:start] + b"".join(pieces) + content[start + int(share * len(content)) :]
    for item in read(name, content):
        assert item.source == name
        assert item.text == item.text.strip() if isinstance(item, Document) else item.reason


def test_every_format_is_read_undamaged(read: Read) -> None:
    for name in WHOLE:
        assert isinstance(read(name, WHOLE[name])[0], Document), name


FUZZ = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
damages = st.lists(cuts, max_size=3)


@settings(max_examples=150, **FUZZ)  # type: ignore[arg-type]
@given(name=st.sampled_from(list(WHOLE)), damage=damages, junk=st.none() | st.binary(max_size=60))
def test_any_content_gives_documents_or_reasons(
    read: Read, name: str, damage: list[tuple[float, float, list[bytes]]], junk: bytes | None
) -> None:
    check_any_content(read, name, damage, junk)


@pytest.mark.slow
@settings(max_examples=5000, **FUZZ)  # type: ignore[arg-type]
@given(name=st.sampled_from(list(WHOLE)), damage=damages, junk=st.none() | st.binary(max_size=200))
def test_a_lot_of_any_content_gives_documents_or_reasons(
    read: Read, name: str, damage: list[tuple[float, float, list[bytes]]], junk: bytes | None
) -> None:
    check_any_content(read, name, damage, junk)
