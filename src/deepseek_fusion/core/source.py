"""Files that come from the user, as an input of a stage."""

from __future__ import annotations

import glob
import hashlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from deepseek_fusion.core.errors import FusionError


@dataclass(frozen=True)
class Source:
    """Files named by paths, folders or globs relative to `folder`.

    Inside a folder, hidden files and earlier work folders are left out. No patterns, no files.

    Raises:
        FusionError: when created, if a pattern matches nothing or a folder holds no file.
    """

    patterns: tuple[str, ...]
    folder: Path

    def __post_init__(self) -> None:
        _ = self.files

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Every file once, sorted by path."""
        return tuple(sorted({file for pattern in self.patterns for file in self._match(pattern)}))

    @cached_property
    def key(self) -> str:
        """Hash of the files' names (relative to the folder) and contents, 16 hex characters."""
        digest = hashlib.sha256()
        for file in self.files:
            name = os.path.relpath(file, self.folder)
            digest.update(f"{name}\0{_content_hash(file)}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()[:16]

    def _match(self, pattern: str) -> list[Path]:
        literal = self.folder / pattern
        matches = [literal] if literal.exists() else self._glob(pattern)
        if not matches:
            raise FusionError(f"{literal}: no such file or folder; mend the path in the project file.")
        files = [file for match in matches for file in (_walk(match) if match.is_dir() else [match])]
        if not files:
            raise FusionError(f"{literal}: the folder is empty; put files in it or mend the path in the project file.")
        return files

    def _glob(self, pattern: str) -> list[Path]:
        path = PurePath(pattern)
        if "**" not in path.parts:
            return [self.folder / name for name in glob.glob(pattern, root_dir=self.folder)]
        # pathlib follows no links to folders, so that a circle of them ends
        found = Path(path.anchor or self.folder).glob(str(path.relative_to(path.anchor)))
        found = (place for place in found if not (place.is_symlink() and place.is_dir()))
        whole = self.folder / pattern
        return [place for place in found if not any(name[0] == "." for name in place.parts if name not in whole.parts)]


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        # `documents: [.]` must not read what an earlier run wrote.
        folders[:] = [name for name in folders if name[0] != "." and not Path(place, name, "layout.json").exists()]
        yield from (Path(place, name) for name in files if name[0] != ".")


def _content_hash(file: Path) -> str:
    if not file.is_file():  # a broken link, a circle of them, a pipe: its reader says so
        return "no file"
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except PermissionError:
        raise FusionError(f"{file}: no permission to read it; change its mode or leave it out.") from None


def carried_file(package: str, file: str) -> Path | None:
    """A data file inside an installed package, or None. The package is located, never imported: some carry models
    or texts next to code that would pull half the world in."""
    found = importlib.util.find_spec(package)
    for folder in found.submodule_search_locations if found and found.submodule_search_locations else ():
        if (Path(folder) / file).is_file():
            return Path(folder) / file
    return None
