from __future__ import annotations

import pytest

from deepseek_fusion.corpus.readers.formats.xml import elements, text_of
from deepseek_fusion.corpus.readers.opening import UnreadableError

LAUGHS = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;">]><a><b>&y;</b></a>'
FILE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><b>&x;</b></a>'


def texts(content: bytes, size: int = 7) -> list[str]:
    blocks = (content[place : place + size] for place in range(0, len(content), size))
    return [text_of(element) for element in elements(blocks, {"b"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030", "big5"])
def test_elements_come_one_by_one_in_any_encoding(encoding: str) -> None:
    markup = (
        f'<?xml version="1.0" encoding="{encoding}"?><r xmlns:n="u"><n:b>痛<i> 風 </i>&lt;</n:b><c>x</c><b>y</b></r>'
    )
    assert texts(markup.encode(encoding), size=200) == ["痛 風 <", "y"]


def test_names_of_characters_that_an_external_dtd_would_define() -> None:
    assert texts(b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a><b>&alpha;-blocker&unknown;</b></a>') == [
        "α-blocker"
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LAUGHS, "declares the entity 'x'"),
        (FILE, "declares the entity 'x'"),
        ("<a><b>x</a>", "broken XML"),
        ("<a>" * 300, "nested deeper than 200"),
        ("<a><b>x</b>", "broken XML"),
        ('<?xml version="1.0" encoding="martian"?><a/>', "unknown encoding martian"),
        ("<b>" + "x" * (17 << 20), "an XML element of more than 16 MB"),
    ],
    ids=["bomb", "file", "broken", "deep", "cut", "encoding", "large"],
)
def test_what_is_refused(content: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        texts(content.encode(), size=1 << 20)
