"""What kind of mistake a wrong answer is, and which kinds pile up where."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from deepseek_fusion.evaluation.report.words import Json
from deepseek_fusion.knowledge.asking.matching import is_declined, is_mentioned
from deepseek_fusion.knowledge.language import fold

MISTAKES = ("declined", "answered", "partial", "other", "else")
"""Declined; answered what should have been declined; some of a list missing; what is true of another subject, or
another subject itself; anything else."""
_EXAMPLES = 3
_SUBJECTS = "\0subjects"
_STARTS = re.compile(r"[\u3400-\u9fff]|(?<![^\W\u3400-\u9fff])[^\W\u3400-\u9fff]")


class Mistakes:
    """Tells the kinds of mistakes apart by the facts of the card.

    Args:
        facts: rows with `id`, `subject`, `relation` and `object`.
    """

    def __init__(self, facts: Sequence[Json]) -> None:
        self.relations = {fact["id"]: fact["relation"] for fact in facts}
        self._objects: defaultdict[str, set[str]] = defaultdict(set)
        for fact in facts:
            self._objects[fact["relation"]].add(fold(fact["object"]))
        self._subjects = {fold(fact["subject"]) for fact in facts}
        self._lengths = {
            names: sorted({len(name) for name in pool})
            for names, pool in {**self._objects, _SUBJECTS: self._subjects}.items()
        }

    def relation(self, answer: Json) -> str:
        """The relation that a question asks about; empty where it asks for no fact."""
        return next((self.relations[fact] for fact in answer.get("facts", ()) if fact in self.relations), "")

    def kind(self, answer: Json) -> str:
        """The kind of mistake of a wrong answer."""
        if answer["family"] == "refusal":
            return "answered"
        if is_declined(answer["now"]):
            return "declined"
        found = [is_mentioned(answer["now"], [name]) for name in answer["gold"]]
        if any(found) and not all(found):
            return "partial"
        return "other" if self._names_another(answer) else "else"

    def _names_another(self, answer: Json) -> bool:
        pools = {self.relation(answer): self._objects[self.relation(answer)], _SUBJECTS: self._subjects}
        asked, given = fold(answer["prompt"]), fold(answer["now"])
        gold = {fold(name) for name in answer["gold"]}
        for start in _STARTS.finditer(given):
            for key, pool in pools.items():
                for length in self._lengths.get(key, ()):
                    name = given[start.start() : start.start() + length]
                    if name in pool and name not in gold and name not in asked and is_mentioned(given, [name]):
                        return True
        return False


def cluster_mistakes(answers: Iterable[Json], mistakes: Mapping[str, str], relations: Mapping[str, str]) -> list[Json]:
    """Wrong answers of one family, relation and kind of mistake, the largest cluster first.

    Args:
        answers: the answers of the card.
        mistakes: answer id -> its kind of mistake.
        relations: answer id -> the relation it asks about.
    """
    clusters: defaultdict[tuple[str, str, str], list[Json]] = defaultdict(list)
    for answer in answers:
        if answer["id"] in mistakes:
            key = answer["family"], relations[answer["id"]], mistakes[answer["id"]]
            clusters[key].append(answer)
    rows = [
        {"family": family, "relation": relation, "mistake": mistake, "n": len(own), "examples": own[:_EXAMPLES]}
        for (family, relation, mistake), own in clusters.items()
    ]
    return sorted(rows, key=lambda row: -row["n"])
