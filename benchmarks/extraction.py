"""Triples out of sentences: our small T5 and the dictionary with rules, on sentence forms and names never trained on.

The model learned from four in five of our own forms (forms.yaml of the room) and of those in consistency_forms.yaml
that are marked `development`, filled with invented names. Here both read
- forms that somebody else wrote and nobody here looked at (`held_back`),
- the fifth of the `development` forms that was kept from training,
- lines of simulated clinical notes, labelled by hand (extraction_notes.yaml),
with names of the example graphs (158 diseases, English and Chinese), and names that no dictionary has. A sentence
states what it asserts, true or not; what it denies or leaves open counts as wrong if it is read.

Run: python examples/medical/make_data.py; python benchmarks/extraction.py [--fills 6] [--seeds 0 1 2]
Train the packaged model: python benchmarks/extraction.py --train src/deepseek_fusion/knowledge/extraction/model
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from consistency import PROJECTS, RELATIONS, ROOT, SEEDS, Filler, Planted, nested_names, same, whole_graph
from deepseek_fusion.core.events import Console, listen
from deepseek_fusion.evaluation.statistics.rates import rate
from deepseek_fusion.knowledge.extraction.extractor import Extractor
from deepseek_fusion.knowledge.extraction.forms import forms_in, packaged_forms
from deepseek_fusion.knowledge.extraction.training import Forms, Recipe, train
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import Language
from record import Row, write_results

HERE = Path(__file__).parent
KEPT_EVERY = 5
LEAST = 0.3
Statement = tuple[str, str, str]


@dataclass(frozen=True)
class Text:
    """A text, what it states, and which of that names something that no dictionary has."""

    form: str
    text: str
    stated: frozenset[Statement]
    new: frozenset[Statement]


class Stating(Filler):
    """Fills a form and knows what it then states."""

    def __init__(self, graph: Graph, nested: set[str], language: str, rng: random.Random) -> None:
        super().__init__(graph, nested, language, rng)
        self.stated: list[tuple[Statement, bool]] = []

    def _draw(self, mode: str, whose: str, kind: str, outside: bool) -> tuple[str, Planted]:
        written, planted = super()._draw(mode, whose, kind, outside)
        if not mode:
            new = whose == "X" or planted.object in self.outside[kind]
            self.stated.append(((planted.subject, RELATIONS[kind], planted.object), new))
        return written, planted


def main() -> None:
    """Train, or examine both methods and write precision and recall."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fills", type=int, default=6, help="fills of each form")
    parser.add_argument("--seeds", type=int, nargs="*", default=[], help="train a model for each, beside the packaged")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--train", metavar="FOLDER", type=Path, help="only train, with seed 0, into this folder")
    parser.add_argument("--show", action="store_true", help="print the errors on the development forms that were kept")
    options = parser.parse_args()
    recipe = Recipe(steps=options.steps)
    if options.train:
        started = time.process_time()
        with listen(Console()):
            print(train(options.train, trained_forms(), recipe), f"{time.process_time() - started:.0f} CPU seconds")
        return
    with tempfile.TemporaryDirectory() as place:
        models: list[str | None] = [None]
        for seed in options.seeds:
            train(Path(place) / str(seed), trained_forms(), Recipe(recipe.steps, seed))
            models.append(str(Path(place) / str(seed)))
        rows = [row for language in PROJECTS for row in measured(language, models, options)]
    if not options.show:
        write_results("extraction", ["benchmarks/extraction.py", *sys.argv[1:]], rows)


