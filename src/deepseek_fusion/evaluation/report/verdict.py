"""The first minute: what the model knows, what it forgot, where it is weak, and whether we would release it."""

from __future__ import annotations

from markupsafe import Markup

from deepseek_fusion.evaluation.report.words import Json, Words, number, percent, points

WEAK = 4
"""How many weak places are named at the top."""


def verdict(card: Json, words: Words) -> Markup:
    """The sentence that heads the page."""
    summary, perplexity = card["summary"], card["general"].get("perplexity")
    counts = {
        "facts": number(summary["facts"]),
        "before": number(summary["kept"] + summary["lost"]),
        "now": number(summary["kept"] + summary["learned"]),
        "lost": number(summary["lost"]),
    }
    if summary.get("before") is None:
        return words.text("verdict_single", **counts)
    if not perplexity:
        return words.text("verdict_facts", **counts)
    change = perplexity["now"] / perplexity["before"] - 1
    reads = "reads_same" if abs(change) < 0.0005 else "reads_worse" if change > 0 else "reads_better"
    moved = Markup("{}").format(percent(abs(change), digits=1))
    reading = {language: words.fill(reads, language, {"percent": moved}) for language in ("en", "zh")}
    return words.text("verdict", **counts, reading=reading)


def what_got_worse(card: Json, words: Words) -> list[Markup]:
    """One sentence for each measured figure, other than the facts themselves, that moved the wrong way."""
    general, found = card["general"], []
    for key, part in (("worse_perplexity", "perplexity"), ("worse_domain", "domain_perplexity")):
        row = general.get(part)
        if row and row["now"] > row["before"]:
            moved = percent(row["now"] / row["before"] - 1, digits=1)
            found.append(words.text(key, percent=moved, before=f"{row['before']:.2f}", now=f"{row['now']:.2f}"))
    if _fell(questions := general.get("questions")):
        found.append(words.text("worse_questions", **_before_now(questions)))
    if _rose(refusals := general.get("false_refusals")):
        found.append(words.text("worse_refusals", **_before_now(refusals)))
    named = [(words.both(row["family"], "family_"), row) for row in card["families"]]
    named += [(row["name"], row) for row in [*card["relations"], *(general.get("sets") or ())]]
    named += [(words.both(name, "ability_"), row) for name, row in abilities(general)]
    found += [words.text("worse_family", name=name, **_before_now(row)) for name, row in named if _fell(row)]
    return found


def abilities(general: Json) -> list[tuple[str, Json]]:
    """Following instructions and keeping the form of a turn, as far as they were measured."""
    form = general.get("format") or {}
    rows = [(name, general.get(name)) for name in ("instructions", "chat_format")]
    rows += [(f"format_{name}", form.get(name)) for name in ("ended", "clean")]
    return [(name, row) for name, row in rows if row]


def weak_places(card: Json) -> list[Json]:
    """Where fewest facts are recalled: the weak branches of the coverage, or else the weakest relations."""
    weak = (card.get("coverage") or {}).get("weak")
    if weak:
        return [{"name": " › ".join(row["path"]), "rate": row["rate"]} for row in weak[:WEAK]]
    rows = sorted(card["relations"], key=lambda row: row["now"]["value"])
    return [{"name": row["name"], "rate": row["now"]} for row in rows[:WEAK]]


def release(card: Json, words: Words) -> Json:
    """Would we release it? The gate's verdict with its reason, or what it would take to have one."""
    gate = card.get("gate")
    if not gate:
        return {"verdict": "none", "reason": words.text("release_none")}
    failed = [row for row in gate["dimensions"] if not row["passed"]]
    if not failed:
        judged = sum(row["margin"] is not None for row in gate["dimensions"])
        return {"verdict": gate["verdict"], "reason": words.text("release_pass", n=judged)}
    names = {
        language: Markup("、" if language == "zh" else ", ").join(
            words.fill(
                "release_dimension",
                language,
                {"name": words.both(row["name"], "gate_"), "change": points(row["difference"]["value"])},
            )
            for row in failed
        )
        for language in ("en", "zh")
    }
    return {"verdict": gate["verdict"], "reason": words.text("release_fail", names=names)}


def dimensions(card: Json) -> list[Json]:
    """Accuracy, coverage and robustness as one share each, in this order, as far as they were measured.

    Each has `before` and `now`, the `rate` of now where it has an interval, and `how` it is computed.
    """
    asked = [row for row in card["families"] if row["family"] != "refusal"]
    rows: list[Json] = []
    if asked:
        then = [row["before"]["value"] for row in asked if row["before"]]
        rows.append(
            {
                "name": "accuracy",
                "before": sum(then) / len(then) if len(then) == len(asked) else None,
                "now": sum(row["now"]["value"] for row in asked) / len(asked),
                "rate": None,
                "how": "accuracy_how",
            }
        )
    for name, figure in (("coverage", _covered), ("robustness", _robust)):
        part = card.get(name)
        now, rate, how = figure(part)
        if now is not None:
            before = figure((part or {}).get("before"))[0]
            rows.append({"name": name, "before": before, "now": now, "rate": rate, "how": how})
    return rows


Figure = tuple[float | None, Json | None, str]


def _covered(coverage: Json | None) -> Figure:
    rate = coverage["overall"]["unweighted"] if coverage else None
    return (rate["value"] if rate else None), rate, "coverage_how"


def _robust(robustness: Json | None) -> Figure:
    """What is left of accuracy under the whole budget of HotFlip, or under the changes where no attack was run."""
    if not robustness:
        return None, None, ""
    curve = next((row["curve"] for row in robustness["attacks"] if row["name"] == "hotflip" and row["curve"]), None)
    if curve and curve[0]["accuracy"]["value"]:
        clean, last = curve[0]["accuracy"]["value"], curve[-1]["accuracy"]
        return last["value"] / clean, last if clean == 1 else None, "robustness_how"
    kept = [row["accuracy"]["value"] for row in robustness["perturbations"]]
    return (sum(kept) / len(kept) if kept else None), None, "perturbed_how"


def _fell(row: Json | None) -> bool:
    return bool(row and row.get("before") and row["now"]["value"] < row["before"]["value"])


def _rose(row: Json | None) -> bool:
    return bool(row and row.get("before") and row["now"]["value"] > row["before"]["value"])


def _before_now(row: Json | None) -> dict[str, str]:
    return {side: percent(row[side]["value"]) for side in ("before", "now")} if row else {}
