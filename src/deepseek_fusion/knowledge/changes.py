"""What changed between two releases of one ontology, by the ids of its terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from deepseek_fusion.core.artifacts import Artifact, write_json, write_jsonl
from deepseek_fusion.core.run import stage
from deepseek_fusion.knowledge.sources.knowledge import REPLACED_BY
from deepseek_fusion.knowledge.store.store import Store
from deepseek_fusion.knowledge.store.tables import IDENTIFIER, LABEL, TEXT

Kind = Literal["added", "changed", "obsoleted", "restored", "removed"]
Statement = tuple[str, str, str]
"""Relation, id of the object (empty for a text), and the object's name or the text."""


@dataclass(frozen=True)
class Both:
    """What is new and what is gone of one side of a term, each in order."""

    added: list[Any] = field(default_factory=list)
    removed: list[Any] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(frozen=True)
class Change:
    """What became of one term.

    Attributes:
        name: its name in the new release; in the old one if it is gone.
        renamed_from: its name in the old release, if that is another.
        names: synonyms and further labels.
        parents: ids of what stands above it.
        facts: all other statements, as relation, id and name of the object.
        replaced_by: ids of what took the place of a term that was withdrawn or removed.
    """

    change: Kind
    id: str
    name: str
    renamed_from: str | None = None
    names: Both = field(default_factory=Both)
    parents: Both = field(default_factory=Both)
    facts: Both = field(default_factory=Both)
    replaced_by: list[str] = field(default_factory=list)


def compare(old: Store, new: Store) -> list[Change]:
    """Every term that is not the same in both, in the order of the new release, then what is gone.

    A fact whose object was only renamed is the same fact.
    """
    before, after = _terms(old), _terms(new)
    changes = [_change(old, before.get(term), new, node, term) for term, node in after.items()]
    gone = [_removed(old, node, new, term) for term, node in before.items() if term not in after]
    return [change for change in [*changes, *gone] if change]


def summary(changes: list[Change], old: Store, new: Store) -> dict[str, Any]:
    """Versions and counts."""
    kinds = Counter(change.change for change in changes)
    changed = [change for change in changes if change.change == "changed"]
    return {
        "old": old.head["versions"],
        "new": new.head["versions"],
        "terms": {"old": len(_terms(old)), "new": len(_terms(new))},
        **{kind: kinds[kind] for kind in ("added", "changed", "obsoleted", "restored", "removed")},
        "of_the_changed": {
            "renamed": sum(change.renamed_from is not None for change in changed),
            "names": sum(bool(change.names) for change in changed),
            "parents": sum(bool(change.parents) for change in changed),
            "facts": sum(bool(change.facts) for change in changed),
        },
    }


def as_rows(changes: list[Change]) -> list[dict[str, Any]]:
    """Changes as plain JSON values, without what is empty."""
    rows = [asdict(change) for change in changes]
    for row in rows:
        for part in ("names", "parents", "facts"):
            row[part] = {side: values for side, values in row[part].items() if values}
    return [{key: value for key, value in row.items() if value} for row in rows]


@stage("changes", version=1)
def diff_releases(out: Path, section: None, old: Artifact, new: Artifact) -> None:
    """Write `changes.jsonl`, a row for each term that differs between two stores, and `summary.json`."""
    before, after = Store.open(old.path), Store.open(new.path)
    changes = compare(before, after)
    write_jsonl(out / "changes.jsonl", as_rows(changes))
    write_json(out / "summary.json", summary(changes, before, after))


def _terms(store: Store) -> dict[str, int]:
    """Whatever facts are about, or that has a name of its own, by id."""
    return {store.id(node): node for node in range(len(store)) if store.kinds[node] != TEXT}


def _change(old: Store, was: int | None, new: Store, node: int, term: str) -> Change | None:
    retired = bool(new.obsolete[node])
    replaced = [fact.object for fact in new.facts(node) if fact.relation == REPLACED_BY] if retired else []
    name, replaced_by = new.label(node), [new.id(other) for other in replaced]
    if was is None:
        parents, facts = _said(new, node)
        names = Both(_sorted(_other_names(new, node)))
        return Change("added", term, name, None, names, Both(_sorted(parents)), Both(_facts(facts)), replaced_by)
    kind: Kind = "changed"
    if retired != bool(old.obsolete[was]):
        kind = "obsoleted" if retired else "restored"
    (old_parents, old_facts), (parents, facts) = _said(old, was), _said(new, node)
    found = Change(
        kind,
        term,
        name,
        old.label(was) if old.label(was) != name else None,
        _both(_other_names(old, was), _other_names(new, node)),
        _both(old_parents, parents),
        Both(_facts(_without(facts, old_facts)), _facts(_without(old_facts, facts))),
        replaced_by,
    )
    same = kind == "changed" and found.renamed_from is None and not (found.names or found.parents or found.facts)
    return None if same else found


def _removed(old: Store, node: int, new: Store, term: str) -> Change:
    """A term that is no longer there may be an alternative id of the one that it was merged into."""
    heirs = [new.id(other) for other in new.find(term)]
    return Change("removed", term, old.label(node), replaced_by=heirs)


def _other_names(store: Store, node: int) -> set[str]:
    return {
        name.text
        for name in store.names(node)
        if name.kind != IDENTIFIER and (name.kind == LABEL) <= (name.text != store.label(node))
    }


def _said(store: Store, node: int) -> tuple[set[str], set[Statement]]:
    """Ids of parents, and all other statements but replacements."""
    parents: set[str] = set()
    facts: set[Statement] = set()
    for fact in store.facts(node):
        if fact.relation in store.head["hierarchy"]:
            parents.add(store.id(fact.object))
        elif fact.relation != REPLACED_BY:
            facts.add((fact.relation, store.id(fact.object), store.label(fact.object)))
    return parents, facts


def _without(facts: Set[Statement], others: Set[Statement]) -> set[Statement]:
    known = {(relation, identifier or name) for relation, identifier, name in others}
    return {fact for fact in facts if (fact[0], fact[1] or fact[2]) not in known}


def _facts(facts: Set[Statement]) -> list[list[str]]:
    return [list(fact) for fact in sorted(facts)]


def _both(old: Set[str], new: Set[str]) -> Both:
    return Both(_sorted(new - old), _sorted(old - new))


def _sorted(values: Set[str]) -> list[str]:
    return sorted(values)


def told(change: Change) -> Iterator[str]:
    """A change in a line or a few, for people."""
    mark = {"added": "+", "changed": "~", "obsoleted": "-", "restored": "+", "removed": "-"}[change.change]
    heirs = f" -> {', '.join(change.replaced_by)}" if change.replaced_by else ""
    name = "" if change.name == change.id else f"  {change.name}"
    yield f"{mark} {change.change:<9} {change.id}{name}{heirs}"
    if change.renamed_from:
        yield f"    was called {change.renamed_from}"
    if change.change != "added":
        for part, both in (("name", change.names), ("parent", change.parents)):
            yield from (f"    + {part} {value}" for value in both.added)
            yield from (f"    - {part} {value}" for value in both.removed)
        for sign, facts in (("+", change.facts.added), ("-", change.facts.removed)):
            yield from (f"    {sign} {relation}: {name}" for relation, _, name in facts)
