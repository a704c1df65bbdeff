from __future__ import annotations

from pathlib import Path

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.sources.knowledge import Fact, Knowledge, Name, Origin, Record, Term
from deepseek_fusion.knowledge.sources.readers import read_knowledge
from deepseek_fusion.knowledge.store.ledger import compile_store
from deepseek_fusion.knowledge.store.sparql import ask, export, load
from deepseek_fusion.knowledge.store.store import NameOf, Store

TERMS = [
    Term("D:1", (Name("disease"),)),
    Term(
        "D:2",
        (Name("gout", "en"), Name("痛风", "zh")),
        (Name("Podagra"),),
        (
            Fact("parent", "D:1", "term", Origin("o.obo", 3)),
            Fact("definition", "一种病。", "text", Origin("o.obo", 4), "zh"),
            Fact("part of", 'a plain name: 50 % "x"', "name", Origin("o.obo", 5)),
        ),
        alternatives=("D:7",),
    ),
    Term("http://ex.org/old#1", (Name("old"),), obsolete=True, replaced_by=("D:2",)),
]
RECORDS = [
    Record("痛风", "症状", "关节 痛", Origin("笔记 1&2.txt", 7, 0.75, "2024-05-01"), ("风",)),
    Record("哮喘", "症状", "咳嗽", Origin("https://ex.org/a?b=c#d", 0, 0.5)),
    Record("HP:1", "parent", "D:1", Origin("b.csv")),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(compile_store([Knowledge(tmp_path, TERMS), Knowledge(tmp_path, records=RECORDS)], "zh"))


def content(store: Store, origins: bool = True) -> tuple[set[object], set[object]]:
    """Everything that is said, whatever the order."""
    names: set[object] = set()
    for node in range(len(store)):
        names |= {(store.id(node), store.label(node), bool(store.obsolete[node]), name) for name in store.names(node)}
    facts = {
        (store.id(f.subject), f.relation, store.id(f.object), store.label(f.object), f.origin if origins else None)
        for f in store.all_facts()
    }
    return names, facts


def test_what_is_exported_is_what_is_imported(store: Store, tmp_path: Path) -> None:
    count = export(store, tmp_path / "all.nq")
    again = Store(compile_store([read_knowledge(tmp_path / "all.nq")], "zh"))
    assert content(again) == content(store)
    assert NameOf("Podagra", "", 1) in store.names(store.find("痛风")[0])
    assert count == export(again, tmp_path / "again.nq")


@pytest.mark.parametrize("ending", [".ttl", ".nt", ".rdf"])
def test_other_formats_lose_only_the_origin(store: Store, tmp_path: Path, ending: str) -> None:
    export(store, tmp_path / f"all{ending}")
    again = Store(compile_store([read_knowledge(tmp_path / f"all{ending}")], "zh"))
    assert content(again, origins=False) == content(store, origins=False)


def test_questions(store: Store) -> None:
    loaded = load(store)
    assert ask(loaded, "SELECT ?x { ?x r:症状 name:咳嗽 }") == (["x"], [["哮喘"]])
    assert ask(loaded, "SELECT ?x { ?x skos:broader obo:D_1 } ORDER BY ?x") == (["x"], [["D:2"], ["HP:1"]])
    assert ask(loaded, 'ASK { ?x skos:prefLabel "痛风"@zh }') == (["answer"], [["true"]])
    names, rows = ask(loaded, "CONSTRUCT { ?x r:a ?y } WHERE { ?x r:症状 ?y }")
    assert (names, sorted(rows)) == (
        ["subject", "relation", "object"],
        [["D:2", "a", "关节 痛"], ["哮喘", "a", "咳嗽"]],
    )
    assert ask(loaded, 'SELECT ?service { ?service r:症状 ?y FILTER(STR(?y) != "a service") }')[1]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { ?a ?b 1service silent <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { \\u0053ERVICE#x\n<http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { SERVICE ?x { ?s ?p ?o } }",
        "SELECT * { SERVICE :x { ?s ?p ?o } }",
    ],
)
def test_nothing_is_fetched(store: Store, query: str) -> None:
    with pytest.raises(FusionError, match="SERVICE asks another server"):
        ask(load(store), query)


def test_mistakes(store: Store, tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="query: not SPARQL"):
        ask(load(store), "SELEKT ?x")
    with pytest.raises(FusionError, match=r"choose one of these endings"):
        export(store, tmp_path / "all.csv")
    assert not list(tmp_path.iterdir())
