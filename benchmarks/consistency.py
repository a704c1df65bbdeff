"""The consistency checker on planted claims: how many of each verdict it finds, and how many of its verdicts are right.

Sentence forms (consistency_forms.yaml) are filled from the example graphs of 158 diseases, in English and Chinese, with
objects that are true of the subject, false of it, or unknown to the graph; the verdict of each planted claim follows
from the triples alone. Forms held back while the checker was developed have rows of their own, by the rules and by the
learned reader (on all others that one was trained).

Run: python examples/medical/make_data.py; python benchmarks/consistency.py [--fills 6] [--no-judge]   (15 core-minutes)
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import ConsistencyConfig
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.source import Source
from deepseek_fusion.evaluation.consistency.checker import VERDICTS, Checker, Judgement, Verdict
from deepseek_fusion.evaluation.consistency.encoder.learned import TunedReader
from deepseek_fusion.evaluation.consistency.judge import train_judge
from deepseek_fusion.evaluation.consistency.reading.claims import Asked
from deepseek_fusion.evaluation.statistics.rates import rate
from deepseek_fusion.knowledge.build import statements
from deepseek_fusion.knowledge.graph import Graph, Relation
from deepseek_fusion.knowledge.language import fold
from deepseek_fusion.knowledge.sources.readers import read_knowledge
from deepseek_fusion.knowledge.store.ledger import compile_store
from deepseek_fusion.knowledge.store.store import Store
from record import Row, write_results

ROOT = Path(__file__).parent.parent
PROJECTS = {"en": "full.yaml", "zh": "zh.yaml"}
SEEDS = (0, 1, 2)
PRECISION, RECALL = 0.95, 0.9
PARTS = {"development": "seen in development", "fresh": "partly mended for", "held_back": "held back"}
SHARES = {"true": 0.4, "false": 0.35, "outside": 0.25}
NESTED = 0.3
"""Share of objects drawn from those whose name contains another or is contained in one."""
RELATIONS = {"s": "symptom", "m": "medication", "c": "icd10", "d": "specialty"}
OUTSIDE = {
    "en": {
        "s": "Hiccups|Blue Tongue|Drooling|Clubbed Fingers|Goosebumps|Teeth Grinding|Webbed Toes|Cracked Lips",
        "m": "Zaleplon|Ketoprofen|Mebendazole|Tizanidine|Nystatin|Flumazenil|Ginkgo Extract|Quinine|Miltefosine",
        "c": "Z99.8|Q12.3|H02.84|T88.7|J45|E11.65|R51|S72.001|W19",
        "d": "Geriatrics|Sports Medicine|Radiology|Nuclear Medicine|Palliative Care",
        "X": "Malaria|Cholera|Rabies|Yellow Fever|Whooping Cough|Scurvy|Leprosy|Bell's Palsy|Chickenpox|Botulism",
    },
    "zh": {
        "s": "打嗝|流口水|杵状指|磨牙|嘴唇干裂|匙状甲|蓝舌|脚趾蹼",
        "m": "扎来普隆|酮洛芬|甲苯咪唑|替扎尼定|制霉菌素|氟马西尼|银杏提取物|奎宁",
        "c": "Z99.8|Q12.3|H02.84|T88.7|J45|E11.65|R51|S72.001|W19",
        "d": "老年病科|运动医学科|放射科|核医学科|姑息治疗科",
        "X": "疟疾|霍乱|狂犬病|黄热病|百日咳|坏血病|麻风|贝尔麻痹|水痘|肉毒中毒",
    },
}
SLOT = re.compile(r"\{([!~]?)(?:([TX])\.)?([smcd])(\d)(\??)\}|\{([STX])\}")


@dataclass(frozen=True)
class Planted:
    """A claim that a text makes: the graph's names, or the words where the graph has none, and the right verdict."""

    subject: str
    object: str
    verdict: Verdict


@dataclass
class Text:
    """A filled form."""

    form: str
    text: str
    asked: Asked | None
    planted: list[Planted] = field(default_factory=list)