def all_forms() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The forms of the other benchmark."""
    forms: dict[str, dict[str, list[dict[str, Any]]]] = yaml.safe_load(
        (HERE / "consistency_forms.yaml").read_text(encoding="utf-8")
    )
    return forms


def is_kept(form: str) -> bool:
    """It is in no training."""
    return hashlib.sha256(form.encode()).digest()[0] % KEPT_EVERY == 0


def trained_forms() -> Forms:
    """What the packaged model learned from."""
    written = all_forms()["development"]
    languages = cast("tuple[Language, ...]", tuple(PROJECTS))
    return {
        language: [form for form in packaged_forms(language) + forms_in(written[language]) if not is_kept(form)]
        for language in languages
    }


def measured(language: str, models: Sequence[str | None], options: argparse.Namespace) -> Iterator[Row]:
    """Both methods on every part."""
    graph = whole_graph(ROOT / "examples" / "medical" / PROJECTS[language])
    forms = all_forms()
    kept = [row for row in forms["development"][language] if is_kept(row["text"])]
    parts = {
        "forms somebody else wrote": filled(forms["held_back"][language], graph, language, options.fills),
        "our forms kept from training": filled(kept, graph, language, options.fills),
    }
    if language == "en":
        parts["lines of notes, by hand"] = notes()
    rules, taught = Extractor(graph), [Extractor(graph, "seq2seq", model) for model in models]
    for part, texts in parts.items():
        if options.show:
            if part.startswith("our"):
                show_errors(part, texts, taught[0])
            continue
        yield from figures(f"{language}, {part}", texts, [read(texts, each) for each in taught], read(texts, rules))


def filled(rows: Sequence[dict[str, Any]], graph: Graph, language: str, fills: int) -> list[Text]:
    """Forms filled with the graph's names; answers to a question need it to be read and are left out."""
    nested = nested_names(graph)
    texts = []
    for row in rows:
        for fill in range(fills):
            if "asked" in row:
                continue
            filler = Stating(graph, nested, language, random.Random(f"{fill} {row['text']}"))
            text = filler.fill(row).text
            stated = {key(*statement): new for statement, new in filler.stated}
            texts.append(
                Text(row["text"], text, frozenset(stated), frozenset(each for each, new in stated.items() if new))
            )
    return texts


def notes() -> list[Text]:
    """Lines of clinical notes with what they state."""
    rows = yaml.safe_load((HERE / "extraction_notes.yaml").read_text(encoding="utf-8"))
    return [
        Text(row["text"], row["text"], frozenset(key(*each) for each in row.get("states", ())), frozenset())
        for row in rows
    ]


def key(subject: str, relation: str, value: str) -> Statement:
    """A statement in one spelling."""
    return same(subject), relation, same(re.sub(r"\s+", " ", value))


def read(texts: Sequence[Text], extractor: Extractor) -> list[set[Statement]]:
    """What is read out of each text."""
    found: list[set[Statement]] = [set() for _ in texts]
    for each in extractor.extract(((str(place), text.text) for place, text in enumerate(texts)), LEAST):
        found[int(each.document)].add(key(*each.statement))
    return found


def figures(
    part: str, texts: Sequence[Text], ours: Sequence[list[set[Statement]]], peer: list[set[Statement]]
) -> Iterator[Row]:
    """Precision and recall, of all and of each relation, and the recall of names that no dictionary has."""
    relations = sorted({each[1] for text in texts for each in text.stated})
    for name, which in [("", None), *((f" of {relation}", relation) for relation in relations)]:
        for measure in ("precision", "recall"):
            yield row_of(f"{measure}{name}, {part}", texts, ours, peer, measure, which, only_new=False)
    if any(text.new for text in texts):
        yield row_of(f"recall of names in no dictionary, {part}", texts, ours, peer, "recall", None, only_new=True)


def row_of(
    figure: str,
    texts: Sequence[Text],
    ours: Sequence[list[set[Statement]]],
    peer: list[set[Statement]],
    measure: str,
    relation: str | None,
    only_new: bool,
) -> Row:
    """One figure; the interval is that of the packaged model over forms, the note has other seeds."""
    values = [rated(texts, found, measure, relation, only_new) for found in [*ours, peer]]
    seeds = ", ".join(f"{value['value']:.3f}" for value in values[1:-1])
    return Row(
        figure=figure,
        ours=values[0]["value"],
        peer=values[-1]["value"],
        peer_name="dictionary with rules (the default); its rules were mended on `our forms`",
        n=int(values[0]["n"]),
        seeds=SEEDS[:1] if not seeds else (),
        interval=(values[0]["low"], values[0]["high"]),
        note="interval: over forms" + (f"; models of other seeds: {seeds}" if seeds else ""),
    )


def rated(
    texts: Sequence[Text], found: list[set[Statement]], measure: str, relation: str | None, only_new: bool
) -> dict[str, float | int]:
    """Share of right ones among what was read, or of what was read among what is stated."""
    right, forms = [], []
    for text, read in zip(texts, found, strict=True):
        wanted = text.new if only_new else text.stated
        asked, against = (read, text.stated) if measure == "precision" else (wanted, read)
        for each in asked:
            if relation is None or each[1] == relation:
                right.append(each in against)
                forms.append(text.form)
    return rate(right, forms, 2000, 0)


def show_errors(part: str, texts: Sequence[Text], extractor: Extractor) -> None:
    """Print one wrong text a form."""
    seen = set()
    for text, found in zip(texts, read(texts, extractor), strict=True):
        if found != text.stated and text.form not in seen:
            seen.add(text.form)
            print(f"\n{part}: {text.text!r}\n  too much {found - text.stated}\n  missing  {text.stated - found}")


if __name__ == "__main__":
    main()
