"""Whatever a file of knowledge holds, reading it gives knowledge or one sentence."""

from __future__ import annotations

import itertools
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.build import statements
from deepseek_fusion.knowledge.sources.readers import READERS, read_knowledge
from deepseek_fusion.knowledge.store.ledger import MOST_KINDS, compile_store
from deepseek_fusion.knowledge.store.sparql import export
from deepseek_fusion.knowledge.store.store import Store
from knowledge.sources.test_rdf import OWL, SKOS
from knowledge.sources.test_readers import OBO, THINGS

TABLE = """subject,relation,object,synonyms,source,confidence,time
痛风,症状,关节痛,痛风性关节炎|Podagra,WHO,0.75,2024-05-01
Gout,code,"M10,9",,,,
"""
LINES = """{"subject": "痛风", "relation": "症状", "object": "关节痛", "synonyms": ["痛风性关节炎"], "confidence": 0.75}
{"名称": "哮喘", "别名": ["支气管哮喘"], "症状": ["咳嗽", "喘息"], "attributes": {"age": 40, "acute": true}}
"""
STATED = """<http://ex.org/gout> <http://www.w3.org/2000/01/rdf-schema#label> "gout"@en%s .
<http://ex.org/gout> <http://www.w3.org/2004/02/skos/core#broader> <http://ex.org/a%%20b>%s .
<http://ex.org/o> <http://www.w3.org/2002/07/owl#imports> <http://127.0.0.1:PORT/o.nt>%s .
<urn:deepseek-fusion:name:痛风> <urn:deepseek-fusion:relation:症状> <urn:deepseek-fusion:name:关节痛>%s .
"""
WHOLE = {
    "a.csv": TABLE,
    "a.tsv": TABLE.replace("M10,9", "M10").replace(",", "\t"),
    "a.jsonl": LINES,
    "a.json": THINGS,
    "a.obo": OBO.replace("elsewhere", "127.0.0.1:PORT"),
    "a.owl": OWL,
    "a.rdf": OWL.replace("<!ENTITY", '<!ENTITY more SYSTEM "http://127.0.0.1:PORT/more"><!ENTITY'),
    "b.rdf": OWL.replace("<!DOCTYPE rdf:RDF", '<!DOCTYPE rdf:RDF SYSTEM "http://127.0.0.1:PORT/all.dtd"'),
    "a.ttl": SKOS + "<http://ex.org/o> <http://www.w3.org/2002/07/owl#imports> <http://127.0.0.1:PORT/o.ttl> .",
    "a.nt": STATED % (("",) * 4),
    "a.nq": STATED % ((" <urn:deepseek-fusion:source:WHO&line=3&confidence=0.75&time=2024>",) * 4),
}

PIECES = """subject|relation|object|,|"|\\|{|}|:|[Term]|id: 1|<urn:a>|@prefix : <urn:> .|<rdf:RDF|]>|[|]|(|)|.|;|is_a: 2
 ! |is_a: \\W ! x|name: \\ |def: "x"|null|NaN|1e999|-1|"name": "a"|"": 1|{"name": "b"},|"confidence": 1e999,|true
^^<urn:x>|@en|@|<<( :a :b :c )>>|_:b|&x;|<!ENTITY x "y">|<!ENTITY x "&obo;">|<!--|]]>
<?xml version="1.0" encoding="utf-16"?>|%0A|%00|%20
\\u0007|\\ud800|\\u2028|\\n|urn:deepseek-fusion:term:|urn:deepseek-fusion:name:|urn:deepseek-fusion:relation:
&line=-1|&confidence=nan|&line=99999999999|&confidence=2|痛风|٣|İ|e\u0301|\u2028|\x07|\x85|\r|\t|\0|\ufeff"""
DAMAGE = [piece.encode() for piece in itertools.chain(*(line.split("|") for line in PIECES.split("\n"))) if piece]
DAMAGE += [
    b"\n",
    b"|",
    b"\xff",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "痛风".encode("gb18030"),
    b"9" * 5000,
    b'"confidence": ' + b"9" * 400,
]
NESTS = [
    b"[",
    b"(",
    b"{",
    b'{"a":',
    b"[:a ",
    b"<<( :a :b ",
    b"<< :a :b ",
    b"<owl:Class>",
    b'"',
    b"\\",
    b"<!--",
    b"&obo;",
    b":/",
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "gb18030", "big5", "cp1252"]

LARGEST = 200_000

places, shares, pieces = st.floats(0, 1), st.floats(0, 0.3), st.sampled_from(DAMAGE)
damages = st.one_of(
    st.tuples(st.just("put"), places, shares, st.lists(pieces, max_size=3).map(b"".join)),
    st.tuples(st.just("flip"), places, st.integers(1, 255)),
    st.tuples(st.just("cut"), places),
    st.tuples(st.just("repeat"), places, shares, st.sampled_from([2, 30, 300])),
    st.tuples(st.just("nest"), places, st.sampled_from(NESTS), st.sampled_from([5, 1000, 20_000])),
)


def damaged(content: bytes, damage: tuple) -> bytes:  # type: ignore[type-arg]
    kind, place, *how = damage
    start = int(place * len(content))
    before, after = content[:start], content[start:]
    if kind == "cut":
        return before
    if kind == "flip":
        return before + bytes(byte ^ how[0] for byte in after[:1]) + after[1:]
    if kind == "nest":
        return before + how[0] * how[1] + after
    length = int(how[0] * len(content))
    return before + (after[:length] * how[1] if kind == "repeat" else how[1]) + after[length:]


