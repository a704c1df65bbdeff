"""Every example is a project that loads; the medical one is made and taught for real (slow)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.versions import VersionStore

EXAMPLES = Path(__file__).parents[1] / "examples"
PROJECTS = sorted(EXAMPLES.glob("*/*.yaml"))


def test_there_are_examples_of_two_domains_and_two_languages() -> None:
    names = {str(path.relative_to(EXAMPLES)) for path in PROJECTS}
    assert {"medical/fusion.yaml", "medical/full.yaml", "medical/zh.yaml", "merchants/fusion.yaml"} <= names


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_example_loads_and_says_what_it_needs(path: Path) -> None:
    config = load_config(path)
    assert config.model == "smollm2"
    assert config.licenses
    assert (path.parent / "README.md").is_file()
    made = (path.parent / "make_data.py").read_text(encoding="utf-8")
    for source in config.knowledge.sources:
        assert Path(source).name in made
    assert path.read_text(encoding="utf-8").startswith("# ")  # what it teaches, in one line


def test_projects_of_one_folder_have_names_of_their_own() -> None:
    names = [(path.parent, load_config(path).name) for path in PROJECTS]
    assert len(set(names)) == len(names)


@pytest.mark.slow
def test_the_medical_example_is_made_and_taught_in_the_quick_size(tmp_path: Path) -> None:
    pytest.importorskip("faker_healthcare")
    folder = Path(
        shutil.copytree(EXAMPLES / "medical", tmp_path / "medical", ignore=shutil.ignore_patterns("data", "work"))
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, folder / "make_data.py"], check=True, env=environment)
    done = subprocess.run(
        [sys.executable, "-m", "deepseek_fusion", "teach", folder / "fusion.yaml", "--quick"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    card = read_json(VersionStore(folder / "work").current().release / "card.json")
    assert card["summary"]["learned"] > 0
    assert card["summary"]["now"]["value"] > card["summary"]["before"]["value"]
    assert card["general"]["perplexity"]["change"] < 0.15
