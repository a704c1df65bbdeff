"""Where the learned reader overrules the rules: in what is said of a mention, of whom, and whether anything is."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from deepseek_fusion.evaluation.consistency.encoder.masking import Masked, Mention
from deepseek_fusion.evaluation.consistency.reading.claims import Claim

SAID = ("asserted", "denied", "open", "nothing")
"""What a text can do with a mention."""
_SURE = {"denied": 0.9, "open": 0.9, "nothing": 0.6, "something": 0.8, "subject": 0.7}
"""How sure it must be to overrule; chosen on forms that it was not trained on (experiments/LOG.md)."""


@dataclass(frozen=True)
class Opinion:
    """How likely each of `SAID` is of a mention, and each subject; None for nobody known."""

    said: tuple[float, ...]
    subjects: Mapping[str | None, float]

    @property
    def denied(self) -> float:
        """How likely it is denied, if it is asserted or denied."""
        return self.said[1] / max(self.closed, 1e-9)

    @property
    def open(self) -> float:
        """How likely it is left open."""
        return self.said[2]

    @property
    def closed(self) -> float:
        """How likely it is asserted or denied."""
        return self.said[0] + self.said[1]

    @property
    def nothing(self) -> float:
        """How likely nothing is said by it."""
        return self.said[3]


UNDECIDED = Opinion((0.25, 0.25, 0.25, 0.25), {None: 0.0})
"""Of what was not read; it overrules nothing."""


class OpinionReader(Protocol):
    """Has an opinion of each mention of each text."""

    def opinions(self, texts: Sequence[Masked]) -> list[list[Opinion]]: ...


def revised(
    claims: Sequence[Claim],
    opinions: Sequence[tuple[Mention, Opinion]],
    plain: str,
    objects: Container[tuple[str, str]],
    functional: Container[str | None],
) -> list[Claim]:
    """The claims in the order of the text, some changed, some left out, some added.

    Args:
        claims: as the rules read them, repeated ones too.
        plain: the plain lines of the answer.
        objects: (relation, object) pairs of the graph.
        functional: relations with one object for each subject, where a denial of any words has a verdict.
    """
    found: list[Claim] = []
    used: set[Mention] = set()
    for claim in claims:
        about = [(mention, opinion) for mention, opinion in opinions if _is_of(claim, mention)]
        used |= {mention for mention, _ in about}
        if not about:
            found.append(claim)
        elif about[0][0].kind == "item":
            found.append(_of_item(claim, about[0][1], objects))
        else:
            found += _of_words(claim, min((opinion for _, opinion in about), key=lambda one: one.nothing), functional)
    found += _added(opinions, used, plain)
    return sorted(found, key=lambda claim: claim.place[0])


def _is_of(claim: Claim, mention: Mention) -> bool:
    if mention.kind == "item":
        return mention.place == claim.place
    return mention.place[0] < claim.place[1] and mention.place[1] > claim.place[0]


def _of_item(claim: Claim, opinion: Opinion, objects: Container[tuple[str, str]]) -> Claim:
    claim = _said(claim, opinion)
    subject = max(opinion.subjects, key=lambda name: opinion.subjects[name])
    if subject == claim.subject or opinion.subjects[subject] <= _SURE["subject"]:
        return claim
    if subject is None:
        return replace(claim, subject=None, readings=()) if claim.readings else claim
    pairs = dict.fromkeys((relation, name) for _, relation, name in claim.readings)
    if not pairs and (claim.relation or "", claim.object or "") in objects:
        pairs[claim.relation or "", claim.object or ""] = None
    return replace(claim, subject=subject, readings=tuple((subject, *pair) for pair in pairs))


def _of_words(claim: Claim, opinion: Opinion, functional: Container[str | None]) -> Iterator[Claim]:
    if opinion.nothing <= _SURE["nothing"]:
        yield _said(claim, opinion) if claim.relation in functional else claim


def _said(claim: Claim, opinion: Opinion) -> Claim:
    denied = opinion.denied
    if max(denied, 1 - denied) > _SURE["denied"]:
        claim = replace(claim, negated=denied > 0.5)
    if max(opinion.open, opinion.closed) > _SURE["open"]:
        claim = replace(claim, open=opinion.open > opinion.closed)
    return claim


def _added(opinions: Sequence[tuple[Mention, Opinion]], used: Container[Mention], plain: str) -> Iterator[Claim]:
    """Words that the rules passed over."""
    for mention, opinion in opinions:
        if mention.kind == "words" and mention not in used and 1 - opinion.nothing > _SURE["something"]:
            words = plain[slice(*mention.place)]
            subject = max(opinion.subjects, key=lambda name: opinion.subjects[name])
            yield Claim(words, subject, None, words, (), opinion.denied > 0.5, opinion.open > 0.5, mention.place)
