"""How a benchmark writes down what it measured: one JSON file, one row a figure, `holds` computed."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from deepseek_fusion.core.artifacts import write_json
from deepseek_fusion.core.run import library_versions

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One figure on both sides. A row that does not hold stays, with its note."""

    figure: str
    ours: float
    peer: float | None = None
    peer_name: str = ""
    ratio: float | None = None
    bar: str = ""
    holds: bool | None = None
    n: int = 0
    seeds: tuple[int, ...] = ()
    interval: tuple[float, float] | None = None
    note: str = ""

    @classmethod
    def ratio_of(
        cls,
        figure: str,
        ours: Sequence[float],
        peer: Sequence[float],
        peer_name: str,
        at_least: float,
        seeds: tuple[int, ...],
        n: int,
    ) -> Row:
        """Ratio of the means over seeds; the interval is the lowest and highest ratio of a single seed."""
        value = sum(ours) / sum(peer)
        single = [a / b for a, b in zip(ours, peer, strict=True)]
        return cls(
            figure=figure,
            ours=sum(ours) / len(ours),
            peer=sum(peer) / len(peer),
            peer_name=peer_name,
            ratio=value,
            bar=f">= {at_least}",
            holds=value >= at_least,
            n=n,
            seeds=seeds,
            interval=(min(single), max(single)),
            note="interval: ratio of the lowest and the highest seed",
        )


def write_results(benchmark: str, command: Sequence[str], rows: Sequence[Row]) -> None:
    """Write `results/<benchmark>.json` and print the rows."""
    RESULTS.mkdir(exist_ok=True)
    write_json(
        RESULTS / f"{benchmark}.json",
        {
            "benchmark": benchmark,
            "command": shlex.join(["python", *("FOLDER" if Path(word).is_absolute() else word for word in command)]),
            "commit": _commit(),
            "date": datetime.now(UTC).date().isoformat(),
            "device": _device(),
            "versions": library_versions(),
            "rows": [asdict(row) for row in rows],
        },
    )
    for row in rows:
        print(f"{row.figure}: ours {row.ours:.4g}, peer {row.peer}, ratio {row.ratio}, {row.bar}, holds {row.holds}")


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _device() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return f"{len(names)} cores, {names[0]}" if names else "unknown"
