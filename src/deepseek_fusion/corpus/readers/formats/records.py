"""One JSON value as documents: a row with a text, a note of a simulated hospital, or a FHIR resource."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from deepseek_fusion.corpus.documents import Document, Rejected, unread
from deepseek_fusion.corpus.readers.formats.fhir import Patients, fhir_documents
from deepseek_fusion.corpus.readers.reader import Fields, Reading


class Records:
    """The values of one file, which may refer to each other."""

    def __init__(self, name: str, fields: Fields) -> None:
        self.name = name
        self.fields = fields
        self.patients = Patients()
        self.textless: Counter[str] = Counter()

    def documents(self, value: Any, line: int | None) -> Reading:
        """The documents of one value."""
        if not isinstance(value, dict):
            yield self._refused(value, line)
        elif isinstance(value.get("resourceType"), str):
            yield from fhir_documents(self.name, line, value, self.patients, self.textless)
        elif isinstance(value.get("narrative"), dict):
            yield self._note(value, line)
        elif (text := self.fields.text_of(value)) is not None:
            yield Document(self.name, text, line, self.fields.metadata(value))
        else:
            yield self._refused(value, line)

    def without_text(self) -> Reading:
        """One rejection for each kind of resource that says nothing in words, however many there are."""
        for kind, count in sorted(self.textless.items()):
            yield unread(self.name, None, f"{count} FHIR resources of type {kind} without text")

    def _note(self, value: dict[str, Any], line: int | None) -> Document:
        """A clinical note as clinosim writes it: a text, and sections by heading."""
        note = value["narrative"]
        sections = note.get("sections")
        parts = [("", note.get("text")), *(sections.items() if isinstance(sections, dict) else ())]
        written = [
            f"{heading.replace('_', ' ').capitalize()}\n{text.strip()}".strip()
            for heading, text in parts
            if isinstance(text, str) and text.strip()
        ]
        return Document(self.name, "\n\n".join(written), line, self.fields.metadata(value))

    def _refused(self, value: Any, line: int | None) -> Rejected:
        reason = f"not an object with a field `{self.fields.text}`"
        return unread(self.name, line, reason, json.dumps(value, ensure_ascii=False)[:80])
