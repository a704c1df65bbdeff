from __future__ import annotations

import pytest

from deepseek_fusion.corpus.readers.decoding import SUSPECT, Decoder, decode, repaired

SIMPLIFIED = "肺炎是由细菌或病毒引起的肺部感染，常见症状包括发热、咳嗽和胸痛。"
TRADITIONAL = "肺炎是由細菌或病毒引起的肺部感染，常見症狀包括發熱、咳嗽和胸痛。"
WESTERN = "Ménière’s disease – a naïve résumé"
ENCODINGS = [
    (SIMPLIFIED, "utf-8"),
    (SIMPLIFIED, "utf-8-sig"),
    (SIMPLIFIED, "utf-16"),
    (SIMPLIFIED, "utf-32"),
    (SIMPLIFIED, "gb18030"),
    (TRADITIONAL, "big5"),
    (WESTERN, "cp1252"),
]


@pytest.mark.parametrize(("text", "encoding"), ENCODINGS)
def test_encodings(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(("text", "encoding"), [*ENCODINGS[:1], *ENCODINGS[4:]])
def test_line_by_line(text: str, encoding: str) -> None:
    decoder = Decoder()
    assert [decoder(line) for line in (b"ascii", text.encode(encoding), "é".encode())] == ["ascii", text, "é"]


@pytest.mark.parametrize("foreign", [b"", SIMPLIFIED.encode("gb18030"), b"\0", WESTERN.encode("cp1252")])
def test_lines_at_once_are_those_one_by_one(foreign: bytes) -> None:
    wrong = SIMPLIFIED.encode().decode("latin-1").encode()
    lines = [b"ascii", wrong, SIMPLIFIED.encode(), "锟斤拷".encode() * 9, foreign, b"", "é".encode(), wrong + b"\r"]
    alone = Decoder()
    found = Decoder().lines(b"\n".join(lines))
    assert found == [alone(line) for line in lines]
    assert found[1] == SIMPLIFIED


def test_pieces_in_several_encodings() -> None:
    lines = [SIMPLIFIED.encode(), SIMPLIFIED.encode("gb18030"), SIMPLIFIED.encode()]
    assert decode(b"\r\n".join(lines)) == "\n".join([SIMPLIFIED] * 3)


def test_gbk_that_happens_to_be_utf_8_as_well() -> None:
    text = "联通\n" + SIMPLIFIED
    assert decode(text.encode("gb18030")) == text


@pytest.mark.parametrize("text", [WESTERN, SIMPLIFIED])
def test_mojibake_is_undone(text: str) -> None:
    wrong = text.encode().decode("cp1252", errors="ignore") if text == WESTERN else text.encode().decode("latin-1")
    assert decode(wrong.encode()) == text


@pytest.mark.parametrize("data", [bytes(range(256)), b"\x89PNG\r\n\x1a\n\0\0", b"abc\0"])
def test_binary_data_is_not_text(data: bytes) -> None:
    assert decode(data) is None


def test_no_line_is_passed_over_that_may_need_repair() -> None:
    for begun in SUSPECT.findall("".join(map(chr, range(0x20, 0xD800))) + "\ufffd"):
        line = f"{begun}©{begun}\u20ac\u2122" * 3
        assert Decoder()(line.encode()) == repaired(line)
