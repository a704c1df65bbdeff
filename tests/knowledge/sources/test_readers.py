from __future__ import annotations

import re
from pathlib import Path

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.build import statements
from deepseek_fusion.knowledge.graph import Triple
from deepseek_fusion.knowledge.sources.knowledge import Origin
from deepseek_fusion.knowledge.sources.readers import read_knowledge
from deepseek_fusion.knowledge.store.ledger import compile_store
from deepseek_fusion.knowledge.store.store import Store


def read(folder: Path, name: str, content: str | bytes) -> Store:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Store(compile_store([read_knowledge(path)]))


def synonyms(store: Store, name: str) -> tuple[str, ...]:
    (node,) = store.find(name)
    return store.spoken(node)[1:]


def test_csv(tmp_path: Path) -> None:
    content = (
        "\ufeffObject,subject,relation,synonyms,note\r\n"
        'Joint Pain,Gout,symptom,Podagra|Gouty arthritis|,x\r\n\r\n"M10,9",Gout,code,,\r\n关节痛,痛风,症状,,\r\n'
    )
    store = read(tmp_path, "facts.csv", content)
    assert statements(store) == [
        Triple("Gout", "symptom", "Joint Pain", "facts.csv:2"),
        Triple("Gout", "code", "M10,9", "facts.csv:4"),
        Triple("痛风", "症状", "关节痛", "facts.csv:5"),
    ]
    assert synonyms(store, "gout") == ("Podagra", "Gouty arthritis")
    assert synonyms(store, "痛风") == ()


def test_tabs_and_where_a_fact_comes_from(tmp_path: Path) -> None:
    content = "subject\trelation\tobject\tsource\tconfidence\ttime\nGout, acute\tcode\tM10\tWHO\t0.75\t2024-05-01\n"
    (fact,) = read(tmp_path, "facts.csv", content).all_facts()
    assert fact.origin == Origin("WHO", 0, 0.75, "2024-05-01")


def test_jsonl(tmp_path: Path) -> None:
    content = (
        '{"subject": "痛风", "relation": "症状", "object": "关节痛", "synonyms": ["痛风性关节炎", "痛风"]}\n\n'
        '{"subject": "Gout", "relation": "code", "object": " M10 ", "source": "WHO", "more": 1}'
    )
    store = read(tmp_path, "facts.jsonl", content)
    assert statements(store) == [
        Triple("痛风", "症状", "关节痛", "facts.jsonl:1"),
        Triple("Gout", "code", "M10", "WHO"),
    ]
    assert synonyms(store, "痛风") == ("痛风性关节炎",)


THINGS = """[
  {"name": "痛风", "别名": ["痛风性关节炎"], "症状": ["关节痛", "红肿"], "编码": "M10.9", "无": null},
  {"name": "Gout", "attributes": {"code": "M10.9", "age": 40, "acute": true}, "source": "a database"}
]"""


def test_things_with_attributes(tmp_path: Path) -> None:
    store = read(tmp_path, "things.json", THINGS)
    assert statements(store) == [
        Triple("痛风", "症状", "关节痛", "things.json#1"),
        Triple("痛风", "症状", "红肿", "things.json#1"),
        Triple("痛风", "编码", "M10.9", "things.json#1"),
        Triple("Gout", "code", "M10.9", "a database"),
        Triple("Gout", "age", "40", "a database"),
        Triple("Gout", "acute", "true", "a database"),
    ]
    assert synonyms(store, "痛风") == ("痛风性关节炎",)
    line = read(tmp_path, "things.jsonl", '{"名称": "哮喘", "症状": "咳嗽"}')
    assert statements(line) == [Triple("哮喘", "症状", "咳嗽", "things.jsonl:1")]


