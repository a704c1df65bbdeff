"""The picture of all facts: rows of subjects, groups of relations, one cell a fact."""

from __future__ import annotations

import math
from collections.abc import Iterable

from deepseek_fusion.evaluation.report.words import Json

STATES = ("kept", "learned", "lost", "unknown")
_ROWS_BY_SUBJECT = 40
_WIDE_TABLE = 820
_CELL = 25
_SIZES = (("few", 60), ("large", 400), ("medium", 1000), ("small", math.inf))  # how big a cell is for how many facts


def fact_grid(card: Json) -> Json:
    """Facts as rows of subjects and groups of relations, in file order; inside a group by state."""
    names = relation_names(card)
    relations = list(dict.fromkeys([*names, *(fact["relation"] for fact in card["facts"])]))
    rows: dict[str, dict[str, list[Json]]] = {}
    for place, fact in enumerate(card["facts"]):
        groups = rows.setdefault(fact["subject"], {relation: [] for relation in relations})
        groups[fact["relation"]].append({**fact, "place": place})
    for groups in rows.values():
        for group in groups.values():
            group.sort(key=lambda fact: STATES.index(fact["state"]))
    columns = [
        {
            "relation": relation,
            "name": names.get(relation, relation),
            "width": max((len(groups[relation]) for groups in rows.values()), default=0),
            **_counts(fact for fact in card["facts"] if fact["relation"] == relation),
        }
        for relation in relations
    ]
    subjects = [
        {
            "subject": subject,
            "groups": list(groups.values()),
            **_counts(fact for group in groups.values() for fact in group),
        }
        for subject, groups in rows.items()
    ]
    width = sum(max(min(column["width"], 12) * _CELL, 8 * len(column["name"])) + 14 for column in columns) + 230
    return {
        "columns": columns,
        "rows": subjects,
        "wide": width > _WIDE_TABLE,
        "view": "overview" if width > _WIDE_TABLE or len(rows) > _ROWS_BY_SUBJECT else "subjects",
        "size": next(name for name, most in _SIZES if len(card["facts"]) <= most),
    }


def relation_names(card: Json) -> dict[str, str]:
    """Relation -> the noun that people call it by."""
    return {row["relation"]: row["name"] for row in card["relations"]}


def _counts(facts: Iterable[Json]) -> dict[str, int]:
    counts = {"facts": 0, "before": 0, "now": 0}
    for fact in facts:
        counts["facts"] += 1
        counts["before"] += bool(fact["before"])
        counts["now"] += bool(fact["now"])
    return counts
