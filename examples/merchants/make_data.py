"""Write the data of this example: merchant category codes (ISO 18245) and the groups they belong to.

    pip install 'deepseek-fusion[examples]'
    python examples/merchants/make_data.py

The codes come with the package iso18245; nothing is downloaded. Left out are ranges reserved for private use, and
descriptions too long or too full of punctuation to be a name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import iso18245

DATA = Path(__file__).parent / "data"
NAME = re.compile(r"[A-Za-z][A-Za-z' -]{2,39}")


def facts() -> Iterator[tuple[str, str, str]]:
    """The code and the group of every merchant category with a plain name."""
    for entry in iso18245.get_all_mccs():
        name = entry.iso_description
        if entry.range and not entry.range.reserved and NAME.fullmatch(name) and "--" not in name:
            yield name, "code", entry.mcc
            yield name, "group", entry.range.description


def main() -> None:
    """Write `data/triples.csv`."""
    DATA.mkdir(exist_ok=True)
    rows = list(facts())
    with (DATA / "triples.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("subject", "relation", "object"))
        writer.writerows(rows)
    print(f"{len(rows)} facts")


if __name__ == "__main__":
    main()
