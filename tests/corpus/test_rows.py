from __future__ import annotations

import json

from deepseek_fusion.core.settings.filtering import CorpusConfig, PersonalConfig
from deepseek_fusion.corpus.documents import Document, unread
from deepseek_fusion.corpus.rows import Rows, StoredBatch, safe

NOTE = "Dr. Garcia saw the patient for gout; the joint was painful and swollen for days. "
CARD = "The patient paid with card 4111 1111 1111 1111 for the crystals of uric acid."


def test_no_row_names_a_person_whether_kept_rejected_or_unread() -> None:
    items = [
        Document("a", NOTE, 1, {"by": "Mrs Smith", "id": "7"}),
        unread("a", 2, "not JSON", '{"text": "Dr. Garcia'),
        Document("b", CARD),
        Document("c", "Mr Li"),
        Document("d", NOTE + "Li Wei smokes.", None, {}, (("name", "Li Wei"),)),
    ]
    batch = Rows(CorpusConfig(personal=PersonalConfig(card="reject")), []).batch(items)
    rows = batch.to_pylist()
    assert [(row["source"], row["filter"]) for row in rows] == [
        ("a", None),
        ("a", "reader"),
        ("b", "personal"),
        ("c", "too_short"),
        ("d", None),
    ]
    assert [row["text"] for row in rows] == [
        NOTE.replace("Garcia", "[NAME]"),
        '{"text": "Dr. [NAME]',
        CARD.replace("4111 1111 1111 1111", "[CARD]")[:80],
        "Mr [NAME]",
        (NOTE + "Li Wei smokes.").replace("Garcia", "[NAME]").replace("Li Wei", "[NAME]"),
    ]
    assert json.loads(rows[0]["metadata"]) == {"by": "Mrs [NAME]", "id": "7"}
    assert [row["masked"] and json.loads(row["masked"]) for row in rows] == [{"name": 1}, None, None, None, {"name": 2}]
    assert rows[2]["reason"] == "holds personal data: 1 of kind card"


def test_stored_rows_are_a_batch_again() -> None:
    batch = Rows(CorpusConfig(), []).batch([Document("a", NOTE, 3)])
    stored = StoredBatch(batch, 7)
    (document,) = stored.documents
    assert (document.place, stored.first) == ("a:3", 7)
    assert len(stored.digests[0]) == 16
    assert stored.signatures.shape == (1, 128)
    assert stored.signatures.any()


def test_halves_of_surrogate_pairs_become_escapes() -> None:
    assert safe("a\ud800痛") == "a\\ud800痛"
