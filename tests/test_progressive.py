"""A tiny model taught from the trunk of an ontology to its leaves, examined on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.errors import FusionError
from test_pipeline import taught, times, write_project


@pytest.fixture
def organs(models: Callable[[str], Path], tmp_path: Path) -> Path:
    """A project of organs and their parts, two levels of six."""
    file = write_project(tmp_path / "p", models("llama"), evaluation={"control": 0}, curriculum={"stages": 2})
    rows = ["subject,relation,object"]
    for organ in ("Heart", "Liver", "Lung", "Brain", "Kidney", "Spleen"):
        rows += [f"{organ},parent,Organ", f"{organ},code,{organ[:2]}1"]
        rows += [f"{organ} wall,parent,{organ}", f"{organ} wall,code,{organ[:2]}2"]
    (file.parent / "facts.csv").write_text("\n".join(rows), encoding="utf-8")
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    tree["knowledge"] = {"sources": ["facts.csv"], "subject_type": "organ"}
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return file


def test_each_stage_is_taught_and_examined_before_the_next(organs: Path) -> None:
    work = organs.parent / "work"
    release = taught(organs)
    card = read_json(release.card)
    assert [row["facts"] for row in card["progress"]["stages"]] == [12, 12]
    assert [len(row["after"]) for row in card["progress"]["stages"]] == [2, 2]
    assert card["progress"]["stages"][0]["after"][0]["n"] == 12
    assert [phase["phase"] for phase in card["cost"]["before"]] == ["instruct"]
    made = sorted((at, name) for name, at in times(work).items() if name.startswith(("adapter/", "sitting/")))
    assert [name.partition("/")[0] for _, name in made] == ["sitting", "adapter", "sitting", "adapter", "sitting"]
    assert "From the trunk to the leaves" in release.report.read_text(encoding="utf-8")
    before = times(work)
    assert taught(organs).version == release.version
    assert times(work) == before
    taught(organs, "evaluation.control=0.5")  # the same stages on shuffled answers, without exams in between
    new = [name.partition("/")[0] for name in times(work).keys() - before.keys()]
    assert (new.count("adapter"), new.count("staged"), new.count("sitting")) == (2, 2, 1)


def test_in_one_stage_there_is_no_progress_to_show(organs: Path) -> None:
    assert read_json(taught(organs, "curriculum.stages=1").card)["progress"] is None


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["curriculum.stages=3"], "the subjects lie at 2 depths of the ontology; set it to 2 or less"),
        (
            ["training.phases=[instruct+adapt]"],
            r"`instruct\+adapt` is taught at once; make `instruct` a phase of its own",
        ),
    ],
)
def test_what_cannot_be_taught_in_stages_is_one_sentence(organs: Path, overrides: list[str], sentence: str) -> None:
    with pytest.raises(FusionError, match=f"curriculum.stages: {sentence}"):
        taught(organs, *overrides)
