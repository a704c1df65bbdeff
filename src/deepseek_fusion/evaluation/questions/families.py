"""The kinds of question an exam asks: each turns the facts of a graph into items."""

from __future__ import annotations

import itertools
import random
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import merge
from typing import Literal, get_args

from deepseek_fusion.evaluation.questions.phrasings import PHRASINGS, Phrasings
from deepseek_fusion.knowledge.asking.phrase import askable_backward, descriptions, fact_ids, join, leads_to, phrase
from deepseek_fusion.knowledge.asking.unknown import unanswerable
from deepseek_fusion.knowledge.graph import Graph, Group
from deepseek_fusion.knowledge.language import fold

Family = Literal["question", "paraphrase", "cloze", "reversed", "multihop", "choice", "negation", "numerals", "refusal"]
FAMILIES: tuple[Family, ...] = get_args(Family)
"""In the order of the card."""

ABSENT: dict[Family, str] = {
    "question": "no fact can be asked about",
    "paraphrase": "no fact can be asked about",
    "cloze": "no fact can be asked about",
    "reversed": "every object has more subjects than a list can name",
    "multihop": "no thing is described by one relation and asked about by another",
    "choice": "no relation has three objects that are wrong for a subject",
    "negation": "no relation has an object that is wrong for a subject",
    "numerals": "no object with a digit has another that is wrong for its subject",
    "refusal": "only the exam proper asks about invented subjects",
}
"""Why a family may have no item."""

DISTRACTORS = 3


@dataclass(frozen=True)
class Item:
    """One question of the exam.

    Attributes:
        chat: whether the prompt is a user's turn; otherwise it is text to be continued.
        facts: ids of the facts asked for; empty for refusals.
        gold: for each fact, its right answer under all names.
        expected: the whole answer as taught, used only to skip decoding when the model gives exactly it.
        options: candidate answers where the likeliest is taken as the answer; the first is right.
    """

    id: str
    family: Family
    prompt: str
    chat: bool
    facts: tuple[str, ...] = ()
    gold: tuple[tuple[str, ...], ...] = ()
    expected: str = ""
    options: tuple[str, ...] = ()


def chance(items: Iterable[Item]) -> float | None:
    """What guessing is worth on items with options; None where answers are written."""
    shares = [1 / len(item.options) for item in items if item.options]
    return sum(shares) / len(shares) if shares else None


