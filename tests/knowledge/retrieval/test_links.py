"""Terms in texts, and passages around them."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from deepseek_fusion.knowledge.retrieval.links import SCHEMA, rank_linked, terms_in, write_mentions, write_names
from knowledge.retrieval.samples import GRAPH


@pytest.fixture
def database() -> sqlite3.Connection:
    opened = sqlite3.connect(":memory:")
    opened.executescript(SCHEMA)
    write_names(opened, GRAPH)
    return opened


def named(database: sqlite3.Connection, text: str) -> list[str]:
    (found,) = terms_in(database, [text])
    return [database.execute("SELECT term FROM terms WHERE id = ?", (term,)).fetchone()[0] for term in found]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Which DRUGS help in podagra?", ["drug", "Gout"]),
        ("gouty arthritis", []),
        ("Uric-acid, acid, uric", ["Uric Acid"]),
        ("帝王病要吃什么药物？", ["痛风", "药物"]),
        ("gout就是痛风", ["Gout", "痛风"]),
        ("", []),
    ],
)
def test_terms_are_found_under_any_name(database: sqlite3.Connection, text: str, terms: list[str]) -> None:
    assert named(database, text) == terms


def test_neighbours_count_less_than_the_term_itself(database: sqlite3.Connection) -> None:
    write_mentions(database, {1: "Take allopurinol.", 2: "Gout hurts.", 3: "Nothing.", 4: "尿酸高", 5: "痛风和尿酸"})
    wanted = np.ones(6, bool)
    (gout,), (zh,) = terms_in(database, ["gout", "痛风"])[0], terms_in(database, ["痛风"])[0]
    assert rank_linked(database, [gout], wanted, 5) == [2, 1]
    assert rank_linked(database, [zh], wanted, 5) == [5, 4]
    wanted[2] = False
    assert rank_linked(database, [gout], wanted, 5) == [1]
    assert rank_linked(database, [], wanted, 5) == []
