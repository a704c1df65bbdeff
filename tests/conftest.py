"""What tests of every room share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is slow at times; that is not a bug in what is tested.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

PROJECT = """\
name: 感冒
documents: [notes.txt]
knowledge:
  sources: [facts.csv]
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Write a small project into a folder with a Chinese name and return its YAML file."""

    def write(text: str = PROJECT, folder: str = "医学 项目") -> Path:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        (place / "facts.csv").write_text("subject,relation,object\n感冒,症状,发烧\n", encoding="utf-8")
        (place / "notes.txt").write_text("感冒的症状是发烧。\n", encoding="utf-8")
        file = place / "fusion.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write
