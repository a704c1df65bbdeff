from __future__ import annotations

from pathlib import Path

import pytest

from deepseek_fusion.evaluation.consistency.encoder.e5 import E5
from evaluation.consistency.encoder.tiny_e5 import write_tiny_e5


@pytest.fixture(scope="session")
def tiny_e5(tmp_path_factory: pytest.TempPathFactory) -> E5:
    path: Path = tmp_path_factory.mktemp("e5") / "tiny.bin"
    write_tiny_e5(path)
    return E5(path)
