from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from corpus.conftest import Read
from corpus.formats.samples import reasons
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.files import read_documents
from deepseek_fusion.corpus.readers.reader import Fields


def test_rows_of_jsonl(read: Read) -> None:
    content = '{"text": "痛风 ", "id": 1}\n{broken\n\n{"body": "x"}\n[1]\n{"text": 3}\n\0\n'
    first, *rejected = read("a.jsonl", content)
    assert first == Document("a.jsonl", "痛风", 1)
    assert [row.line for row in rejected] == [2, 4, 5, 6, 7]
    assert len(reasons(rejected)) == 5


def test_the_fields_to_read_and_to_keep(read: Read) -> None:
    row = {"body": "痛风", "id": 7, "url": "u", "none": None}
    fields = Fields("body", ("id", "none", "absent"))
    assert read("a.jsonl", json.dumps(row), fields) == [Document("a.jsonl", "痛风", 1, {"id": "7"})]


def test_a_file_is_a_list_or_one_value(read: Read) -> None:
    assert read("a.json", '[{"text": "a"}, {"text": "b"}]') == [Document("a.json", "a", 1), Document("a.json", "b", 2)]
    text = "痛风是一种由单钠尿酸盐沉积所致的晶体相关性关节病。"
    assert read("a.json", json.dumps({"text": text}, ensure_ascii=False).encode("gb18030")) == [
        Document("a.json", text)
    ]


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, '{"text": "cut', "", '{"text": NaNa}'])
def test_what_is_no_json(read: Read, content: str) -> None:
    assert "not JSON" in reasons(read("a.json", content))[0]
    assert all("not JSON" in reason for reason in reasons(read("a.jsonl", content)))


def big(path: Path, parts: Iterable[bytes]) -> Path:
    with path.open("wb") as file:
        file.writelines(parts)
    return path


def test_a_list_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    row = json.dumps({"text": "痛风 " * 50_000}, ensure_ascii=False).encode()
    path = big(tmp_path / "a.json", (b"[", *(b"%s,\n " % row for _ in range(199)), row, b"]"))
    count = 0
    for item in read_documents(path, "a.json"):
        count += 1
        assert isinstance(item, Document)
        assert (item.line, len(item.text)) == (count, 149_999)
    assert count == 200


def test_one_line_that_never_ends(tmp_path: Path) -> None:
    path = big(tmp_path / "a.jsonl", (b'{"text": "', *(b"x" * (1 << 20) for _ in range(66)), b'"}\n{"text": "b"}\n'))
    first, second = read_documents(path, "a.jsonl")
    assert reasons([first]) == ["a line of more than 16 MB"]
    assert second == Document("a.jsonl", "b", 2)
    path.rename(tmp_path / "a.json")
    found = reasons(list(read_documents(tmp_path / "a.json", "a.json")))
    assert found == ["one JSON value of more than 64 MB; write one object a line"]
