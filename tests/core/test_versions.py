from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import read_jsonl, write_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.versions import VersionStore


def release(work: Path, name: str) -> Path:
    folder = work / "release" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    store = VersionStore(tmp_path)
    for name in ("a", "b", "c"):
        store.add(release(tmp_path, name), {"名": name})
    return store


def test_versions_count_up_and_the_newest_is_current(store: VersionStore, tmp_path: Path) -> None:
    assert [version.id for version in store.all()] == ["v1", "v2", "v3"]
    current = VersionStore(tmp_path).current()
    assert (current.id, current.release, current.facts) == ("v3", tmp_path / "release" / "c", {"名": "c"})


def test_rollback_appends_and_walks_back(store: VersionStore, tmp_path: Path) -> None:
    before = (tmp_path / "versions.jsonl").read_bytes()
    assert store.rollback().id == "v2"
    assert store.rollback().id == "v1"
    assert store.current().id == "v1"
    with pytest.raises(FusionError, match="v1 is the oldest version"):
        store.rollback()
    assert store.rollback("v3").id == "v3"
    assert (tmp_path / "versions.jsonl").read_bytes().startswith(before)
    assert [row["event"] for row in read_jsonl(tmp_path / "versions.jsonl")] == ["add"] * 3 + ["rollback"] * 3


def test_adding_the_current_release_again_changes_nothing(store: VersionStore, tmp_path: Path) -> None:
    assert store.add(release(tmp_path, "c"), {}).id == "v3"
    assert len(store.all()) == 3


def test_teaching_again_after_a_rollback_is_a_new_version(store: VersionStore, tmp_path: Path) -> None:
    store.rollback()
    assert store.add(release(tmp_path, "c"), {}).id == "v4"
    assert store.current().id == "v4"


def test_the_store_survives_being_moved(store: VersionStore, tmp_path: Path) -> None:
    moved = tmp_path.with_name(tmp_path.name + "-搬家")
    tmp_path.rename(moved)
    assert VersionStore(moved).current().release == moved / "release" / "c"


def test_killed_between_log_and_pointer(store: VersionStore, tmp_path: Path) -> None:
    (tmp_path / "current").write_text("v2\n")
    assert store.current().id == "v2"
    assert store.add(release(tmp_path, "c"), {}).id == "v3"
    assert store.current().id == "v3"
    assert len(store.all()) == 3


def test_killed_in_the_middle_of_a_log_line(store: VersionStore, tmp_path: Path) -> None:
    with (tmp_path / "versions.jsonl").open("a") as file:
        file.write('{"event": "add", "id": "v4", "rel')
    assert len(store.all()) == 3
    assert store.add(release(tmp_path, "d"), {}).id == "v4"
    assert [json.loads(line)["id"] for line in (tmp_path / "versions.jsonl").read_text().splitlines()][-1] == "v4"


def test_what_does_not_exist_is_named(store: VersionStore, tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="no version v9; the versions are v1, v2, v3"):
        store.rollback("v9")
    (tmp_path / "release" / "a").rmdir()
    with pytest.raises(FusionError, match="the release of v1 is gone"):
        store.rollback("v1")
    assert store.current().id == "v3"
    with pytest.raises(FusionError, match="nothing has been released"):
        VersionStore(tmp_path / "new").current()
    with pytest.raises(FusionError, match="nothing has been released"):
        VersionStore(tmp_path / "new").rollback()


def test_a_newer_work_folder_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "layout.json", {"layout": 99})
    with pytest.raises(FusionError, match="newer"):
        VersionStore(tmp_path)
