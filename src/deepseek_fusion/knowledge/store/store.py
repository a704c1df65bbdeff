"""A store, opened: find a term under any of its names, and walk along its facts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from deepseek_fusion.knowledge.language import fold
from deepseek_fusion.knowledge.sources.knowledge import Origin
from deepseek_fusion.knowledge.store.ledger import name_hash
from deepseek_fusion.knowledge.store.tables import IDENTIFIER, Numbers, Tables, column, strings
from deepseek_fusion.knowledge.store.tree import slices

Direction = Literal["forward", "backward"]


class NameOf(NamedTuple):
    """One name of a node: its language tag, and whether it is `LABEL`, `SYNONYM` or `IDENTIFIER`."""

    text: str
    language: str
    kind: int


class StoredFact(NamedTuple):
    """A fact between two nodes."""

    subject: int
    relation: str
    object: int
    origin: Origin


class Store:
    """Terms, names and facts. Nodes are numbers from 0, the same for as long as the store exists.

    Attributes:
        head: counts, relations, languages, sources, versions of files, and notes on what was left out.
        kinds: `NAME`, `TERM` or `TEXT` for every node, [nodes].
        obsolete: whether it was withdrawn, [nodes].
        depths: the fewest steps from a root, -1 outside the hierarchy, [nodes].
    """

    def __init__(self, tables: Tables) -> None:
        self.tables, self.head = tables, tables.head
        nodes, names = tables.nodes, tables.names
        self.kinds = column(nodes, "kind")[:-1]
        self.obsolete = column(nodes, "obsolete")[:-1].astype(bool)
        self.depths = column(nodes, "depth")[:-1]
        self._ids, self._labels, self._texts = strings(nodes, "id"), strings(nodes, "label"), strings(names, "text")
        self._languages, self._name_starts = column(nodes, "language"), column(nodes, "names")
        self._starts = {"forward": column(nodes, "facts"), "backward": column(nodes, "backward")}
        self._names = {name: column(names, name) for name in names.column_names if name != "text"}
        self._facts = {name: column(tables.facts, name) for name in tables.facts.column_names}

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The store in an artifact's folder, mapped into memory.

        Raises:
            FusionError: there is none, or it is broken.
        """
        return cls(Tables.open(folder))

    def __len__(self) -> int:
        return len(self.kinds)

    def find(self, name: str) -> list[int]:
        """All nodes of this name in any language, whatever its case, width and spaces.

        Names written exactly so come first, then preferred names, then what is not obsolete.
        """
        hashes, hashed, folded = self._names["hashes"], np.uint64(name_hash(name)), fold(name)
        found: list[tuple[bool, int, bool, int]] = []
        for place in range(int(np.searchsorted(hashes, hashed)), len(hashes)):
            if hashes[place] != hashed:
                break
            row = int(self._names["hashed"][place])
            node, text = int(self._names["node"][row]), self._texts[row].as_py()
            if fold(text) == folded:
                found.append((text != name, int(self._names["kind"][row]), bool(self.obsolete[node]), node))
        return list(dict.fromkeys(node for *_, node in sorted(found)))

    def id(self, node: int) -> str:
        """What the node is known by: the id of a term, the name itself for a bare name; empty for a text."""
        return str(self._ids[node].as_py())

    def label(self, node: int) -> str:
        """Its name, in the language that was chosen, or the text itself."""
        return str(self._labels[node].as_py())

    def language(self, node: int) -> str:
        """The tag of the label's language; empty if its source gave none."""
        return str(self.head["languages"][self._languages[node]])

    def depth(self, node: int) -> int | None:
        """The fewest steps from a root; None outside the hierarchy."""
        depth = int(self.depths[node])
        return None if depth < 0 else depth

    def names(self, node: int) -> list[NameOf]:
        """All names, preferred ones first, then synonyms, then ids."""
        rows = range(int(self._name_starts[node]), int(self._name_starts[node + 1]))
        languages, kinds = self._names["language"], self._names["kind"]
        return [
            NameOf(self._texts[row].as_py(), self.head["languages"][languages[row]], int(kinds[row])) for row in rows
        ]

    def spoken(self, node: int) -> tuple[str, ...]:
        """The names that people use: the label, then all others that are no ids."""
        others = (name.text for name in self.names(node) if name.kind != IDENTIFIER)
        return tuple(dict.fromkeys([self.label(node), *others]))

    def parents(self, node: int) -> list[int]:
        """What stands right above a node."""
        return [int(other) for relation in self.head["hierarchy"] for other in self.step([node], relation)]

    def children(self, node: int) -> list[int]:
        """What stands right below a node."""
        return [int(other) for relation in self.head["hierarchy"] for other in self.step([node], relation, "backward")]

    def facts(self, node: int, direction: Direction = "forward") -> list[StoredFact]:
        """What is said of a node or, backward, with the node as the object; in the order of the files."""
        rows = self._rows(np.array([node]), direction)
        return [self._fact(int(row)) for row in rows[np.argsort(self._facts["rank"][rows])]]

    def all_facts(self, relations: Collection[str] | None = None) -> Iterator[StoredFact]:
        """Every fact, or those of some relations, in the order of the files."""
        rows = np.argsort(self._facts["rank"])
        if relations is not None:
            numbers = [self._numbers[relation] for relation in relations]
            rows = rows[np.isin(self._facts["relation"][rows], numbers)]
        return (self._fact(int(row)) for row in rows)

    def step(
        self, nodes: Numbers | Sequence[int], relation: str | None = None, direction: Direction = "forward"
    ) -> Numbers:
        """All nodes one fact away from some, each once, in the order of their numbers; two calls make two hops.

        Args:
            relation: only along this one, which must be in `head["relations"]`; along any if None.
        """
        rows = self._rows(np.asarray(nodes, np.int64), direction)
        if relation is not None:
            rows = rows[self._facts["relation"][rows] == self._numbers[relation]]
        reached = np.zeros(len(self), bool)
        reached[self._facts["object" if direction == "forward" else "subject"][rows]] = True
        return np.flatnonzero(reached)

    def names_with(self, text: str, most: int) -> list[str]:
        """Some names that contain a text; all names are looked through."""
        folded = fold(text)
        return [name for name in self._texts.to_pylist() if folded in fold(name)][:most]

    def _rows(self, nodes: Numbers, direction: Direction) -> Numbers:
        rows = slices(self._starts[direction], nodes)
        return rows if direction == "forward" else self._facts["backward"][rows]

    def _fact(self, row: int) -> StoredFact:
        facts, head = self._facts, self.head
        origin = Origin(
            head["sources"][facts["source"][row]],
            int(facts["line"][row]),
            round(float(facts["confidence"][row]), 6),
            head["times"][facts["time"][row]],
        )
        return StoredFact(
            int(facts["subject"][row]), head["relations"][facts["relation"][row]], int(facts["object"][row]), origin
        )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {relation: number for number, relation in enumerate(self.head["relations"])}
