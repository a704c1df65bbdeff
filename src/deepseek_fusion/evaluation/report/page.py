"""The card as one HTML page: what the model knew, what it knows now, what it lost, and would we release it.

``parts/page.html.j2`` is the page and names its sections in order; the files of ``style/`` and ``script/`` are inlined
into it, ``words.yaml`` holds its words in both languages, and ``sentences.yaml`` the Chinese for what a card says in
English sentences. The modules here compute what the templates only place.
Nothing in the page is loaded from elsewhere, and what the card says becomes text, never markup or script.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from deepseek_fusion.evaluation.report import charts, verdict, words
from deepseek_fusion.evaluation.report.changes import changed_words
from deepseek_fusion.evaluation.report.facts import STATES, fact_grid, relation_names
from deepseek_fusion.evaluation.report.mistakes import MISTAKES, Mistakes, cluster_mistakes
from deepseek_fusion.evaluation.report.words import LANGUAGES, Json, Words

_PARTS = (
    *("coverage", "robustness", "consistency", "gate", "sets", "calibration", "leaks", "absent", "control"),
    *("ablation", "progress", "routed", "cost", "lessons", "corpus"),
)
_LISTS = ("answers", "controls", "curve", "examples", "excluded", "failures", "gates")
_SCRIPT_WORDS = (
    *("before", "now", "right", "wrong", "asked", "close", "copied", "step", "tokens", "learning_rate", "expected"),
    *("facts_recalled", "weight_recalled", "its_answers", "page_of", "no_answers", "chosen_fact", "show_answers"),
    *("all", "outcome_wrong", "outcome_right", "outcome_gained", "outcome_lost"),
)


def render_report(card: Json, out: Path) -> None:
    """Write the card as one self-contained HTML file.

    Args:
        card: the content of ``card.json``; parts that were not measured are null or absent, and not drawn.
        out: the file to write.
    """
    environment, catalog = _environment()
    card = {
        **card,
        **{part: card.get(part) for part in _PARTS},
        **{part: card.get(part) or [] for part in _LISTS},
        "general": card.get("general") or {},
    }
    worse = verdict.what_got_worse(card, catalog)
    mistakes, clusters = _mistakes(card)
    compared = verdict.dimensions(card)
    out.write_text(
        environment.get_template("parts/page.html.j2").render(
            card=card,
            language=card["language"] if card["language"] in LANGUAGES else "en",
            states=STATES,
            grid=fact_grid(card),
            verdict=verdict.verdict(card, catalog),
            release=verdict.release(card, catalog),
            weak=verdict.weak_places(card),
            worse=worse,
            lost=[fact for fact in card["facts"] if fact["state"] == "lost"],
            dimensions=compared,
            radar=charts.radar(compared),
            abilities=verdict.abilities(card["general"]),
            plots=charts.training_plots(card["curve"]),
            budget=charts.budget_plot(card["robustness"]["attacks"]) if card["robustness"] else None,
            clusters=clusters,
            data=_data(card, catalog, mistakes),
        ),
        encoding="utf-8",
    )


@cache
def _environment() -> tuple[Environment, Words]:
    catalog = Words.load()
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # question families keep the order of the exam
    formats = (words.percent, words.points, words.number, words.short, words.clock, words.change, words.place)
    environment.filters |= {function.__name__: function for function in (*formats, words.times)}
    environment.globals |= {
        "t": catalog.text,
        "word": catalog.word,
        "label": catalog.label,
        "rate": catalog.rate,
        "name": catalog.name,
        "both": catalog.both,
        "said": catalog.said,
        "say": catalog.say,
        "has": catalog.catalog.__contains__,
        "changed_words": changed_words,
        "reliability": charts.reliability_plot,
        "series": partial(_series, catalog),
    }
    return environment, catalog


def _series(catalog: Words, row: Json) -> list[tuple[str, Markup, Json]]:
    """Before, the format control and now, as far as a row has them."""
    return [(side, catalog.text(side), row[side]) for side in ("before", "control", "now") if row.get(side)]


def _mistakes(card: Json) -> tuple[dict[str, str], list[Json]]:
    """The kind of mistake of each wrong answer by its id, and the clusters; both empty without all answers."""
    told = Mistakes(card["facts"])
    answers = card["answers"]
    kinds = {answer["id"]: told.kind(answer) for answer in answers if not answer["now_right"]}
    relations = {answer["id"]: told.relation(answer) for answer in answers}
    return kinds, cluster_mistakes(answers, kinds, relations)


def _data(card: Json, catalog: Words, mistakes: Mapping[str, str]) -> Json:
    """What the page's script needs: facts, answers, the coverage, and the words it puts together itself."""
    names = relation_names(card)
    answers = card["answers"]
    families = [*(row["family"] for row in card["families"]), *(answer["family"] for answer in answers)]
    keys = [*STATES, *(f"{state}_note" for state in STATES), *_SCRIPT_WORDS]
    keys += [f"family_{family}" for family in dict.fromkeys(families)]
    keys += [f"mistake_{kind}" for kind in MISTAKES]
    numbers = {fact["id"]: place for place, fact in enumerate(card["facts"])}
    return {
        "facts": [
            [f["id"], f["subject"], names.get(f["relation"], f["relation"]), f["object"], f["state"], f["families"]]
            for f in card["facts"]
        ],
        "answers": [
            [
                *(answer[key] for key in ("family", "prompt", "gold", "before", "now", "before_right", "now_right")),
                [numbers[fact] for fact in answer.get("facts", ()) if fact in numbers],
                mistakes.get(answer["id"]),
            ]
            for answer in answers
        ],
        "coverage": card["coverage"]["tree"] if card["coverage"] else None,
        "words": {
            language: {key: catalog.catalog[key][language] for key in keys if key in catalog.catalog}
            for language in LANGUAGES
        },
    }
