from __future__ import annotations

import gzip
import io
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from corpus.conftest import Read
from corpus.formats.samples import reasons
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.reader import Fields


def parquet(**columns: list[Any]) -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_rows(read: Read, pack: Any) -> None:
    first, second = read("a.parquet", pack(parquet(text=["痛风 ", None], id=[7, 8])), Fields(keep=("id", "absent")))
    assert first == Document("a.parquet", "痛风", 1, {"id": "7"})
    assert reasons([second]) == ["`text` is no text"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "broken Parquet after row 0"),
        (b"PAR1" + b"\0" * 40 + b"PAR1", "broken Parquet after row 0"),
        (parquet(text=["a"])[:-20], "broken Parquet after row 0"),
        (parquet(body=["a"], id=[1]), "no column `text`, but body, id"),
    ],
)
def test_what_is_no_parquet_with_text(read: Read, content: bytes, reason: str) -> None:
    assert reason in reasons(read("a.parquet", content))[0]
