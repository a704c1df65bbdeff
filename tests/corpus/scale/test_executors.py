from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import processes
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.filtering import CorpusConfig, DomainConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus, build_corpus_by
from deepseek_fusion.corpus.shards import Shards

pytest.importorskip("datatrove", reason="the extra `scale` is not installed")
# Its workers leave sockets to the garbage collector, and it speaks to Ray in a way that Ray warns of: as an error, that
# ends a thread that datatrove then waits on for ever
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:placement_group:DeprecationWarning",
    "ignore::FutureWarning",
)

from deepseek_fusion.corpus.scale.executors import Executor  # noqa: E402  the package may be missing

TEXT = "Gout, number {0}, is a disease of the joints; crystals of uric acid, seen in {1} of {0} cases, are its cause. "
文 = "痛风第{0}例由单钠尿酸盐沉积所致，与嘌呤代谢紊乱及尿酸排泄减少直接相关，{1}天后关节痛缓解。"
SECTION = CorpusConfig(repetition=1, domain=DomainConfig(relevance=0.1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Enough files for several jobs, duplicates across them, and bad ones."""
    (tmp_path / "in").mkdir()
    for number in range(150):
        form = 文 if number % 3 else TEXT
        text = "".join(form.format(number % 100, place) for place in range(number % 100, number % 100 + 6))
        (tmp_path / "in" / f"{number:03}.html").write_text(f"<p>{text}</p>", encoding="utf-8")
    (tmp_path / "in" / "050.pdf").write_bytes(b"%PDF-1.4 cut")
    rows = [{"text": "short"}, {"text": "The bank sold its shares and the market fell sharply on Monday night."}]
    (tmp_path / "in" / "100.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{", encoding="utf-8")
    (tmp_path / "facts.csv").write_text(
        "subject,relation,object\nGout,lab,uric acid\n痛风,检验,尿酸\n", encoding="utf-8"
    )
    return tmp_path


def inputs(folder: Path) -> tuple[CorpusConfig, Source, Source]:
    return SECTION, Source(("in",), folder), Source(("facts.csv",), folder)


def made(folder: Path, name: str, executor: Executor | None) -> dict[str, bytes]:
    make = build_corpus_by(executor) if executor else build_corpus
    with Run(folder / name) as run:
        artifact = run.step(make, *inputs(folder))
    return {file.name: file.read_bytes() for file in artifact.path.iterdir() if file.name != "manifest.json"}


@pytest.fixture
def here(folder: Path) -> dict[str, bytes]:
    """What one machine makes of it."""
    files = made(folder, "here", None)
    assert files.keys() == {"documents.parquet", "held_out.parquet", "rejected.jsonl", "summary.json", "funnel.html"}
    assert json.loads(files["summary.json"])["rejected"].keys() >= {"reader", "too_short", "exact_duplicate"}
    return files


def test_processes_of_this_machine_make_the_same(folder: Path, here: dict[str, bytes]) -> None:
    assert made(folder, "local", Executor("local", tasks=2)) == here


@pytest.mark.slow
def test_ray_makes_the_same(folder: Path, here: dict[str, bytes]) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    assert made(folder, "ray", Executor("ray", tasks=2)) == here


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster of one node, which is this machine, with a partition `cpu`."""
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin")))
    if not (shutil.which("slurmctld") and shutil.which("slurmd") and shutil.which("sbatch")):
        pytest.skip("Slurm is not installed (Debian: slurmctld, slurmd, slurm-client)")
    place, user, node = tmp_path / "cluster", getpass.getuser(), socket.gethostname().partition(".")[0]
    if user != "root":
        pytest.skip("slurmd runs jobs as root alone")
    for name in ("state", "spool"):
        (place / name).mkdir(parents=True)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    (place / "slurm.conf").write_text(f"""
        ClusterName=test
        SlurmctldHost={node}(127.0.0.1)
        SlurmctldPort={processes.free_port()}
        SlurmdPort={processes.free_port()}
        SlurmUser={user}
        SlurmdUser={user}
        AuthType=auth/none
        CredType=cred/none
        StateSaveLocation={place}/state
        SlurmdSpoolDir={place}/spool
        SlurmctldPidFile={place}/slurmctld.pid
        SlurmdPidFile={place}/slurmd.pid
        ProctrackType=proctrack/linuxproc
        TaskPlugin=task/none
        MpiDefault=none
        SelectType=select/cons_tres
        SelectTypeParameters=CR_Core
        NodeName={node} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={memory}
        PartitionName=cpu Nodes=ALL State=UP
    """)
    monkeypatch.setenv("SLURM_CONF", str(place / "slurm.conf"))
    with (place / "log").open("wb") as log:
        daemons = [subprocess.Popen([name, "-D"], stdout=log, stderr=log) for name in ("slurmctld", "slurmd")]
        try:
            wait_for_idle_node(place / "log")
            yield
        finally:
            for daemon in daemons:
                daemon.terminate()
                daemon.wait()


def wait_for_idle_node(log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout.strip() == "idle":
            return
        time.sleep(0.2)
    pytest.fail(log.read_text(errors="replace"))


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_slurm_makes_the_same(folder: Path, here: dict[str, bytes]) -> None:
    assert made(folder, "slurm", Executor("slurm", tasks=2, partition="cpu")) == here


def test_slurm_needs_a_partition(folder: Path) -> None:
    with pytest.raises(FusionError, match="--partition NAME"):
        made(folder, "slurm", Executor("slurm", tasks=2))


def test_a_part_that_is_missing_is_told(folder: Path, tmp_path: Path) -> None:
    def lazy(shards: Shards) -> None:
        list(shards.fill(shards.missing()[:1]))

    with (
        Run(folder / "lazy") as run,
        pytest.raises(FusionError, match=r"shards: [12] of [23] parts of the documents are not read"),
    ):
        run.step(build_corpus_by(lazy), *inputs(folder))
