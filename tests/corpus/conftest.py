"""What tests of readers share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.corpus.documents import Document, Rejected
from deepseek_fusion.corpus.readers.files import ALL_FIELDS, read_documents
from deepseek_fusion.corpus.readers.reader import Fields

Read = Callable[..., list[Document | Rejected]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a file and read it back."""

    def write_and_read(name: str, content: str | bytes, fields: Fields = ALL_FIELDS) -> list[Document | Rejected]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(read_documents(path, name, fields))

    return write_and_read