def main() -> None:
    """Check every filled form and write precision and recall of each verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fills", type=int, default=6, help="fills of each form and seed")
    parser.add_argument("--no-judge", action="store_true", help="do not train the NLI judge (minutes)")
    parser.add_argument("--show", action="store_true", help="only print the errors on the forms seen in development")
    options = parser.parse_args()
    forms = yaml.safe_load((Path(__file__).parent / "consistency_forms.yaml").read_text(encoding="utf-8"))
    rows: list[Row] = []
    for language, project in PROJECTS.items():
        graph = whole_graph(ROOT / "examples" / "medical" / project)
        checker, nested = Checker(graph), nested_names(graph)
        learned = None if options.show else Checker(graph, TunedReader.packaged())
        for part, called in list(PARTS.items())[: 1 if options.show else None]:
            chosen = forms[part][language]
            if not chosen:
                continue
            texts = [
                Filler(graph, nested, language, random.Random(f"{seed} {fill} {form['text']}")).fill(form)
                for form in chosen
                for seed in SEEDS
                for fill in range(options.fills)
            ]
            checked = [(text, checker.check(text.text, text.asked)) for text in texts]
            if options.show:
                show_errors(checked)
            rows += list(figures(f"{language}, {len(chosen)} forms {called}", checked))
            if learned and part == "held_back":
                checked = [(text, learned.check(text.text, text.asked)) for text in texts]
                rows += list(figures(f"{language}, {len(chosen)} forms {called}, learned reader", checked))
        if not options.no_judge and not options.show:
            rows += list(judge_figures(language, graph))
    if options.show:
        print(*(f"{row.ours:.3f}  {row.figure}" for row in rows), sep="\n")
        return
    write_results("consistency", ["benchmarks/consistency.py", *sys.argv[1:]], rows)


def judge_figures(language: str, graph: Graph) -> Iterator[Row]:
    """Train the in-domain judge once and report what it knows of subjects and phrasings that it has not seen."""
    with tempfile.TemporaryDirectory() as place:
        for folder in ("graph", "judge"):
            (Path(place) / folder).mkdir()
        graph.save(Path(place) / "graph")
        train_judge(Path(place) / "judge", ConsistencyConfig(), Artifact(Path(place) / "graph", "", "graph"))
        report = read_json(Path(place) / "judge" / "judge.json")
    cost = f"{report['parameters'] / 1e6:.1f} M parameters, {report['cpu_seconds']:.0f} CPU seconds; chance 0.33"
    for name, scores in report["held_out"].items():
        value = scores["accuracy"]
        yield Row(
            figure=f"accuracy of the in-domain NLI judge, {language}, unseen {name.replace('_', ' ')}",
            ours=value["value"],
            n=value["n"],
            seeds=(0,),
            interval=(value["low"], value["high"]),
            note=cost,
        )


def whole_graph(project: Path) -> Graph:
    """The facts of an example project, all of them."""
    config = load_config(project)
    files = Source(config.knowledge.sources, config.folder).files
    triples = statements(Store(compile_store(map(read_knowledge, files))))
    relations = {key: Relation.of(nouns) for key, nouns in config.knowledge.relations.items()}
    graph = Graph(tuple(triples), config.knowledge.subject_type, relations)
    return graph.with_triples(triple for triple in triples if triple.relation in relations)


def nested_names(graph: Graph) -> set[str]:
    """Objects whose name contains another or is contained in one."""
    names = {triple.object for triple in graph.triples}
    return {name for name in names if any(name != other and (other in name or name in other) for other in names)}


class Filler:
    """Draws names for one form and knows what becomes of each claim."""

    def __init__(self, graph: Graph, nested: set[str], language: str, rng: random.Random) -> None:
        self.language, self.rng, self.nested = language, rng, nested
        self.true: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self.objects: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for triple in graph.triples:
            self.true[triple.subject, triple.relation].append(triple.object)
            self.objects[triple.relation][triple.object] = None
        self.outside = {kind: names.split("|") for kind, names in OUTSIDE[language].items()}
        subjects = rng.sample(graph.subjects, 2)
        self.names = {"S": subjects[0], "T": subjects[1], "X": rng.choice(self.outside["X"])}
        self.drawn: dict[str, tuple[str, Planted]] = {}

    def fill(self, form: dict[str, Any]) -> Text:
        """The text with its planted claims."""
        asked = Asked(RELATIONS[form["asked"]], self.names["S"]) if "asked" in form else None
        text = Text(form["text"], SLOT.sub(self._slot, form["text"]), asked)
        text.planted = [planted for _, planted in self.drawn.values()]
        text.planted += [Planted("", words, "unknown") for words in form.get("other", ())]
        return text

    def _slot(self, found: re.Match[str]) -> str:
        mode, whose, kind, number, outside, name = found.groups()
        if name:
            return self.names[name]
        key = f"{whose}{kind}{number}"
        if key not in self.drawn:
            self.drawn[key] = self._draw(mode, whose or "S", kind, outside == "?" or kind != "d")
        return self.drawn[key][0]

    def _draw(self, mode: str, whose: str, kind: str, outside: bool) -> tuple[str, Planted]:
        subject, relation = self.names[whose], RELATIONS[kind]
        used = {same(planted.object) for _, planted in self.drawn.values()}
        true = [name for name in self.true[subject, relation] if same(name) not in used]
        truth = {same(name) for name in self.true[subject, relation]}
        false = [name for name in self.objects[relation] if same(name) not in truth | used]
        pools = {"true": true, "false": false, "outside": self.outside[kind] if outside else []}
        pools["outside"] = [name for name in pools["outside"] if same(name) not in used]
        available = [which for which in SHARES if pools[which]]
        which = self.rng.choices(available, [SHARES[each] for each in available])[0]
        nested = [name for name in pools[which] if name in self.nested]
        name = self.rng.choice(nested if nested and self.rng.random() < NESTED else pools[which])
        verdict: Verdict = {"true": "supported", "false": "contradicted", "outside": "unknown"}[which]  # type: ignore[assignment]
        if which == "outside" and kind in "cd":
            verdict = "contradicted"  # there is one code and one specialty, and it is another
        if mode == "!" and verdict != "unknown":
            verdict = "contradicted" if verdict == "supported" else "supported"
        if mode == "~" or whose == "X":
            verdict = "unknown"
        return self._written(name, kind), Planted(subject, name, verdict)

    def _written(self, name: str, kind: str) -> str:
        if self.language == "en" and kind in "sm" and self.rng.random() < 0.5 and not re.search(r"[A-Z]{2}|\d", name):
            return name.lower()
        return name


def same(name: str) -> str:
    """One form for the spellings of one thing: number, hyphens."""
    return fold(name).replace("-", " ").removesuffix("s")


def matched(text: Text, judgements: list[Judgement]) -> Iterator[tuple[Planted | None, Judgement | None]]:
    """Planted claims with what was read of them; None for a claim that was missed, or read where none is."""
    left = list(judgements)
    for planted in text.planted:
        found = next((judgement for judgement in left if says(judgement, planted)), None)
        if found:
            left.remove(found)
        yield planted, found
    for judgement in left:
        yield None, judgement


def says(judgement: Judgement, planted: Planted) -> bool:
    """The same object, and the same subject unless the right answer is that nothing is known."""
    claim = judgement.claim
    objects = {fold(reading[2]) for reading in claim.readings} | {fold(claim.object or "")}
    named = fold(planted.object) in objects or any(same(name) == same(planted.object) for name in objects)
    if planted.verdict == "unknown":
        return named or (fold(planted.object) in fold(claim.text) and not claim.readings)
    return named and claim.subject == planted.subject


def figures(part: str, checked: list[tuple[Text, list[Judgement]]]) -> Iterator[Row]:
    """Precision and recall of each verdict."""
    pairs = [(text.form, *pair) for text, judgements in checked for pair in matched(text, judgements)]
    for verdict in VERDICTS:
        said = [(form, planted) for form, planted, found in pairs if found and found.verdict == verdict]
        planted_so = [(form, found) for form, planted, found in pairs if planted and planted.verdict == verdict]
        precise = [planted is not None and planted.verdict == verdict for _, planted in said]
        recalled = [found is not None and found.verdict == verdict for _, found in planted_so]
        for name, right, forms, bar in (
            ("precision", precise, [form for form, _ in said], PRECISION),
            ("recall", recalled, [form for form, _ in planted_so], RECALL),
        ):
            value = rate(right, forms, 2000, 0)
            yield Row(
                figure=f"{name}, {verdict}, {part}",
                ours=value["value"],
                bar=f">= {bar}",
                holds=value["value"] >= bar,
                n=len(right),
                seeds=SEEDS,
                interval=(value["low"], value["high"]),
                note="interval: over forms",
            )


def show_errors(checked: list[tuple[Text, list[Judgement]]]) -> None:
    """Print what went wrong, one example a form."""
    failed: dict[str, list[str]] = {}
    for text, judgements in checked:
        wrong = [
            (planted, found)
            for planted, found in matched(text, judgements)
            if planted is None or found is None or planted.verdict != found.verdict
        ]
        lines = [f"  {text.text!r}"]
        for planted, found in wrong:
            claim = found and (found.verdict, found.reason, found.claim.subject, found.claim.relation)
            lines.append(
                f"  planted {planted}\n  found   {claim} {found and (found.claim.object, found.claim.negated)}"
            )
        if wrong:
            failed.setdefault(text.form, []).append("\n".join(lines))
    for form, examples in failed.items():
        print(f"\n{len(examples)} times: {form}\n{examples[0]}")


if __name__ == "__main__":
    main()