HEADER = "subject,relation,object\n"
TRIPLE = '"subject": "a", "relation": "b", "object": "c"'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "subject,object\na,b\n", "line 1: the header has no column `relation`"),
        ("a.csv", "", "line 1: the header has no column `subject`"),
        ("a.csv", HEADER, "holds no facts"),
        ("a.csv", HEADER + "a,b,c\na,b,c,d\n", "line 3: 4 fields where the header has 3"),
        ("a.csv", HEADER + "a,b\n", "line 2: 2 fields where the header has 3"),
        ("a.csv", HEADER + "a, ,c\n", "line 2: `relation` is missing or empty"),
        ("a.csv", HEADER + 'a,b,"c\nd"\ne,,f', "line 2: `object` holds a line break"),
        ("a.csv", HEADER + 'x,y,z\na,b,"c\n', "line 3: broken CSV"),
        ("a.csv", HEADER + "a,b,c\x07d\n", r"line 2: `object` holds the control character '\x07'"),
        ("a.csv", HEADER + "a,b,c\n\0", "line 3: holds a NUL byte"),
        ("a.csv", HEADER.encode() + "痛风,症状,关节痛\n".encode("gb18030"), "line 2: byte 0xb7 (at 26) is not UTF-8"),
        ("a.csv", (HEADER + "a,b,c\n").encode("utf-16"), "line 1: byte 0xff (at 0) is not UTF-8"),
        ("a.csv", "\ufeff".encode() + HEADER.encode() + b"a,b,\xff\n", "line 2: byte 0xff (at 31) is not UTF-8"),
        ("a.jsonl", "{" + TRIPLE + "}\n{" + TRIPLE, "line 2: not JSON"),
        ("a.jsonl", "[1]", "line 1: not a JSON object"),
        ("a.jsonl", "[" * 100_000, "line 1: JSON nested too deep"),
        ("a.jsonl", '{"subject": "a", "object": "c"}', "line 1: `relation` is missing or empty"),
        ("a.jsonl", '{"subject": "a", "relation": "b", "object": 1}', "line 1: `object` is 1, not text"),
        ("a.jsonl", "{" + TRIPLE + ', "synonyms": "x"}', "line 1: `synonyms` is not a list"),
        ("a.jsonl", r'{"subject": "a", "relation": "b", "object": "\ud800"}', r"the control character '\ud800'"),
        ("a.jsonl", r'{"subject": "a", "relation": "b", "object": "c\u2028d"}', "holds a line break"),
        ("a.obo", "[Term]\nname: x\n", "line 1: this [Term] has no `id`"),
        ("a.obo", "[Term]\nid: 1\nnonsense\n", "line 3: 'nonsense' is not `tag: value`"),
        ("a.obo", "[Term]\nid: 1\ndef: no quotes\n", "line 3: `def` has no text in quotes"),
        ("a.obo", "format-version: 1.4\n", "holds no facts"),
        ("a.json", "[1]", "object 1: not a JSON object"),
        ("a.json", "[" * 100_000, "JSON nested too deep"),
        ("a.json", '[{"code": "x"}]', "object 1: `name` is missing or empty"),
        ("a.json", '[{"name": "x", "y": {"z": "a"}}]', "object 1: `y` is nested"),
        ("a.json", '[{"name": "x"}]', "holds no facts"),
        ("a.csv", "subject,relation,object,confidence\na,b,c,2\n", "line 2: `confidence` is '2'"),
        ("a.ttl", "<urn:a> <urn:b>", "line 1: broken RDF"),
        ("a.nt", "junk", "line 1: broken RDF"),
        ("a.xlsx", "", "knowledge files end in .csv, .tsv, .jsonl, .json, .obo, .owl"),
    ],
)
def test_a_broken_file_is_one_clear_sentence(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(FusionError, match=re.escape(message)) as caught:
        read(tmp_path, name, content)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="No such file"):
        read_knowledge(tmp_path / "none.csv")


OBO = """\
format-version: 1.4
data-version: releases/2025
import: http://elsewhere/b.obo
! made for this test

[Term]
id: X:1
name: disease

[Term]
id: X:2
name: gout \\(acute\\) ! a comment
alt_id: X:7
def: "A disease, with \\"crystals\\"\\nin joints." [ref:1]
synonym: "Podagra" EXACT [] ! another
synonym: "痛风" EXACT []
is_a: X:1 ! disease
is_a: Y:9 {source="z"} ! joint disorder
relationship: part_of X:4 ! joint
xref: ICD10:M10

[Term]
id: X:3
name: gone
is_obsolete: true
replaced_by: X:2
is_a: X:1

[Term]
id: X:4
name: joint

[Typedef]
id: part_of
name: part of
"""


def test_obo(tmp_path: Path) -> None:
    store = read(tmp_path, "a.obo", OBO)
    assert statements(store) == [
        Triple("gout (acute)", "parent", "disease", "a.obo:17"),
        Triple("gout (acute)", "parent", "joint disorder", "a.obo:18"),
        Triple("gout (acute)", "definition", 'A disease, with "crystals" in joints.', "a.obo:14"),
        Triple("gout (acute)", "part of", "joint", "a.obo:19"),
    ]
    assert synonyms(store, "GOUT (ACUTE)") == ("Podagra", "痛风")
    assert store.find("X:7") == store.find("x:2") == store.find("痛风")
    (gone,) = store.find("gone")
    assert store.obsolete[gone]
    assert [store.id(fact.object) for fact in store.facts(gone) if fact.relation == "replaced_by"] == ["X:2"]
    assert store.head["versions"] == {"a.obo": "releases/2025"}
    assert store.head["notes"] == [
        "a.obo, line 3: imports http://elsewhere/b.obo, which is not fetched; add the file to the sources."
    ]
