"""General ability on what nobody here wrote, and what makes an answer usable: instructions obeyed, turns ended.

The sets are parts of the `evals` package (MIT), which is located and never imported. Options are scored, not shown, as
in the choices of the exam: a small model can tell the likelier answer long before it can name its letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.settings.section import Section
from deepseek_fusion.core.source import Source, carried_file
from deepseek_fusion.evaluation.answers.answering import complete_all, score_all
from deepseek_fusion.evaluation.answers.general import CARRIER
from deepseek_fusion.evaluation.answers.sitting import load_taught
from deepseek_fusion.evaluation.questions.instructions import INSTRUCTIONS
from deepseek_fusion.knowledge.language import Language as Spoken
from deepseek_fusion.knowledge.language import fold
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.source import ModelSource

ABSENT = f"the package {CARRIER} is not installed"
ITEMS = 60
"""Questions of each set: as many usable ones, evenly spaced over the file. Chosen before any model had answered."""

LONGEST = 400
"""Characters of a question with its options; longer ones are left out, as are those that `_parsed` cannot read."""

TURN = 64
"""Tokens within which an instruction has to be followed and the turn ended."""

SETS = {
    "quartz": ("registry/data/quartz/samples.jsonl", "QuaRTz: how quantities in everyday science depend on each other"),
    "socialiqa": ("registry/data/theory_of_mind/socialiqa/test.jsonl", "Social IQa: what people feel and do next"),
    "mmlu": ("registry/data/sandbagging/samples-all.jsonl", "MMLU: school and professional subjects, mixed"),
}
_LETTER = re.compile(r"(?:^|(?<=[\s;]))([A-E])[:.] +")
_TEMPLATE = re.compile(r"<\|[^|<>]*\|>|</?think>")


@dataclass(frozen=True)
class Question:
    """A question with options; the first is right."""

    text: str
    options: tuple[str, ...]


def packaged_sets() -> Source | None:
    """The files of the sets, or None where the package that carries them is not installed."""
    files = [carried_file(CARRIER, file) for file, _ in SETS.values()]
    found = tuple(str(file) for file in files if file is not None)
    return Source(found, Path("/")) if len(found) == len(SETS) else None


class AbilitiesConfig(Section):
    """What abilities depend on besides the model; not on the facts, so that a base model is asked once for all."""

    language: Spoken


@stage("abilities", version=1)
def sit_abilities(
    out: Path, section: AbilitiesConfig, model: ModelSource, adapter: Artifact | None, sets: Source | None
) -> None:
    """Write `abilities.json`: an answer a row for each set, and for the instructions in English and in the language of
    the facts. Without the files of the sets there are none, and the reason is written in their place."""
    language = load_taught(model, adapter)
    spoken: dict[Spoken, None] = dict.fromkeys(("en", section.language))
    write_json(
        out / "abilities.json",
        {
            "sets": [_answered(language, name, set_) for name, set_ in read_sets(sets).items()],
            "absent": None if sets else ABSENT,
            "instructions": [row for name in spoken for row in _instructed(language, name)],
        },
    )


@dataclass(frozen=True)
class QuestionSet:
    """A public set, or the part of it that is asked."""

    source: str
    questions: tuple[Question, ...]
    unusable: int


def read_sets(files: Source | None) -> dict[str, QuestionSet]:
    """The questions to ask of each set."""
    found = {}
    for name, (file, title) in SETS.items() if files else ():
        path = next(path for path in files.files if path.match(f"*/{file}"))  # type: ignore[union-attr]
        usable = [question for row in read_jsonl(path) if (question := _parsed(row)) is not None]
        if len(usable) < ITEMS:
            raise FusionError(f"{path}: {len(usable)} usable questions where {ITEMS} are asked; reinstall {CARRIER}.")
        picked = tuple(usable[place * len(usable) // ITEMS] for place in range(ITEMS))
        found[name] = QuestionSet(f"{title} ({CARRIER} package)", picked, len(read_jsonl(path)) - len(usable))
    return found


def _parsed(row: dict[str, Any]) -> Question | None:
    """A row of the collection; None if its options are not two to five different ones with the right one among them."""
    text = row["question"] if "question" in row else row["input"][-1]["content"]
    right = row.get("answer", row.get("ideal"))
    if len(text) > LONGEST:
        return None
    text = text.removesuffix("Answer:").strip()
    stem, *parts = _LETTER.split(text)
    options = {letter: option.strip().rstrip(";.") for letter, option in zip(parts[::2], parts[1::2], strict=True)}
    if list(options) != list("ABCDE")[: len(parts) // 2] or right not in options or not 2 <= len(options) <= 5:
        return None
    if len({fold(option) for option in options.values() if option}) < len(options) or not stem.strip():
        return None
    others = (option for letter, option in options.items() if letter != right)
    return Question(stem.strip(), (options[right], *others))


def _answered(language: Language, name: str, asked: QuestionSet) -> dict[str, Any]:
    prompts = [language.encode_question(question.text) for question in asked.questions]
    scores = score_all(language, prompts, [question.options for question in asked.questions])
    choices = [max(range(len(own)), key=own.__getitem__) for own in scores]
    return {
        "name": name,
        "source": asked.source,
        "chance": sum(1 / len(question.options) for question in asked.questions) / len(asked.questions),
        "unusable": asked.unusable,
        "answers": [
            {"question": question.text, "answer": question.options[choice], "right": choice == 0}
            for question, choice in zip(asked.questions, choices, strict=True)
        ],
    }


def _instructed(language: Language, spoken: Spoken) -> Iterator[dict[str, Any]]:
    instructions = INSTRUCTIONS[spoken]
    prompts = [language.encode_question(instruction.prompt) for instruction in instructions]
    added = language.tokenizer.added_tokens_decoder.items()
    special = {*language.tokenizer.all_special_ids, *(number for number, token in added if token.special)}
    for instruction, ids in zip(instructions, complete_all(language, prompts, TURN), strict=True):
        ended = ids[-1:] == [language.end_of_turn]
        inside = ids[:-1] if ended else ids
        answer = language.decode(inside).strip()
        yield {
            "language": spoken,
            "instruction": instruction.prompt,
            "answer": answer,
            "right": ended and instruction.obeyed(answer),
            "ended": ended,
            "clean": special.isdisjoint(inside) and not _TEMPLATE.search(answer),
        }
