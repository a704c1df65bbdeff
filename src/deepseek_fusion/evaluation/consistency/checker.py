"""Each claim is checked against the graph: supported, contradicted or unknown.

The graph is an open world with closed corners. What it says nothing about is unknown. But a (subject, relation) that
it does describe is a complete list: a name that the graph knows and that is not in the list is contradicted. A relation
with one object for each subject leaves room for no other value, known to the graph or not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Literal

from deepseek_fusion.evaluation.consistency.encoder.masking import masked
from deepseek_fusion.evaluation.consistency.encoder.revision import OpinionReader, revised
from deepseek_fusion.evaluation.consistency.reading.claims import Asked, Claim, ClaimReader, once
from deepseek_fusion.evaluation.consistency.reading.layout import plain_lines
from deepseek_fusion.evaluation.consistency.reading.names import lowered, plain
from deepseek_fusion.knowledge.graph import Graph, Triple

Verdict = Literal["supported", "contradicted", "unknown"]
VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "unknown")
Reason = Literal[
    "stated", "not_in_list", "other_value", "left_open", "subject", "relation", "object", "no_list", "cut_off"
]

_FEWEST_FUNCTIONAL = 3
"""Subjects that a relation needs, each with one object, before it counts as having one by nature."""


@dataclass(frozen=True)
class Judgement:
    """A claim and what the graph says to it.

    Attributes:
        reason: `stated` (the triple is in the graph), `not_in_list` (the list is known and does not hold it),
            `other_value` (there is exactly one value, and it is another); or what keeps it unknown: `left_open` by
            the answer itself, or a `subject`, `relation` or `object` that the graph does not know, or `no_list` for
            this subject and relation, or the answer was `cut_off` within a name. A negated claim has the verdict turned
            and the same reason.
        evidence: the triples that it rests on.
    """

    claim: Claim
    verdict: Verdict
    reason: Reason
    evidence: tuple[Triple, ...] = ()


class Checker:
    """Reads answers and checks their claims against one graph.

    Args:
        learned: overrules the rules of reading where it is sure; without it the rules read alone.
    """

    def __init__(self, graph: Graph, learned: OpinionReader | None = None) -> None:
        self.graph, self.learned = graph, learned
        self.reader = ClaimReader(graph)
        self.objects = {(triple.relation, triple.object) for triple in graph.triples}
        self.lists: defaultdict[tuple[str, str], list[Triple]] = defaultdict(list)
        for triple in graph.triples:
            self.lists[triple.subject, triple.relation].append(triple)
        self.functional = functional_relations(graph)
        self.coded = {
            relation
            for relation in self.functional
            if all(re.search(r"\d", triple.object) for triple in graph.triples if triple.relation == relation)
        }

    def check(self, answer: str, asked: Asked | None = None) -> list[Judgement]:
        """Every claim of an answer with its verdict."""
        found = [self.judge(claim) for claim in self._claims(answer, asked)]
        if found and self._is_cut_off(found[-1].claim, answer):
            found[-1] = Judgement(found[-1].claim, "unknown", "cut_off")
        return found

    def _claims(self, answer: str, asked: Asked | None) -> list[Claim]:
        passages = list(self.reader.passages(answer, asked))
        claims = [claim for passage in passages for claim in passage.claims]
        if self.learned is None or not passages or (asked and asked.object):  # it has not learned to read backwards
            return once(claims)
        plain_text = plain_lines(answer)
        texts = list(masked(plain_text, passages, asked, self.graph))
        pairs = zip(texts, self.learned.opinions(texts), strict=True)
        opinions = [pair for text, said in pairs for pair in zip(text.mentions, said, strict=True)]
        return once(revised(claims, opinions, plain_text, self.objects, self.functional))

    def _is_cut_off(self, claim: Claim, answer: str) -> bool:
        """The answer ends within one of the graph's names."""
        begun = lowered(plain(claim.object or ""))
        if claim.readings or not begun or re.search(r"\d", begun) or not lowered(plain(answer)).endswith(begun):
            return False  # a shorter code is another code
        return any(name.startswith(begun) for name in self.reader.scanner.names.meanings)

    def judge(self, claim: Claim) -> Judgement:
        """One claim. Where names leave several readings, it is supported if one is, and contradicted if all are."""
        if claim.open:
            return Judgement(claim, "unknown", "left_open")
        if not claim.readings:
            return self._without_names(claim)
        for reading in claim.readings:
            if found := [triple for triple in self.lists.get(reading[:2], ()) if triple.object == reading[2]]:
                claim = replace(claim, subject=reading[0], relation=reading[1], object=reading[2])
                return Judgement(claim, _turned("supported", claim.negated), "stated", tuple(found))
        listed = [self.lists.get(reading[:2], []) for reading in claim.readings]
        if not all(listed):
            return Judgement(claim, "unknown", "no_list")
        reason: Reason = "other_value" if claim.relation in self.functional else "not_in_list"
        evidence = tuple(dict.fromkeys(triple for triples in listed for triple in triples))
        return Judgement(claim, _turned("contradicted", claim.negated), reason, evidence)

    def _without_names(self, claim: Claim) -> Judgement:
        """At least one of the names is not the graph's."""
        if claim.subject is None or claim.subject not in self.reader.subjects:
            return Judgement(claim, "unknown", "subject")
        if claim.relation is None:
            return Judgement(claim, "unknown", "relation")
        known = self.lists.get((claim.subject, claim.relation))
        if known is None:
            return Judgement(claim, "unknown", "no_list")
        value = claim.relation not in self.coded or re.search(r"\d", claim.object or "")
        if claim.relation in self.functional and value:
            return Judgement(claim, _turned("contradicted", claim.negated), "other_value", tuple(known))
        return Judgement(claim, "unknown", "object")


def functional_relations(graph: Graph) -> set[str]:
    """Relations that give every subject exactly one object, seen on at least three subjects."""
    counts = Counter((triple.subject, triple.relation) for triple in graph.triples)
    subjects = Counter(relation for _, relation in counts)
    several = {relation for (_, relation), count in counts.items() if count > 1}
    return {relation for relation, count in subjects.items() if count >= _FEWEST_FUNCTIONAL} - several


def _turned(verdict: Verdict, negated: bool) -> Verdict:
    if not negated:
        return verdict
    return "contradicted" if verdict == "supported" else "supported"
