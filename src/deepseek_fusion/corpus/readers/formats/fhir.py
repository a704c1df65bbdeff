"""FHIR R4 resources: what they say in words, and the person that it must not be traced to.

Attachments are decoded where they are embedded; what they only link to is not fetched.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from deepseek_fusion.corpus.documents import Document, unread
from deepseek_fusion.corpus.readers.decoding import decode
from deepseek_fusion.corpus.readers.formats.html import html_text
from deepseek_fusion.corpus.readers.opening import MOST_LINE, Opened, UnreadableError, suffix_of
from deepseek_fusion.corpus.readers.reader import Reading

_WORDS = ("conclusion", "summary", "description")
_MOST_PATIENTS = 200_000
_LINES = (".jsonl", ".ndjson")
_KIND = re.compile(rb'"resourceType"\s*:\s*"(\w+)"')
_PATIENT = re.compile(r"^(?:(?:.*/)?Patient/|urn:uuid:)([^/]+).*")
REFERENCE = "reference"
"""Kind of what stands for a patient whom the file does not tell of."""

Resource = dict[str, Any]


class Patients:
    """What would identify each patient, as (kind, value), by reference."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[tuple[str, str], ...]] = {}

    def learn_file(self, file: Opened) -> None:
        """Remember the patients of a file that others refer to; what cannot be read of it is passed over."""
        with suppress(UnreadableError):
            for resource in _resources(file):
                self.learn(resource)
                if len(self.known) == _MOST_PATIENTS:
                    break

    def learn(self, resource: Resource) -> None:
        """Remember a Patient resource."""
        if resource.get("resourceType") == "Patient" and len(self.known) < _MOST_PATIENTS:
            self.known[f"Patient/{resource.get('id')}"] = tuple(dict.fromkeys(_identifying(resource)))

    def of(self, resource: Resource) -> tuple[tuple[str, str], ...]:
        """What identifies the subject of a resource; while nobody of that name is known, the reference."""
        references = (_object(resource, role).get("reference") for role in ("subject", "patient"))
        reference = next((_local(each) for each in references if isinstance(each, str)), None)
        if reference in self.known:
            return self.known[reference]
        alone = tuple(pair for pairs in self.known.values() for pair in pairs) if len(self.known) == 1 else ()
        return (*alone, (REFERENCE, reference)) if reference else alone

    def resolved(self, personal: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """The same with what is known in place of references."""
        if all(kind != REFERENCE for kind, _ in personal):
            return personal
        parts = (self.known.get(value, ()) if kind == REFERENCE else ((kind, value),) for kind, value in personal)
        return tuple(pair for part in parts for pair in part)


def holds_patients(file: Opened) -> bool:
    """Whether a file begins with a Patient, as the one of a bulk export does to which all its other files refer."""
    if suffix_of(file.path) not in (".json", *_LINES):
        return False
    with suppress(UnreadableError):
        kind = _KIND.search(next(file.blocks(), b""))
        return kind is not None and kind[1] == b"Patient"
    return False


def _resources(file: Opened) -> Iterator[Resource]:
    for text in (line for _, line in file.lines()) if suffix_of(file.path) in _LINES else iter((file.whole(),)):
        with suppress(ValueError, RecursionError):
            value = json.loads(text or b"")
            if isinstance(value, dict):
                yield value


def _local(reference: str) -> str:
    """`Patient/1` for a reference on whatever server, or to an entry of a bundle; any other one as it is."""
    return _PATIENT.sub(r"Patient/\1", reference)


def fhir_documents(
    name: str, line: int | None, resource: Resource, patients: Patients, textless: Counter[str]
) -> Reading:
    """The notes in a resource, or in those of a Bundle.

    Args:
        name: of the file.
        line: where the resource stands in it.
        resource: as it was parsed.
        patients: those that are known; grows.
        textless: counts the resources without text by type; grows.
    """
    if resource["resourceType"] == "Bundle":
        inner = [entry["resource"] for entry in _list(resource, "entry") if isinstance(entry.get("resource"), dict)]
        for each in inner:
            patients.learn(each)
        for number, each in enumerate(inner, start=1):
            if isinstance(each.get("resourceType"), str) and each["resourceType"] != "Bundle":
                yield from fhir_documents(name, number if line is None else line, each, patients, textless)
        return
    patients.learn(resource)
    text = "\n\n".join(filter(None, (part.strip() for part in _said(resource))))
    if text:
        yield Document(name, text, line, _about(resource), patients.of(resource))
    elif any("url" in attachment for attachment in _attachments(resource)):
        yield unread(name, line, "its text is elsewhere, and nothing is fetched")
    else:
        textless[resource["resourceType"]] += 1


def _said(resource: Resource) -> Iterator[str]:
    """What a person wrote; for lack of that, the narrative, unless it was generated from the fields."""
    written = [
        *map(_attached, _attachments(resource)),
        *_sections(resource, depth=0),
        *(resource[key] for key in _WORDS if isinstance(resource.get(key), str) and not _attachments(resource)),
        *(note["text"] for note in _list(resource, "note") if isinstance(note.get("text"), str)),
    ]
    if any(written):
        yield from written
    elif _object(resource, "text").get("status") != "generated":
        yield _narrative(resource)


def _sections(resource: Resource, depth: int) -> Iterator[str]:
    for section in _list(resource, "section") if depth < 8 else ():
        title = section.get("title")
        body = _narrative(section)
        yield f"{title}\n{body}" if isinstance(title, str) and body else body
        yield from _sections(section, depth + 1)


def _narrative(resource: Resource) -> str:
    div = _object(resource, "text").get("div")
    return html_text(div) if isinstance(div, str) else ""


def _attachments(resource: Resource) -> list[Resource]:
    inside = [_object(content, "attachment") for content in _list(resource, "content")]
    return [attachment for attachment in (*inside, *_list(resource, "presentedForm")) if attachment]


def _attached(attachment: Resource) -> str:
    data, kind = attachment.get("data"), str(attachment.get("contentType", "text/plain"))
    if not isinstance(data, str) or len(data) > 2 * MOST_LINE or not kind.startswith("text/"):
        return ""
    try:
        text = decode(base64.b64decode(data, validate=True)) or ""
    except (binascii.Error, ValueError):
        return ""
    return html_text(text) if kind.startswith("text/html") else text


def _about(resource: Resource) -> dict[str, str]:
    kind = _object(resource, "type").get("text")
    about = {
        "resource": f"{resource['resourceType']}/{resource.get('id', '')}",
        "type": kind,
        "date": resource.get("date"),
        "title": resource.get("title"),
    }
    return {key: value for key, value in about.items() if isinstance(value, str) and value}


def _identifying(patient: Resource) -> Iterator[tuple[str, str]]:
    for name in _list(patient, "name"):
        given = _strings(name, "given")
        family = str(name.get("family") or "")
        whole = (name.get("text"), " ".join((*given, family)), f"{family}{''.join(given)}", family, *given)
        yield from (("name", part.strip()) for part in whole if isinstance(part, str))
    for key, kind in (("identifier", "id"), ("telecom", "phone")):
        yield from ((kind, part["value"]) for part in _list(patient, key) if isinstance(part.get("value"), str))
    for address in _list(patient, "address"):
        lines = (*_strings(address, "line"), address.get("text"))
        yield from (("address", line) for line in lines if isinstance(line, str))
    if isinstance(patient.get("birthDate"), str):
        yield "birth", patient["birthDate"]


def _object(resource: Resource, key: str) -> Resource:
    value = resource.get(key)
    return value if isinstance(value, dict) else {}


def _list(resource: Resource, key: str) -> list[Resource]:
    value = resource.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _strings(resource: Resource, key: str) -> list[str]:
    value = resource.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
