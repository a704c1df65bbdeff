"""`build_corpus` against datatrove on the same mixed documents, both doing the same work with their own parts.

The documents (`corpus_documents.py`) are written like clinical notes and ontologies in two languages, with planted
near duplicates, exact ones, junk and texts of other domains. Both sides read JSON Lines and drop what is too short,
damaged, an exact duplicate, a near duplicate (5-grams, similarity 0.8) or off domain (TF-IDF against the names of the
example's facts), and write what stays. Ours has personal data and decontamination off, which datatrove has not, and
still tells languages and writes down every reason. datatrove has its blocks for reading, exact duplicates and MinHash
(14 buckets of 8, its default), a word tokenizer of one regular expression, and scikit-learn for TF-IDF in batches.
Relevance must reach 0.3 on both sides, which lies in the gap that the funnel page of 10,000 documents shows.
Sides take turns, one process each but for one worker of ours; CPU time of all processes counts. Ours runs twice before
and twice after each run of datatrove, which takes ten times as long, and the mean of the four counts: a machine that is
slow for a quarter of a minute would else be slow for one side only.

Found is what leaves by a filter of its kind. Of a text and its copies one should stay, whichever.

Run: python benchmarks/corpus.py [--documents 50000] [--rounds 3] [--memory] [--juicer PYTHON]
(once `examples/medical/make_data.py` ran; `pip install datatrove==0.10.0 orjson regex xxhash scikit-learn` first).
`--memory` adds the peak memory of our side on 1 GB of documents; `--juicer` names the interpreter of an environment
with py-data-juicer 1.6.1, which needs other versions of what datatrove needs, and adds two rounds of it on the same
documents (`corpus_juicer.py`), in a file of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from corpus_documents import TERMS, Planted, write_documents
from deepseek_fusion.core.artifacts import read_jsonl
from deepseek_fusion.core.events import say
from deepseek_fusion.core.settings.filtering import CorpusConfig, DomainConfig, PersonalConfig
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from record import Row, write_results

PEER, OTHER = "datatrove", "data-juicer"
OTHER_RATIO = 30.0
RATIO, FOUND, GIGABYTE = 10.0, 0.98, 1e9
DROPPED = {
    "exact_duplicate": "exact",
    "near_duplicate": "near",
    "too_short": "content",
    "damaged": "content",
    "repetitive": "content",
    "other_language": "content",
    "off_domain": "content",
}
"""Filters of ours by the kind of row that they are after."""
NOTHING_PERSONAL = PersonalConfig.model_validate(dict.fromkeys(PersonalConfig.model_fields, "keep"))
SECTION = CorpusConfig(personal=NOTHING_PERSONAL, domain=DomainConfig(terms=tuple(map(str, TERMS)), relevance=0.3))

Dropped = dict[int, str]
"""Number of a document -> kind of filter that dropped it."""


def main() -> None:
    """Both sides in turn, then the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--juicer", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        filter_with_ours(options.measure / "in", options.measure)
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    rows = list(_compared(options.documents, options.rounds))
    if options.memory:
        rows.append(_memory())
    command = ["benchmarks/corpus.py", *sys.argv[1:]]
    write_results("corpus", command, rows)
    if options.juicer:
        write_results("corpus_juicer", command, list(_with_juicer(options.juicer, options.documents)))


def filter_with_ours(folder: Path, work: Path) -> None:
    """Filter a folder of documents by `build_corpus`."""
    out = work / "out"
    out.mkdir()
    build_corpus(out, SECTION, Source((".",), folder), Source(tuple(map(str, TERMS)), Path("/")))


def dropped_by_ours(folder: Path, work: Path) -> Dropped:
    """What that wrote down as rejected."""
    starts = _starts(folder)
    rejected = read_jsonl(work / "out" / "rejected.jsonl")
    return {starts[row["source"]] + row["line"] - 1: DROPPED[row["filter"]] for row in rejected}


def _starts(folder: Path) -> dict[str, int]:
    """The number of the first document of each file."""
    return {file.name: json.loads(file.open(encoding="utf-8").readline())["id"] for file in folder.iterdir()}


def _compared(documents: int, rounds: int) -> list[Row]:
    # not in the process whose memory is measured
    from corpus_datatrove import dropped_by_datatrove, filter_with_datatrove

    sides: list[tuple[Callable[[Path, Path], None], Callable[[Path, Path], Dropped]]] = [
        (filter_with_ours, dropped_by_ours),
        (filter_with_datatrove, dropped_by_datatrove),
    ]
    seconds: list[list[float]] = [[], []]
    dropped: list[Dropped] = [{}, {}]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        planted = write_documents(folder, documents)
        for _ in range(rounds):
            spent: list[list[float]] = [[], []]
            for side in (0, 0, 1, 0, 0):
                with tempfile.TemporaryDirectory() as work:
                    filter_, dropped_by = sides[side]
                    before = _cpu_seconds()
                    filter_(folder, Path(work))
                    spent[side].append(_cpu_seconds() - before)
                    dropped[side] = dropped_by(folder, Path(work))
                say(f"{['ours', PEER][side]}: {documents / spent[side][-1]:,.0f} documents per core-second")
            for side in (0, 1):
                seconds[side].append(statistics.mean(spent[side]))
    rates = [documents / statistics.median(found) for found in seconds]
    single = sorted(peer / our for our, peer in zip(*seconds, strict=True))
    speed = Row(
        figure="docs per core-second",
        ours=rates[0],
        peer=rates[1],
        peer_name=PEER,
        ratio=rates[0] / rates[1],
        bar=f">= {RATIO}",
        holds=rates[0] / rates[1] >= RATIO,
        n=documents,
        interval=(single[0], single[-1]),
        note=f"medians of {rounds} rounds, in each four runs of ours; interval: lowest and highest ratio of one round",
    )
    return [speed, *_quality(planted, dropped)]