@dataclass(frozen=True)
class Questions:
    """Every family on the facts `asked`; what is true or false is told by `whole`, which holds them.

    No wrong option is an answer that the model was `taught` for the subject: a control that learned false ones would
    find it the likeliest, and its score tell of the options. For all others that is what is true.
    """

    asked: Graph
    whole: Graph
    taught: Graph
    seed: int

    def written(self) -> Iterator[Item]:
        """`question` (each group in every phrasing), `paraphrase` (in one, drawn) and `cloze`."""
        groups = list(enumerate(self.asked.forward()))
        for number, template in enumerate(self._say.question):
            for index, group in groups:
                yield self._item(f"question-{number}-{index}", "question", self.asked, group, template)
        rng = random.Random(self.seed)
        for index, group in groups:
            template = rng.choice(self._say.paraphrase)
            yield self._item(f"paraphrase-{index}", "paraphrase", self.asked, group, template)
        for index, group in groups:
            yield self._item(f"cloze-{index}", "cloze", self.asked, group, self._say.cloze)

    def reversed(self) -> Iterator[Item]:
        """Any subject of which it is true is right, but only facts that are asked about are counted."""
        ours = set(map(self.asked.fact_id, self.asked.triples))
        for index, group in enumerate(askable_backward(self.whole)):
            pairs = zip(group.answers, fact_ids(self.whole, group), strict=True)
            if kept := tuple(subject for subject, fact in pairs if fact in ours):
                reduced = Group(group.anchor, group.relation, kept, "backward")
                yield self._item(f"reversed-{index}", "reversed", self.whole, reduced, self._say.reversed)

    def multihop(self) -> Iterator[Item]:
        """Two facts in a row: a thing is described, not named, and another of its relations is asked for.

        It is described by a fact that only it has (`the disease with the code J45`), or as the one thing that another
        is related to (`the parent of X`). No answer and no name of the thing stands in the prompt.
        """
        rng = random.Random(self.seed)
        ways = descriptions(self.whole)
        for index, group in enumerate(self.asked.forward()):
            fit = [way for way in ways[group.anchor] if leads_to(self.whole, way, group)]
            if fit:
                way = rng.choice(fit)
                template = self._say.by_object if way.direction == "backward" else self._say.by_subject
                item = self._item(f"multihop-{index}", "multihop", self.asked, group, self._say.multihop)
                described = phrase(self.whole, way, template)
                yield replace(item, prompt=f"{described}{self._say.space}{item.prompt}")

    def choices(self) -> Iterator[Item]:
        """One right answer against three wrong ones of the same relation, none of them true of the subject."""
        rng = random.Random(self.seed)
        for index, group in enumerate(self.asked.forward()):
            wrong = [*self._wrong(group, self._objects[group.relation])]
            if len(wrong) >= DISTRACTORS:
                for number, answer in enumerate(group.answers):
                    options = (answer, *rng.sample(wrong, DISTRACTORS))
                    yield self._optional(f"choice-{index}-{number}", "choice", group, answer, options, answer)

    def negations(self) -> Iterator[Item]:
        """Which is *not* true? One wrong object is right, against the fact's own and up to two others that are true.

        Options rather than yes and no: a small model's yes is mostly a habit, and requiring both polarities of a
        statement then leaves nothing to measure. A model that ignores the `not` falls below chance, which shows. A
        list of one gives two options, so short lists are asked about too; chance is that of each item.
        """
        rng = random.Random(self.seed)
        for index, group in enumerate(self.asked.forward()):
            wrong = [*self._wrong(group, self._objects[group.relation])]
            for number, answer in enumerate(group.answers if wrong else ()):
                others = [*group.answers[number + 1 :], *group.answers[:number]][: DISTRACTORS - 1]
                odd = rng.choice(wrong)
                options = (odd, answer, *others)
                yield self._optional(f"negation-{index}-{number}", "negation", group, answer, options, odd)

    def numerals(self) -> Iterator[Item]:
        """An answer with digits against up to three others of the relation that begin most like it, none of them true.

        All of them belong to some subject: against an invented number, to have seen the right one anywhere is enough.
        """
        for index, group in enumerate(self.asked.forward()):
            for number, answer in enumerate(group.answers):
                if _holds_digit(answer):
                    near = self._wrong(group, nearest(answer, self._numbered[group.relation]))
                    options = (answer, *itertools.islice(near, DISTRACTORS))
                    if len(options) > 1:
                        yield self._optional(f"numerals-{index}-{number}", "numerals", group, answer, options, answer)

    def refusals(self, count: int) -> Iterator[Item]:
        """Questions on things that do not exist, with names as hard to tell from real ones as we can make them."""
        rng = random.Random(self.seed)
        for index, group in enumerate(unanswerable(self.whole, count, self.seed, half=1)):
            unknown, forms = "subject", self._say.question
            if group.direction == "backward":
                unknown, forms = "object", (self._say.reversed,)
            prompt = phrase(self.whole, group, rng.choice(forms))
            yield Item(f"refusal-{unknown}-{index}", "refusal", prompt, chat=True)

    @property
    def _say(self) -> Phrasings:
        return PHRASINGS[self.whole.language]

    @cached_property
    def _objects(self) -> dict[str, dict[str, set[str]]]:
        """The objects of each relation in file order, in one spelling each, with all their names folded."""
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for triple in self.whole.triples:
            found[triple.relation].setdefault(fold(triple.object), triple.object)
        return {
            relation: {name: set(map(fold, self.whole.names_of(name))) for name in names.values()}
            for relation, names in found.items()
        }

    @cached_property
    def _numbered(self) -> dict[str, list[str]]:
        """The objects of each relation that hold a digit, sorted."""
        return {relation: sorted(filter(_holds_digit, names)) for relation, names in self._objects.items()}

    @cached_property
    def _taken(self) -> dict[tuple[str, str], set[str]]:
        """Folded names of everything that is true of a (subject, relation), or was taught."""
        found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for triple in (*self.whole.triples, *self.taught.triples):
            found[triple.subject, triple.relation].update(map(fold, self.whole.names_of(triple.object)))
        return found

    def _wrong(self, group: Group, names: Iterable[str]) -> Iterator[str]:
        """Those objects of the group's relation that are not true of its anchor and were not taught for it."""
        taken, objects = self._taken[group.anchor, group.relation], self._objects[group.relation]
        return (name for name in names if taken.isdisjoint(objects[name]))

    def _item(self, name: str, family: Family, graph: Graph, group: Group, template: str) -> Item:
        """A question whose answer is written: the group's answers as a list."""
        expected = join(graph, group)
        return Item(
            name,
            family,
            phrase(graph, group, template),
            chat=family != "cloze",
            facts=fact_ids(graph, group),
            gold=tuple(graph.names_of(answer) for answer in group.answers),
            expected=f" {expected}" if family == "cloze" and graph.language == "en" else expected,
        )

    def _optional(
        self, name: str, family: Family, group: Group, answer: str, options: Sequence[str], gold: str
    ) -> Item:
        """A question on one fact with options."""
        single = Group(group.anchor, group.relation, (answer,), "forward")
        prompt = phrase(self.asked, single, getattr(self._say, family))
        facts = fact_ids(self.asked, single)
        return Item(name, family, prompt, chat=True, facts=facts, gold=((gold,),), options=tuple(options))


def nearest(name: str, others: Sequence[str]) -> Iterator[str]:
    """The sorted `others`, those first that share the longest beginning with `name`."""
    spot = bisect(others, name)  # from here on it gets shorter to both sides
    return merge(others[:spot][::-1], others[spot:], key=lambda other: -_shared(name, other))


def _shared(name: str, other: str) -> int:
    """How many characters two names share at the beginning."""
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False))
    return sum(1 for _ in alike)


def _holds_digit(name: str) -> bool:
    return any(map(str.isdecimal, name))
