from __future__ import annotations

import base64
import json

import pytest

from corpus.conftest import Read
from deepseek_fusion.corpus.documents import Document, Rejected

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Li", "given": ["Wei"], "text": "Li Wei"}],
    "identifier": [{"value": "MRN-7"}],
    "telecom": [{"value": "555-0100"}],
    "address": [{"line": ["1 Main Street"]}],
    "birthDate": "1980-02-03",
}
KNOWN = (
    *(("name", name) for name in ("Li Wei", "Wei Li", "LiWei", "Li", "Wei")),
    *(("id", "MRN-7"), ("phone", "555-0100"), ("address", "1 Main Street"), ("birth", "1980-02-03")),
)


def attachment(text: str, kind: str = "text/plain") -> dict[str, object]:
    return {"attachment": {"contentType": kind, "data": base64.b64encode(text.encode()).decode()}}


def note(text: str, kind: str = "text/plain") -> dict[str, object]:
    return {
        "resourceType": "DocumentReference",
        "id": "d1",
        "type": {"text": "Progress note"},
        "date": "2026-01-02T00:00:00Z",
        "subject": {"reference": "Patient/p1"},
        "content": [attachment(text, kind)],
        "description": "the first line again",
    }


ABOUT = {"resource": "DocumentReference/d1", "type": "Progress note", "date": "2026-01-02T00:00:00Z"}


def test_a_bundle_gives_its_notes_and_whom_they_must_not_name(read: Read) -> None:
    observation = {"resourceType": "Observation", "code": {"text": "pulse"}}
    composition = {
        "resourceType": "Composition",
        "section": [{"title": "Plan", "text": {"div": "<div>服用<b>别嘌醇</b>。</div>"}}],
    }
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": each} for each in (note("Li Wei has gout."), observation, composition, PATIENT)],
    }
    assert read("bundle.json", json.dumps(bundle)) == [
        Document("bundle.json", "Li Wei has gout.", 1, ABOUT, KNOWN),
        Document("bundle.json", "Plan\n服用别嘌醇。", 3, {"resource": "Composition/"}, KNOWN),
        Rejected("bundle.json", None, "reader", "1 FHIR resources of type Observation without text", level="reading"),
        Rejected("bundle.json", None, "reader", "1 FHIR resources of type Patient without text", level="reading"),
    ]


def test_a_bulk_export_has_one_resource_a_line(read: Read) -> None:
    rows = [PATIENT, note("<p>痛风 <script>x()</script></p>", "text/html"), note("b")]
    found = read("DocumentReference.ndjson", "\n".join(map(json.dumps, rows)))
    assert [(item.text, item.line) for item in found if isinstance(item, Document)] == [("痛风", 2), ("b", 3)]


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"content": [{"attachment": {"url": "http://127.0.0.1/x"}}]}, "its text is elsewhere, and nothing is fetched"),
        ({"content": [{"attachment": {"data": "%%%"}}]}, "1 FHIR resources of type DocumentReference without text"),
        ({"content": "no list", "text": 3}, "1 FHIR resources of type DocumentReference without text"),
        (
            {"text": {"status": "generated", "div": "<p>x</p>"}},
            "1 FHIR resources of type DocumentReference without text",
        ),
    ],
)
def test_resources_without_text(read: Read, resource: dict[str, object], reason: str) -> None:
    (rejected,) = read("a.json", json.dumps({"resourceType": "DocumentReference", **resource}))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason


def test_a_note_of_the_simulated_hospital(read: Read) -> None:
    narrative = {"text": "Short visit.", "sections": {"chief_complaint": "Pain.", "plan": "Rest.\n", "empty": ""}}
    found = read("a.json", json.dumps({"document_id": "d", "narrative": narrative}))
    assert found == [Document("a.json", "Short visit.\n\nChief complaint\nPain.\n\nPlan\nRest.")]
