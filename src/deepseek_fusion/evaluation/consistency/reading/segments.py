"""The segments of a sentence and the items in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from deepseek_fusion.evaluation.consistency.reading.scanning import Mark

LIST_WORDS = {"glue", "not", "no", "yes"}
"""What may stand beside an item of a list."""
_LONG_GLUE = 8
"""Letters of a phrase of grammar that is more than a preposition."""
_ADVERBIAL = re.compile(
    r"(?:[a-z]+ly )?(?:in|on|at|for|since|during|from|to|until|after|before|when|if|because|contrary|despite|"
    r"regardless|depending|thanks|owing|given|according|among|under|over|throughout|across|beyond|judging|strictly|generally)\b"
    r"|在|从|自|当(?!然)|对于|为了|\d+ ?年",
    re.IGNORECASE,
)
"""What begins like this says when, where or why, not what."""
_SOURCE = re.compile(r"(?:based on|according to|judging (?:by|from)|as an?)\b|作为|根据|按照|依据", re.IGNORECASE)
CONDITION = re.compile(
    r"(?:when|whenever|if|once|unless|because|since|after|before|as soon as|as)\b"
    r"|如果|若|当|只要|一旦|要是|倘若|假如|每当|既然|由于|因为|自从",
    re.IGNORECASE,
)
"""A clause that begins like this says under which conditions; of the subject in it, it says nothing."""
_RELATIVE = re.compile(r"(?:(?:for|in|of|with|by|from) )?(?:which|who|whom|whose|where)\b", re.IGNORECASE)
_COMMENT = re.compile(r"(?:that|this) (?:is|was)\b|这|那|此", re.IGNORECASE)
_PREPOSITION = re.compile(r"\b(?:of|with|about)(?: the| an?)? $", re.IGNORECASE)
_BEFORE_SUBJECT = re.compile(
    r"(?:\b(?:of|for|in|against|regarding|having|has|have|like)"
    r"|\b(?:patients?|people|persons?|someone|those|cases?|individuals?|sufferers?) with)(?: the| an?)? $",
    re.IGNORECASE,
)


@dataclass
class Item:
    """Something that is said of a subject."""

    mark: Mark
    as_subject: bool = False
    subjects: tuple[str, ...] = ()
    negated: bool = False
    open: bool = False


@dataclass
class Segment:
    """What stands between two separators of a sentence.

    Attributes:
        joiner: the kind of separator before it: and, or, turn; empty at the beginning.
        clause: a comma of Chinese stands before it, which ends what an enumeration comma (、) would go on with.
        leads: a colon follows, and what it leads to.
        stranger: a subject in it that the graph does not know, where the sentence has others that it does.
        subjects: whom it speaks of, once found.
    """

    marks: list[Mark]
    joiner: str
    items: list[Item] = field(default_factory=list)
    subjects: tuple[str, ...] = ()
    negated: bool = False
    open: bool = False
    leads: bool = False
    clause: bool = False
    stranger: str | None = None

    def find(self, *kinds: str) -> list[Mark]:
        """The marks of these kinds."""
        return [mark for mark in self.marks if mark.kind in kinds]

    def subject_marks(self) -> list[Mark]:
        """Names of subjects that it speaks of; one that it sets apart is none."""
        if self.find("apart"):
            return []
        taken = {item.mark for item in self.items}
        return [mark for mark in self.find("name") if mark.meaning.subjects and mark not in taken]

    def names_subject(self) -> bool:
        """It names a subject to speak of."""
        return bool(self.subject_marks())

    def own_subjects(self) -> tuple[str, ...]:
        """The subjects that it names itself."""
        if self.stranger:
            return (self.stranger,)
        return tuple(name for mark in self.subject_marks() for name in sorted(mark.meaning.subjects))

    def all_subjects(self) -> tuple[str, ...]:
        """The subjects in it, also those that it sets apart."""
        taken = {item.mark for item in self.items}
        marks = [mark for mark in self.find("name") if mark not in taken]
        return tuple(name for mark in marks for name in sorted(mark.meaning.subjects))

    def antecedent(self) -> tuple[str, ...]:
        """The last subject in it: the one that a relative clause goes on with."""
        return self.all_subjects()[-1:]

    def is_condition(self, text: str) -> bool:
        """It begins with `if` or the like."""
        return CONDITION.match(text, self.marks[0].start) is not None

    def is_plain_heading(self) -> bool:
        """A heading that names no relation of the graph: `Drugs: ...`."""
        return self.leads and all(mark.kind in ("light", "glue") for mark in self.marks)

    def is_relative(self, text: str) -> bool:
        """It begins with `which` or the like."""
        return _RELATIVE.match(text, self.marks[0].start) is not None

    def subject_of(self, item: Item) -> tuple[str, ...]:
        """The nearest subject before the item, else the first after it."""
        marks = self.subject_marks()
        if len(marks) <= 1:
            return self.subjects
        before = [mark for mark in marks if mark.start < item.mark.start]
        return tuple(sorted((before[-1] if before else marks[0]).meaning.subjects))

    def subject_first(self) -> bool:
        """Its subject stands before its first item."""
        marks = self.subject_marks()
        return self.stranger is not None or (
            bool(marks) and (not self.items or marks[0].start < self.items[0].mark.start)
        )

    def begins_with_subject(self) -> bool:
        """Nothing but grammar stands before its subject."""
        rest = [mark for mark in self.marks if mark.kind != "glue"]
        return bool(rest) and rest[0] in self.subject_marks()

    def is_subject_alone(self) -> bool:
        """A subject of which nothing is said here."""
        return self.names_subject() and all(m.kind == "glue" or m in self.subject_marks() for m in self.marks)

    def is_list_item(self) -> bool:
        """Nothing but one item, known or not, and words that can stand in a list."""
        rest = [mark for mark in self.marks if mark.kind not in LIST_WORDS]
        if self.items:
            closed = len(rest) == 2 and rest[1].kind == "noun" and rest[1] is self.marks[-1]  # `... 等症状`
            return (closed or len(rest) == 1) and rest[0] is self.items[0].mark
        return bool(rest) and all(mark.kind == "word" for mark in rest) and len(list(self.runs())) == 1

    def runs(self) -> Iterator[list[Mark]]:
        """Unknown words that stand next to each other; single Han characters say nothing."""
        run: list[Mark] = []
        for mark in [*self.marks, None]:
            if mark and mark.kind == "word" and (not run or mark.start - run[-1].end <= 1):
                run.append(mark)
                continue
            if run and (len(run) > 1 or run[0].end - run[0].start > 1):
                yield run
            run = [mark] if mark and mark.kind == "word" else []

    def says_something(self, text: str) -> bool:
        """It has words that are not understood, and is not just talk, a heading or `in 2019`."""
        runs = list(self.runs())
        if not runs or self.leads:
            return False
        opening = text[self._opening() :]
        if _SOURCE.match(text, self.marks[0].start) and not self.names_subject():
            return False
        if self.names_subject():
            if self._is_fragment(runs, text) or _COMMENT.match(
                opening
            ):  # `that is how Gout begins` comments on what was said
                return False
            return not CONDITION.match(opening) or runs[-1][0].start > self._last_verb(runs) > -1
        if _RELATIVE.match(opening) or (self.joiner and opening.startswith("as ")):
            return len(runs) == 1 and bool(self.find("noun", "light"))
        if self.says_what(runs, self.is_condition(text)):
            return True
        if not self.find("noun") and _ADVERBIAL.match(opening):
            return False
        if any(mark.start > runs[-1][0].start for mark in self.find("open")):
            return False
        people = self.find("person")
        if people and runs[0][-1].end < people[0].start and self.find("copula"):  # `Quinine would be my choice`
            return all(mark.kind == "glue" for mark in self.marks[: self.marks.index(runs[0][0])])
        said = [
            mark.start for mark in self.find("light", "copula", "open") if not people or mark.start > people[-1].start
        ]
        return not people or (bool(said) and runs[-1][0].start > said[0])

    def _is_fragment(self, runs: list[list[Mark]], text: str) -> bool:
        """`History of Gout`, `Pt with Gout`: no verb, and the subject ends it."""
        last = self.marks[-1]
        verbs = self.find("light", "copula", "pronoun", "person", "not", "open")
        if self.joiner or verbs or last not in self.subject_marks():
            return False
        return runs[-1][-1].end < last.start and _PREPOSITION.search(text[: last.start]) is not None

    def _opening(self) -> int:
        """Where it begins, without phrases such as `in the end`."""
        spoken = (mark for mark in self.marks if mark.kind != "glue" or mark.end - mark.start < _LONG_GLUE)
        return next(spoken, self.marks[0]).start

    def _last_verb(self, runs: list[list[Mark]]) -> int:
        """Where the last verb stands that follows a subject and is followed by an unknown word; -1 without one."""
        subject = min((mark.start for mark in self.subject_marks()), default=-1)
        verbs = [mark.start for mark in self.find("light", "noun") if subject < mark.start < runs[-1][0].start]
        return verbs[-1] if verbs else -1

    def says_what(self, runs: list[list[Mark]], conditional: bool) -> bool:
        """`If a person shows Blue Tongue`, `if Blue Tongue appears`: one thing is unknown, a verb beside it."""
        if len(runs) != 1 or self.find("person"):
            return False
        if runs[0][-1] is not self.marks[-1]:
            return conditional and self.marks[-1].kind == "light"
        before = [mark for mark in self.marks[: self.marks.index(runs[0][0])] if mark.kind != "glue"]
        return bool(before) and before[-1].kind == "light"

    def text(self, sentence: str) -> str:
        """Its words in the sentence."""
        return sentence[self.marks[0].start : self.marks[-1].end]

    def words(self, sentence: str) -> str:
        """From the first unknown word to the last."""
        runs = list(self.runs())
        return sentence[runs[0][0].start : runs[-1][-1].end]

    def is_definition(self, noun: Mark, item: Mark) -> bool:
        """Only grammar and subjects stand between the noun and the item: `the symptoms of Gout are ...`."""
        if noun.start > item.start:
            return False
        between = [mark for mark in self.marks if noun.start < mark.start < item.start]
        return all(mark.kind in ("copula", "glue", "not") or mark in self.subject_marks() for mark in between)

    def comes_first(self, run: list[Mark]) -> bool:
        """The run stands where a Chinese subject does: before any noun of a relation or copula, and after no verb but
        one that subjects follow."""
        before = self.marks[: self.marks.index(run[0])]
        if any(mark.kind in ("noun", "copula") for mark in before) or (before and before[-1].kind == "and"):
            return False
        return not self.items or run[0].start < self.items[0].mark.start or not before

    def can_be_subject(self, run: list[Mark], text: str) -> bool:
        """The run begins the segment and a verb follows, or it stands after a preposition that subjects follow."""
        place = self.marks.index(run[0])
        if place == 0:
            after = self.marks[len(run) :]
            return not after or after[0].kind in ("copula", "light", "glue", "not")
        return _BEFORE_SUBJECT.search(text[: run[0].start]) is not None
