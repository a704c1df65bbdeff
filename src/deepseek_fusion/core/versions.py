"""Which releases there are and which one is current: an append-only log and a pointer."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import check_layout, room_on_disk, writing
from deepseek_fusion.core.errors import FusionError


@dataclass(frozen=True)
class Version:
    """One release that was, or is, current; `facts` is what the card measured."""

    id: str
    release: Path
    created: str
    facts: dict[str, Any]


class VersionStore:
    """The versions of one work folder.

    `versions.jsonl` only grows; `current` names one id and is replaced atomically. Both are changed under a lock
    of their own, so that a rollback need not wait for a training run.

    Raises:
        FusionError: when created, if the work folder belongs to a newer program.
    """

    def __init__(self, work: Path) -> None:
        check_layout(work)
        self.work = work
        self._log = work / "versions.jsonl"
        self._pointer = work / "current"

    def add(self, release: Path, facts: Mapping[str, Any], current: bool = True) -> Version:
        """Add a version and, unless told otherwise, make it the current one; adding the newest again adds nothing."""
        with self._locked():
            place = os.path.relpath(release, self.work)
            versions = self.all()
            newest = self._entries()[-1:]  # an addition that is not current was killed between log and pointer
            settled = {self._current_id(), *(row["id"] for row in newest if row["event"] == "add")}
            same = [version for version in versions if version.id in settled and version.release == self._path(place)]
            if same:
                version = same[-1]
            else:
                row = {"event": "add", "id": f"v{len(versions) + 1}", "release": place, "facts": dict(facts)}
                version = self._version(self._append(row))
            if current:
                self._point_to(version)
            return version

    def current(self) -> Version:
        """The version that serving reads.

        Raises:
            FusionError: nothing has been released yet.
        """
        return self._find(self._current_id())

    def rollback(self, to: str | None = None) -> Version:
        """Make an earlier version current again, by default the one before the current one.

        Raises:
            FusionError: there is no such version, none before it, or its release folder is gone.
        """
        with self._locked():
            now = self.current()
            version = self._find(to) if to else self._before(now)
            if not version.release.is_dir():
                raise FusionError(f"{version.release}: the release of {version.id} is gone; choose another version.")
            self._append({"event": "rollback", "id": version.id, "from": now.id})
            self._point_to(version)
            return version

    def all(self) -> list[Version]:
        """Every version ever added, oldest first."""
        return [self._version(row) for row in self._entries() if row["event"] == "add"]

    def _current_id(self) -> str:
        return self._pointer.read_text(encoding="utf-8").strip() if self._pointer.exists() else ""

    def _find(self, version_id: str) -> Version:
        known = {version.id: version for version in self.all()}
        if not known or not version_id:
            raise FusionError(f"{self.work}: nothing has been released here yet; run `deepseek-fusion teach` first.")
        if version_id not in known:
            raise FusionError(f"{self.work}: there is no version {version_id}; the versions are {', '.join(known)}.")
        return known[version_id]

    def _before(self, version: Version) -> Version:
        versions = self.all()
        place = versions.index(version)
        if place == 0:
            raise FusionError(f"{self.work}: {version.id} is the oldest version, there is none to roll back to.")
        return versions[place - 1]

    def _version(self, row: Mapping[str, Any]) -> Version:
        return Version(row["id"], self._path(row["release"]), row["time"], row["facts"])

    def _path(self, place: str) -> Path:
        return Path(os.path.normpath(self.work / place))

    def _entries(self) -> list[dict[str, Any]]:
        if not self._log.exists():
            return []
        # What follows the last newline was cut off by a crash and never took effect.
        whole = self._log.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def _append(self, row: dict[str, Any]) -> dict[str, Any]:
        row["time"] = datetime.now(UTC).isoformat(timespec="seconds")
        with room_on_disk(self._log), self._log.open("ab") as file:
            content = self._log.read_bytes()
            file.truncate(len(content.rpartition(b"\n")[0]) + 1 if b"\n" in content else 0)
            file.write(json.dumps(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return row

    def _point_to(self, version: Version) -> None:
        with writing(self._pointer) as file:
            file.write(f"{version.id}\n".encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.work.mkdir(parents=True, exist_ok=True)
        with (self.work / "versions.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
