"""The stage that puts all files of knowledge into one store."""

from __future__ import annotations

from pathlib import Path

from deepseek_fusion.core.config import KnowledgeConfig
from deepseek_fusion.core.errors import FusionError, missing
from deepseek_fusion.core.events import say, track
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.source import Source
from deepseek_fusion.knowledge.sources.readers import read_knowledge

STORED = ("sources", "language")
"""What of the section a store depends on."""


@stage("store", version=1)
def build_store(out: Path, section: KnowledgeConfig, knowledge: Source) -> None:
    """Read every file; keep every term (obsolete ones too), every name and every statement, sorted and indexed.

    Raises:
        FusionError: there is no file, or one cannot be used.
    """
    if not knowledge.files:
        raise FusionError("knowledge.sources: names no file; give at least one CSV, JSON, OBO or RDF file of facts.")
    try:
        from deepseek_fusion.knowledge.store.ledger import compile_store
    except ModuleNotFoundError as error:
        raise missing(str(error.name), "a store of knowledge", "text") from None
    files = []
    with track("Reading knowledge", len(knowledge.files)) as progress:
        for path in knowledge.files:
            files.append(read_knowledge(path))
            progress.advance(terms=len(files[-1].terms))
        tables = compile_store(files, section.language)
    for note in tables.head["notes"]:
        say(note)
    tables.save(out)