def _with_juicer(python: Path, documents: int) -> Iterator[Row]:
    """One round with runs of characters, and one with words; ours before and after."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        planted = write_documents(folder, documents)
        copies = [number for number, row in enumerate(planted) if row.kind in ("near", "exact")]
        for unit in ("character", "space"):
            seconds: list[float] = []
            for side in ("ours", OTHER, "ours"):
                with tempfile.TemporaryDirectory() as work:
                    before = _cpu_seconds()
                    if side == OTHER:
                        script = Path(__file__).parent / "corpus_juicer.py"
                        subprocess.run([python, script, folder, work, unit], capture_output=True, check=True)
                        stays = {row["id"] for row in read_jsonl(Path(work) / "out.jsonl")}
                    else:
                        filter_with_ours(folder, Path(work))
                    seconds.append(_cpu_seconds() - before)
            ratio = seconds[1] / statistics.mean((seconds[0], seconds[2]))
            yield Row(
                figure=f"docs per core-second, {OTHER} by {unit}s",
                ours=documents / statistics.mean((seconds[0], seconds[2])),
                peer=documents / seconds[1],
                peer_name=OTHER,
                ratio=ratio,
                bar=f">= {OTHER_RATIO:g}",
                holds=ratio >= OTHER_RATIO,
                n=documents,
                note=f"one round, start of the programs included; of {len(copies)} planted copies {OTHER} left"
                f" {sum(number in stays for number in copies)}, and it judged no domain",
            )


def _quality(planted: list[Planted], dropped: list[Dropped]) -> list[Row]:
    measured = [_measured(planted, side) for side in dropped]
    return [
        Row(
            figure=figure,
            ours=value,
            peer=measured[1][figure][0],
            peer_name=PEER,
            bar=f">= {FOUND}",
            holds=value >= FOUND and value >= measured[1][figure][0],
            n=count,
            note="at least the bar, and at least the peer",
        )
        for figure, (value, count) in measured[0].items()
    ]


def _measured(planted: list[Planted], dropped: Dropped) -> dict[str, tuple[float, int]]:
    """Each figure with the number of rows that it is of."""
    found: dict[str, tuple[float, int]] = {}
    for kind in ("exact", "near"):
        right, wanted, gone = _copies(planted, dropped, kind)
        found[f"recall on {kind} duplicates"] = right / max(1, wanted), wanted
        found[f"precision on {kind} duplicates"] = right / max(1, gone), gone
    for kind in ("junk", "off-domain"):
        numbers = [number for number, row in enumerate(planted) if row.kind == kind]
        found[f"recall on {kind} rows"] = _share(dropped.get(number) == "content" for number in numbers), len(numbers)
    gone_rows = [planted[number].kind for number, by in dropped.items() if by == "content"]
    found["precision on junk and off-domain rows"] = (
        _share(kind in ("junk", "off-domain") for kind in gone_rows),
        len(gone_rows),
    )
    return found


def _share(found: Iterable[bool]) -> float:
    values = list(found)
    return sum(values) / max(1, len(values))


def _copies(planted: list[Planted], dropped: Dropped, kind: str) -> tuple[int, int, int]:
    """Rightly dropped, to be dropped and dropped in all by a kind: of equal (or alike) ones all but one should go."""
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, row in enumerate(planted):
        if kind == "exact":
            groups[row.group, row.version].append(number)
        elif dropped.get(number) != "exact":
            groups[row.group, 0].append(number)
    gone = Counter(by for by in dropped.values())[kind]
    right = wanted = 0
    for numbers in groups.values():
        wanted += len(numbers) - 1
        right += min(len(numbers) - 1, sum(dropped.get(number) == kind for number in numbers))
    return right, wanted, gone


def _memory() -> Row:
    """Peak memory of a process of its own and its worker, added up, on 1 GB of documents."""
    with tempfile.TemporaryDirectory() as place:
        count = write_documents(Path(place) / "in", None, size=GIGABYTE)
        size = sum(file.stat().st_size for file in (Path(place) / "in").iterdir())
        report = (
            "import resource, sys; sys.argv[1:] = ['--measure', sys.argv[1]]; import corpus; corpus.main();"
            "kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN);"
            "print(sum(resource.getrusage(kind).ru_maxrss for kind in kinds))"
        )
        done = subprocess.run(
            [sys.executable, "-c", report, place],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    peak = int(done.stdout.split()[-1]) * 1024 / GIGABYTE
    return Row(
        figure="peak memory in GB",
        ours=peak,
        bar="< 1",
        holds=peak < 1,
        n=len(count),
        note=f"{size / GIGABYTE:.2f} GB of documents; highest resident sizes of both processes, added up",
    )


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
