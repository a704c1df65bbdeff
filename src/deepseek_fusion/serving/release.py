"""The release: one folder that PEFT, transformers and vLLM load, with the card that says what it knows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from deepseek_fusion.core.artifacts import Artifact, read_json, write_json
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.settings.section import Section
from deepseek_fusion.knowledge.retrieval.build import Lookup
from deepseek_fusion.knowledge.retrieval.store import copy_index
from deepseek_fusion.models.source import ModelSource

INDEX, LOOKUP = "index", "lookup.json"
"""Where a release keeps its documents and facts, and how many passages go before a question."""


class Title(Section):
    """What a release is called and what may be done with its sources."""

    name: str
    licenses: dict[str, str]


@stage("release", version=2)
def package_release(
    out: Path,
    section: Title,
    model: ModelSource,
    weights: Artifact,
    card: Artifact,
    router: Artifact | None,
    lookup: Lookup | None = None,
) -> None:
    """Gather `adapter/`, `merged/`, `router/` and `index/` if there is one, `card.json`, `report.html`, `funnel.html`
    and a model card, `README.md`, in one folder."""
    folders = [weights.path / "adapter", weights.path / "merged", *([router.path / "router"] if router else [])]
    for folder in folders:
        shutil.copytree(folder, out / folder.name, copy_function=_link)
    for part in ("card.json", "report.html", "funnel.html"):
        _link(str(card.path / part), str(out / part))
    if lookup:
        copy_index(lookup.index.path, out / INDEX)  # never a link: it may be changed while it serves
        write_json(out / INDEX / LOOKUP, {"passages": lookup.passages})
    (out / "README.md").write_text(_model_card(section, model, read_json(card.path / "card.json")), encoding="utf-8")


def _link(source: str, target: str) -> None:
    """Share the bytes where the file system can; releases are never edited in place."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _model_card(title: Title, model: ModelSource, card: dict[str, Any]) -> str:
    language = {"en": "en", "zh": "zh"}[card["language"]]
    header = {
        "language": [language],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": model.name,
        "tags": ["deepseek-fusion", "domain-knowledge", "lora"],
        "license": "other",
        "license_name": "see-sources",
    }
    summary, perplexity = card["summary"], card["general"]["perplexity"]
    families = "\n".join(
        f"| {row['family']} | {_percent(row['before'])} | {_percent(row['now'])} | "
        f"{_percent(row['control']) if row['control'] else '-'} | {row['now']['n']} |"
        for row in card["families"]
    )
    likely = (
        "" if perplexity["low"] is None else f", 95 % interval {perplexity['low']:+.1%} to {perplexity['high']:+.1%}"
    )
    licences = "\n".join(f"- {source}: {licence}" for source, licence in title.licenses.items())
    gates = "\n".join(f"- {gate['name']}: {gate['value']:.2g} ({gate['limit']})" for gate in card["gates"])
    return f"""---
{yaml.safe_dump(header, sort_keys=False).strip()}
---

# {title.name}

`{model.name}` taught {summary["facts"]} facts by deepseek-fusion. It knew {summary["kept"] + summary["lost"]} of them
before, learned {summary["learned"]}, lost {summary["lost"]}, and still does not know {summary["unknown"]}.
{summary["rule"]}

| family (phrasings in no lesson) | before | now | shuffled answers | n |
|---|---|---|---|---|
{families}

Intervals are 95 %: a bootstrap over subjects, or Wilson's over answers where it is wider. Perplexity on general text
went from {perplexity["before"]:.2f} to {perplexity["now"]:.2f} ({perplexity["change"]:+.1%}{likely}),
measured on {perplexity["tokens"]} tokens of {perplexity["source"]}. {_lost(card)}
{_routed(card)}

{_stages(card)}## Use

`merged/` loads with `transformers` and vLLM as any causal language model; `adapter/` loads with PEFT on top of the
base model. `report.html` shows every fact.

## Data and licences

{licences or "- none declared: ask the owner of the data before passing this model on"}

The licence of the base model applies as well.

## Checks passed before release

{gates}

## How it was made

`{card["command"]}`: {card["cost"]["tokens"]:,} training tokens, {card["cost"]["steps"]} steps,
{card["cost"]["trainable"]:,} of {card["cost"]["parameters"]:,} parameters trained,
{card["cost"]["tflop"]:.1f} TFLOP, {card["cost"]["cpu_seconds"]:.0f} core-seconds.
"""


def _stages(card: dict[str, Any]) -> str:
    """What each stage of an injection added; nothing for a model that was taught at once."""
    ablation = card.get("ablation")
    if not ablation:
        return ""
    stages = ablation["stages"]
    titles = " | ".join(f"{stage['stage']} ({stage['state']})" for stage in stages)
    rows = [f"|  | base | {titles} |", "|---" * (len(stages) + 2) + "|"]
    for row in ablation["dimensions"]:
        cells = [_compared(row["stages"].get(stage["stage"])) for stage in stages]
        rows.append(f"| {row['name']} | {_figure(row['base'])} | {' | '.join(cells)} |")
    for name, title in (("tokens", "training tokens"), ("cpu_seconds", "core-seconds")):
        cells = ["-" if stage[name] is None else f"{stage[name]:,.0f}" for stage in stages]
        rows.append(f"| {title} |  | {' | '.join(cells)} |")
    table = "\n".join(rows)
    return f"""## What each stage added

{table}

Each stage is compared with the last one kept before it, on the same items: what it reached, and the change with its
95 % interval, in points (perplexity: per cent). A rejected stage was worse than the gate allows; a skipped one had no
teacher that answers well enough.

"""


def _compared(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "-"
    value, low, high = (cell["difference"][part] for part in ("value", "low", "high"))
    likely = "" if low is None else f" ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"{_figure(cell['now'])}, {100 * value:+.1f}{likely}"


def _figure(rate: dict[str, Any]) -> str:
    return f"{rate['value']:.2f}" if rate["low"] is None else _percent(rate)


def _percent(rate: dict[str, float]) -> str:
    return f"{rate['value']:.0%} ({rate['low']:.0%} to {rate['high']:.0%})"


def _lost(card: dict[str, Any]) -> str:
    questions = card["general"]["questions"]
    return (
        f"Of the general questions answered rightly before, {questions['as_before']['value']:.0%} still are "
        f"(n = {questions['as_before']['n']})."
    )


def _routed(card: dict[str, Any]) -> str:
    if not (routed := card["routed"]):
        return ""
    return (
        f"\nAll of this is the adapter alone. `router/` sends what is not of the domain to the base model: "
        f"{_percent(routed['questions']['to_base'])} of the general questions, of which "
        f"{routed['questions']['as_before']['value']:.0%} are then right as before, and by mistake "
        f"{routed['to_base']['value']:.1%} of the exam questions above (n = {routed['to_base']['n']}). "
        f"`deepseek-fusion ask` applies it.\n"
    )
