from __future__ import annotations

from pathlib import Path

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.source import Source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("文档/b.txt", "文档/a.txt", "文档/更深/c.md", "文档/.hidden", "data[1].csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    return tmp_path


def names(source: Source) -> list[str]:
    return [str(file.relative_to(source.folder)) for file in source.files]


def test_files_folders_and_globs_give_each_file_once_and_sorted(folder: Path) -> None:
    assert names(Source(("文档",), folder)) == ["文档/a.txt", "文档/b.txt", "文档/更深/c.md"]
    assert names(Source(("**/*.md", "文档/a.txt", "文档"), folder)) == ["文档/a.txt", "文档/b.txt", "文档/更深/c.md"]
    assert names(Source((str(folder / "文档" / "*.txt"),), folder)) == ["文档/a.txt", "文档/b.txt"]


def test_a_name_with_brackets_is_first_a_name(folder: Path) -> None:
    assert names(Source(("data[1].csv",), folder)) == ["data[1].csv"]


def test_no_patterns_no_files(folder: Path) -> None:
    source = Source((), folder)
    assert source.files == ()
    assert len(source.key) == 16


def test_a_work_folder_is_not_a_document(folder: Path) -> None:
    (folder / "work").mkdir()
    (folder / "work" / "layout.json").write_text('{"layout": 1}')
    (folder / "work" / "versions.jsonl").write_text("")
    assert names(Source((".",), folder)) == ["data[1].csv", "文档/a.txt", "文档/b.txt", "文档/更深/c.md"]


@pytest.mark.parametrize("pattern", ["absent.csv", "*.obo", "没有"])
def test_a_pattern_without_match_is_named(folder: Path, pattern: str) -> None:
    with pytest.raises(FusionError, match="no such file or folder; mend the path") as caught:
        Source((pattern,), folder)
    assert pattern in str(caught.value)


def test_links_in_a_circle_end_and_what_is_no_file_has_a_key(folder: Path) -> None:
    (folder / "文档" / "again").symlink_to(".")
    (folder / "文档" / "更深" / "up").symlink_to("..")
    (folder / "文档" / "circle.md").symlink_to("circle.md")
    wanted = ["文档/circle.md", "文档/更深/c.md"]
    assert names(Source(("文档/**/*.md",), folder)) == wanted
    assert names(Source((str(folder / "文档" / "**" / "*.md"),), folder)) == wanted
    assert names(Source(("**/*",), folder)) == ["data[1].csv", "文档/a.txt", "文档/b.txt", *wanted]
    assert len(Source(("文档",), folder).key) == 16


def test_an_empty_folder_is_named(folder: Path) -> None:
    (folder / "空").mkdir()
    with pytest.raises(FusionError, match="空: the folder is empty"):
        Source(("空",), folder)


def test_the_key_follows_names_and_contents_but_not_the_place(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    key = Source(("文档",), folder).key
    moved = tmp_path_factory.mktemp("moved") / "文档"
    (folder / "文档").rename(moved)
    assert Source(("文档",), moved.parent).key == key
    (moved / "a.txt").rename(moved / "z.txt")
    renamed = Source(("文档",), moved.parent).key
    assert renamed != key
    (moved / "z.txt").write_text("changed")
    assert Source(("文档",), moved.parent).key not in (key, renamed)
