"""Names in texts: whole words, longest first, other numbers and spellings."""

from __future__ import annotations

import pytest

from deepseek_fusion.evaluation.consistency.reading.names import Names, lowered, plain, quantity
from deepseek_fusion.knowledge.graph import Graph, Relation, Triple

CODES = ("J45", "J45.909", "500 mg")
NUMBERS = ("Cold Extremities", "Beta-Blockers", "Rash", "Abscesses", "Sepsis", "高血压 Drug")
OBJECTS = ("Pain", "Chest Pain", *NUMBERS, "Vitamin D", "特发性(原发性)高血压", *CODES)
NAMES = Names(
    Graph(tuple(Triple("S", "r", name) for name in OBJECTS), "thing", {"r": Relation("r", "rs")}, {"Pain": ("Ache",)})
)  # fmt: skip


def found(text: str) -> list[str]:
    low, at, names = lowered(plain(text)), 0, []
    while at < len(low):
        match = NAMES.at(low, at)
        if match:
            names += [name for _, name in sorted(match[1].objects)]
            at = match[0]
        else:
            at += 1
    return names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("chest pain and pain", ["Chest Pain", "Pain"]),
        ("painful", []),
        ("PAINS, aches", ["Pain", "Pain"]),
        ("J45.909.", ["J45.909"]),
        ("J45.", ["J45"]),
        ("J45.9", []),
        ("XJ45", []),
        ("（Ｊ４５）", ["J45"]),
        ("a cold extremity", ["Cold Extremities"]),
        ("beta blocker", ["Beta-Blockers"]),
        ("Skin rashes with an abscess", ["Rash", "Abscesses"]),
        ("sepsises", []),
        ("各种高血压 drugs", ["高血压 Drug"]),
        ("Vitamin D3", []),
        ("患有特发性高血压的人", ["特发性(原发性)高血压"]),
        ("0.5 g or 500mg", ["500 mg", "500 mg"]),
        ("1500 mg", []),
        ("50 mg", []),
    ],
)
def test_names_are_found_as_wholes(text: str, names: list[str]) -> None:
    assert found(text) == names


def test_quantities_of_one_size_are_one() -> None:
    assert quantity("1,000 mg") == quantity("1 g") == ("g", 1.0)
    assert quantity("0.3 ml") == quantity("300 µl")
    assert quantity("5 apples") is None


def test_lowering_keeps_every_place() -> None:
    text = plain("İstanbul ﬁt Ⅳ Straße")
    assert len(lowered(text)) == len(text)
