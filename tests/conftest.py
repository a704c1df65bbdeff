"""What tests of every room share."""

from __future__ import annotations

import csv
import functools
import gc
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import CorpusConfig, KnowledgeConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from knowledge_samples import GRAPHS

if TYPE_CHECKING:
    from deepseek_fusion.models.loading import Language
    from deepseek_fusion.models.source import ModelSource

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # processes are started below

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


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random model of one architecture (tests/tiny.py), written once a session."""
    import torch

    import tiny

    torch.set_num_threads(1)
    gc.freeze()  # the libraries stay; looking through them again and again is a tenth of all time
    place = tmp_path_factory.mktemp("models")
    return functools.cache(lambda architecture: tiny.save_model(architecture, place / architecture))


@pytest.fixture
def language(models: Callable[[str], Path]) -> Callable[[str], Language]:
    """A tiny model and its tokenizer, loaded afresh, so that a test may change it."""
    from deepseek_fusion.models.loading import load_language

    return lambda architecture: load_language(models(architecture))


@pytest.fixture
def source(models: Callable[[str], Path]) -> Callable[[str], ModelSource]:
    """A tiny model as the `model:` field of a project finds it."""
    from deepseek_fusion.models.source import find_model

    return lambda architecture: find_model(str(models(architecture)), Path("/"), "float32")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """An empty work folder."""
    with Run(tmp_path / "work") as opened:
        yield opened


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A work folder for what many tests only read: each artifact is made once a session. Inputs need real keys."""
    with Run(tmp_path_factory.mktemp("shelf")) as opened:
        yield opened


@pytest.fixture
def graph(shelf: Run, tmp_path: Path) -> Callable[..., Artifact]:
    """The graph stage's artifact of `subject | relation | object` lines."""

    def build(facts: str, **section: Any) -> Artifact:
        from deepseek_fusion.corpus.build import build_corpus
        from deepseek_fusion.knowledge.build import make_graph

        rows = [[field.strip() for field in line.split("|")] for line in facts.strip().splitlines()]
        with (tmp_path / "facts.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("subject", "relation", "object"), *rows])
        corpus = shelf.step(build_corpus, CorpusConfig(), Source((), tmp_path))
        knowledge = KnowledgeConfig(sources=("facts.csv",), **section)
        return make_graph(shelf, knowledge, Source(knowledge.sources, tmp_path), corpus)

    return build


@pytest.fixture(params=["en", "zh"])
def facts(request: pytest.FixtureRequest, graph: Callable[..., Artifact]) -> Artifact:
    """The sample facts of each language."""
    table, section = GRAPHS[request.param]
    return graph(table, **section)


@pytest.fixture(autouse=True)
def _quiet_peft() -> Iterator[None]:
    """PEFT 0.21 asks transformers 5.23 for a name that transformers 6 will drop; nothing of ours is concerned."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
        yield
