from __future__ import annotations

import random
from pathlib import Path

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.sources.knowledge import Fact, Knowledge, Name, Origin, Record, Term
from deepseek_fusion.knowledge.store.ledger import compile_store
from deepseek_fusion.knowledge.store.store import Store

HERE = Origin("o.obo", 3)


def term(identifier: str, *names: str, above: tuple[str, ...] = (), obsolete: bool = False) -> Term:
    facts = tuple(Fact("parent", parent, "term", HERE) for parent in above)
    return Term(identifier, (Name(names[0]),), tuple(map(Name, names[1:])), facts, obsolete)


TERMS = [
    term("D:1", "disease", "疾病"),
    term("D:2", "joint disease", above=("D:1",)),
    term("D:3", "Gout", "痛风", "ＰＯＤＡＧＲＡ", above=("D:2", "D:4")),
    term("D:4", "metabolic disease", above=("D:2",)),
    term("D:5", "gout", obsolete=True),
    term("D:8", "left", above=("D:9",)),
    term("D:9", "right", above=("D:8",)),
]
RECORDS = [
    Record("Gout", "symptom", "Joint Pain", Origin("a.csv", 2, 0.5), ("Gouty arthritis",)),
    Record("D:3", "symptom", "Joint Pain", Origin("b.csv", 7, 0.9, "2024-05-01")),
    Record("Lupus", "symptom", "Joint Pain", Origin("b.csv", 8)),
    Record("痛风性", "症状", "红肿", Origin("b.csv", 9)),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    files = [Knowledge(tmp_path / "o.obo", TERMS), Knowledge(tmp_path / "a.csv", records=RECORDS)]
    compile_store(files).save(tmp_path)
    return Store.open(tmp_path)


def labels(store: Store, nodes: list[int]) -> list[str]:
    return [store.label(node) for node in nodes]


def test_a_term_is_found_by_any_name_whatever_case_and_width(store: Store) -> None:
    (gout,) = store.find("podagra")
    assert store.find("痛风") == store.find("d:3") == store.find("gouty  ARTHRITIS") == [gout]
    assert [store.id(node) for node in store.find("GOUT")] == ["D:3", "D:5"]
    assert [store.id(node) for node in store.find("gout")] == ["D:5", "D:3"]
    assert store.find("go") == store.find("") == []


def test_the_tree(store: Store) -> None:
    (gout,) = store.find("痛风")
    assert labels(store, store.parents(gout)) == ["joint disease", "metabolic disease"]
    assert labels(store, store.children(store.find("joint disease")[0])) == ["Gout", "metabolic disease"]
    assert [store.depth(store.find(f"D:{number}")[0]) for number in (1, 2, 3, 4)] == [0, 1, 2, 2]
    assert store.depth(store.find("Lupus")[0]) is store.depth(store.find("left")[0]) is None


def test_facts_meet_at_the_term_and_keep_the_surest_origin(store: Store) -> None:
    (gout,) = store.find("痛风")
    (fact,) = [fact for fact in store.facts(gout) if fact.relation == "symptom"]
    assert fact.origin == Origin("b.csv", 7, 0.9, "2024-05-01")
    assert labels(store, [fact.subject for fact in store.facts(fact.object, "backward")]) == ["Gout", "Lupus"]


def test_two_hops(store: Store) -> None:
    first = store.step(store.find("Lupus"), "symptom")
    assert labels(store, list(store.step(first, "symptom", "backward"))) == ["Gout", "Lupus"]
    assert len(store.step([])) == 0


def test_walks_agree_with_a_search_one_by_one(tmp_path: Path) -> None:
    draw = random.Random(0)
    facts = {(draw.randrange(60), f"r{draw.randrange(3)}", draw.randrange(60)) for _ in range(700)}
    records = [Record(f"n{a}", relation, f"n{b}", HERE) for a, relation, b in sorted(facts)]
    store = Store(compile_store([Knowledge(tmp_path, records=records)]))
    for start in range(60):
        (node,) = store.find(f"N{start}")
        for relation in ("r0", "r1"):
            expected = {b for a, r, b in facts if a == start and r == relation}
            expected = {c for a, _, c in facts if a in expected}
            two = store.step(store.step([node], relation))
            assert {store.label(int(other)) for other in two} == {f"n{other}" for other in expected}


def test_a_folder_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="holds no store"):
        Store.open(tmp_path)
    (tmp_path / "nodes.arrow").write_bytes(b"nonsense")
    with pytest.raises(FusionError, match="holds no store"):
        Store.open(tmp_path)