CONTROL = dict.fromkeys([*range(32), *range(127, 160), 0x2028, 0x2029, *range(0xD800, 0xE000)])


def check(path: Path) -> None:
    began = time.process_time()
    try:
        store = Store(compile_store([read_knowledge(path)]))
    except FusionError as error:
        message = str(error)
        assert message.startswith(str(path)), message
        assert message == message.translate(CONTROL), message
        assert message.endswith("."), message
    else:
        for triple in statements(store):
            assert all(part.strip() and part == part.translate(CONTROL) for part in triple.statement), triple
        assert all(0 <= fact.origin.confidence <= 1 for fact in store.all_facts())
        export(store, path.with_name("again.nq"))
        again = Store(compile_store([read_knowledge(path.with_name("again.nq"))]))
        assert {t.statement for t in statements(again)} == {t.statement for t in statements(store)}
    assert time.process_time() - began < 3


def test_every_format_is_read_undamaged(tmp_path: Path) -> None:
    assert {Path(name).suffix for name in WHOLE} == set(READERS)
    for name, content in WHOLE.items():
        if name != "a.rdf":
            (tmp_path / name).write_text(content.replace("PORT", "9"), encoding="utf-8")
            assert statements(Store(compile_store([read_knowledge(tmp_path / name)])))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    name=st.sampled_from(list(WHOLE)),
    encoding=st.just("utf-8") | st.sampled_from(ENCODINGS),
    damage=st.lists(damages, min_size=0, max_size=4),
    junk=st.none() | st.none() | st.none() | st.binary(max_size=60),
)
def test_any_content_gives_facts_or_one_sentence(
    tmp_path: Path,
    visited: tuple[int, list[str]],
    name: str,
    encoding: str,
    damage: list,
    junk: bytes | None,  # type: ignore[type-arg]
) -> None:
    port, asked = visited
    content = WHOLE[name].replace("PORT", str(port)).encode(encoding, "replace") if junk is None else junk
    for one in damage:
        content = damaged(content, one)[:LARGEST]
    (tmp_path / name).write_bytes(content)
    check(tmp_path / name)
    assert asked == []


NAMES, OWN = '{"subject": "a", "relation": "b", "object": "c"', "urn:deepseek-fusion:"
QUOTED, SPACES = ", ".join(['"<<"'] * 300), " ".join(f'xmlns:a{number}="u:{number}"' for number in range(9999))
TERM = "[Term]\nid: X:1\nname: a\nis_a: X:2\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", f'{NAMES}, "confidence": {"9" * 400}}}', "`confidence` is 9999"),
        ("a.json", '{"name": "x", "attributes": {" ": "y"}, "code": 1}', ""),
        ("a.json", '{"name": "x", "a\\nb": {"z": 1}}', "`relation` holds a line break"),
        ("a.obo", f"{TERM}is_a: ! x\n", "line 5: `parent` names no term"),
        ("a.obo", f"{TERM}relationship: \x07 X:3\n", "line 5: `relationship` holds the control character"),
        ("a.obo", f"{TERM}replaced_by:\nreplaced_by: \x07\n", "line 6: `replaced_by` holds the control character"),
        ("a.obo", "[Term]\nid: \\W\n", "line 1: this [Term] has no `id`"),
        ("a.nt", f"<{OWN}term:> <{OWN}relation:%0A> <{OWN}name:> .", ""),
        ("a.nt", "<http://x/%0A> <http://x/%0Ab> <http://x/%07> .", ""),
        ("a.nt", f"<urn:a> <http://x/y> <{OWN}term:a{':' * 50_000}%20> .", ""),
        ("a.csv", "subject,relation,object\nGout,[sign],[Amide]\ufdd0\n", ""),
        ("a.obo", TERM.replace("X:1", "http://x:y/[").replace("X:2", "a:#b#c"), ""),
        ("a.nq", f"<urn:a> <urn:b> <urn:c> <{OWN}source:W&line=-1> .", ""),
        ("a.nq", f"<urn:a> <urn:b> <urn:c> <{OWN}source:W&line=99999999999> .", ""),
        ("a.nq", f"<urn:a> <urn:b> <urn:c> <{OWN}source:W&confidence=nan> .", ""),
        ("a.ttl", f"<urn:a> <urn:b> {'<<( <urn:a> <urn:b> ' * 100_000}<urn:c>{' )>>' * 100_000} .", "in one another"),
        ("a.ttl", f"<urn:a> <urn:b> {QUOTED} .", ""),
        ("a.ttl", f"@prefix : <urn:{'a' * 100_000}> .\n{':a :b :c .' * 1000}", "a prefix has more than 300"),
        (
            "a.rdf",
            OWL.replace("<rdf:RDF ", f"<rdf:RDF {SPACES} "),
            "1000",
        ),
    ],
)
def test_what_was_found_this_way(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    check(tmp_path / name)
    if message:
        with pytest.raises(FusionError, match=re.escape(message)):
            compile_store([read_knowledge(tmp_path / name)])
    else:
        assert statements(Store(compile_store([read_knowledge(tmp_path / name)])))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(FusionError, match=r"a.csv: is not a file; leave it out."):
        read_knowledge(tmp_path / "a.csv")


def test_more_relations_than_there_are_numbers_for(tmp_path: Path) -> None:
    rows = ", ".join(f'"r{number}": 1' for number in range(MOST_KINDS + 1))
    (tmp_path / "a.json").write_text(f'{{"name": "x", {rows}}}')
    with pytest.raises(FusionError, match=r"a.json: more than 65,536 relations; see whether values"):
        compile_store([read_knowledge(tmp_path / "a.json")])
