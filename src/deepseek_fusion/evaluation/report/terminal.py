"""The card in the terminal: a table of the numbers that a person wants first."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_card(card: dict[str, Any]) -> None:
    """Print the few numbers of the card that a person wants first."""
    summary, perplexity, gate = card["summary"], card["general"]["perplexity"], card["gate"]
    table = Table("", "before", "now", title=card["name"])
    for family in card["families"]:
        table.add_row(family["family"], _percent(family["before"]), _percent(family["now"]))
    table.add_section()
    table.add_row(f"known of {summary['facts']} facts", _percent(summary["before"]), _percent(summary["now"]))
    if perplexity:
        likely = "" if perplexity["low"] is None else f", {perplexity['low']:+.1%} to {perplexity['high']:+.1%}"
        change = f"{perplexity['now']:.2f} ({perplexity['change']:+.1%}{likely})"
        table.add_row("general perplexity", f"{perplexity['before']:.2f}", change)
    terminal = Console(highlight=False)
    terminal.print(table)
    terminal.print(
        "Facts: " + " · ".join(f"{summary[state]} {state}" for state in ("learned", "kept", "lost", "unknown"))
    )
    if gate:
        judged = [f"{row['name']} {row['judgement']}" for row in gate["dimensions"] if row["judgement"] != "equal"]
        terminal.print(
            f"Gate against the current release: {gate['verdict']}" + "".join(f" · {text}" for text in judged)
        )


def _percent(rate: dict[str, float]) -> str:
    return f"{rate['value']:.1%} ({rate['low']:.0%} to {rate['high']:.0%})"
