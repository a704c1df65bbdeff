"""A question in tokens: which of them an attack may replace, and with what, so that the result is real text.

A unit is the shortest run of tokens that is whole characters: one token in English, several for a Chinese character
that the tokenizer spells in bytes. A unit is only ever replaced by one of as many tokens and of the same kind.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.robustness.question import Question, telling
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import Language as Tongue
from deepseek_fusion.models.loading import Language

MELTED = "the chat template changes the question"
FIXED = "no token that an attack may replace"

Unit = tuple[int, ...]
Kind = tuple[str, int]
"""What a unit is (see `_KINDS`) and of how many tokens."""

_KINDS: dict[Tongue, dict[str, re.Pattern[str]]] = {
    "en": {
        "spaced word": re.compile(" [A-Za-z]+"),
        "word": re.compile("[A-Za-z]+"),
        "mark": re.compile("[,.;:!?]"),
    },
    "zh": {"word": re.compile("[\u4e00-\u9fff]+"), "mark": re.compile("[，。；：！？、]")},
}


@dataclass(frozen=True)
class Target:
    """A question that the model answers rightly, under attack.

    Attributes:
        text: the question as it now reads.
        ids: the whole prompt, question and template, in tokens.
        units: (start, end) in `ids` of what may be replaced.
        template: what the chat template puts before and after the question.
        answer: the model's own right answer in tokens; attacks raise its loss.
        changed: places in `units` replaced so far, in order.
    """

    question: Question
    text: str
    ids: tuple[int, ...]
    units: tuple[tuple[int, int], ...]
    template: tuple[str, str]
    answer: tuple[int, ...]
    changed: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """The exam's own id of the question."""
        return self.question.item.id

    @property
    def open(self) -> list[int]:
        """Places in `units` that still hold what the exam asks."""
        return [place for place in range(len(self.units)) if place not in self.changed]

    def unit(self, place: int) -> Unit:
        """The tokens of one unit."""
        return self.ids[slice(*self.units[place])]

    def with_units(self, units: Mapping[int, Unit]) -> Target:
        """Other tokens at some places, whether or not they make text."""
        ids = list(self.ids)
        for place, unit in units.items():
            ids[slice(*self.units[place])] = unit
        return replace(self, ids=tuple(ids))


class Vocabulary:
    """What a unit may be replaced with, by kind: printable, in the script of the language, no special token, and
    spelt by the tokenizer in exactly these tokens.

    Raises:
        FusionError: when created, if the tokenizer is not of the fast kind, which alone tells where tokens stand.
    """

    def __init__(self, language: Language, graph: Graph) -> None:
        if not language.tokenizer.is_fast:
            raise FusionError(
                "model: its tokenizer does not tell where tokens stand in a text, so questions cannot be attacked; add "
                "tokenizer.json or set evaluation.robustness.questions to 0."
            )
        self.language, self.tongue = language, graph.language
        self.telling = telling(graph)

    @cached_property
    def candidates(self) -> Mapping[Kind, Tensor]:
        """For each kind, its units [C, n]."""
        found: defaultdict[Kind, dict[Unit, None]] = defaultdict(dict)
        special = set(self.language.tokenizer.all_special_ids)
        texts = [self.language.decode([token]) for token in range(len(self.language.tokenizer)) if token not in special]
        for text in [*texts, *(_common_characters() if self.tongue == "zh" else ())]:
            if name := self._kind(text):
                ids = tuple(self.language.encode(text))
                if self.language.decode(list(ids)) == text:
                    found[name, len(ids)][ids] = None
        return {
            (name, length): torch.tensor(list(units), device=self.language.device)
            for (name, length), units in found.items()
            if length == 1 or self.tongue == "zh"
        }

    def candidates_for(self, unit: Unit) -> Tensor:
        """What may stand instead of a unit, [C, n]; none for a unit of no kind."""
        name = self._kind(self.language.decode(list(unit)))
        none = torch.empty((0, len(unit)), dtype=torch.long, device=self.language.device)
        return self.candidates.get((name, len(unit)), none) if name else none

    def _kind(self, text: str) -> str | None:
        return next((name for name, pattern in _KINDS[self.tongue].items() if pattern.fullmatch(text)), None)

    def target(self, question: Question, answer: str) -> Target | str:
        """The question and the model's answer to it in tokens, or the reason why it cannot be attacked."""
        text = self.language.tokenizer.apply_chat_template(
            [{"role": "user", "content": question.prompt}], add_generation_prompt=True, tokenize=False
        )
        before, found, after = str(text).partition(question.prompt)
        if not found:
            return MELTED
        encoding = self.language.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, spans = tuple(encoding["input_ids"]), encoding["offset_mapping"]
        units = tuple(
            (first, last)
            for first, last in _units(spans)
            if self._free(question, spans[first][0] - len(before), spans[last - 1][1] - len(before))
            and len(self.candidates_for(ids[first:last])) > 1
        )
        if not units:
            return FIXED
        return Target(question, question.prompt, ids, units, (before, after), tuple(self.language.encode(answer)))

    def replaced(self, target: Target, units: Mapping[int, Unit]) -> Target | None:
        """The question with other tokens at some places, or None if nothing is new or the result is no text that asks
        the same: the tokenizer must read it as exactly these tokens, and nothing telling may come or go."""
        changed = tuple(dict.fromkeys((*target.changed, *(p for p, unit in units.items() if unit != target.unit(p)))))
        made = target.with_units(units)
        text = self._question(made)
        if made.ids == target.ids or text is None or not text.isprintable():
            return None
        before, after = made.template
        if self.language.encode(before + text + after) != list(made.ids) or _told(self.telling, text) != _told(
            self.telling, target.text
        ):
            return None
        return replace(made, text=text, changed=changed)

    def _question(self, target: Target) -> str | None:
        """The question inside a prompt, or None if some of it has melted into the template."""
        before, after = target.template
        text = str(self.language.tokenizer.decode(list(target.ids), clean_up_tokenization_spaces=False))
        inside = text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after)
        return text[len(before) : len(text) - len(after)] if inside else None

    @staticmethod
    def _free(question: Question, start: int, end: int) -> bool:
        """Whether characters [start, end) lie in the question and outside of what is kept."""
        inside = 0 <= start < end <= len(question.prompt)
        return inside and not any(start < last and first < end for first, last in question.kept)


@lru_cache(maxsize=1024)
def _told(telling: re.Pattern[str], text: str) -> frozenset[str]:
    return frozenset(found.casefold() for found in telling.findall(text))


def _units(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Runs of tokens whose characters do not overlap those of the next run."""
    start = 0
    for place in range(1, len(spans) + 1):
        if place == len(spans) or spans[place][0] >= max(end for _, end in spans[start:place]):
            yield start, place
            start = place


def _common_characters() -> Iterator[str]:
    """The 3,755 most common simplified characters (GB 2312-1980, level 1)."""
    for row in range(0xB0, 0xD8):
        for cell in range(0xA1, 0xFA if row == 0xD7 else 0xFF):
            yield bytes((row, cell)).decode("gb2312")
