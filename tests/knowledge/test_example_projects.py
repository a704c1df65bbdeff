from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from deepseek_fusion.core.project import load_config

EXAMPLES = Path(__file__).parents[2] / "examples"


def data_maker(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_make_data", EXAMPLES / name / "make_data.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_projects_load(path: Path) -> None:
    config = load_config(path)
    assert config.licenses
    assert config.knowledge.relations


def test_disease_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faker_healthcare")
    monkeypatch.syspath_prepend(EXAMPLES / "medical")  # where a script finds its neighbours
    medical = data_maker("medical")
    english, chinese = list(medical.facts(medical.ENGLISH)), list(medical.facts(medical.CHINESE))
    assert len(set(english)) == len(set(chinese)) == 1880
    assert {relation for _, relation, _ in english} == set(
        load_config(EXAMPLES / "medical/zh.yaml").knowledge.relations
    )
    assert ("Gout", "icd10", "M10.9") in english
    assert ("肺炎（病原体未特指）", "symptom", "咳嗽") in chinese
    assert not [name for triple in english + chinese for name in triple if set(name) & set(",，、;；|")]


def test_merchant_facts() -> None:
    pytest.importorskip("iso18245")
    facts = list(data_maker("merchants").facts())
    assert len(set(facts)) == len(facts) == 290
    assert ("Wholesale clubs", "code", "5300") in facts
    assert not [name for triple in facts for name in triple if "," in name]
