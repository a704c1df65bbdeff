from __future__ import annotations

import time
from pathlib import Path

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.build import statements
from deepseek_fusion.knowledge.graph import Triple
from deepseek_fusion.knowledge.sources.readers import read_knowledge
from deepseek_fusion.knowledge.store.ledger import compile_store
from deepseek_fusion.knowledge.store.store import NameOf, Store
from deepseek_fusion.knowledge.store.tables import LABEL, SYNONYM

NAMESPACES = (
    'xmlns:owl="http://www.w3.org/2002/07/owl#" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xmlns:oio="http://www.geneontology.org/formats/oboInOwl#" '
    'xmlns:obo="http://purl.obolibrary.org/obo/" xml:base="http://ex.org/o"'
)
OWL = f"""<?xml version="1.0"?>
<!DOCTYPE rdf:RDF [ <!ENTITY obo "http://purl.obolibrary.org/obo/" > ]>
<rdf:RDF {NAMESPACES}>
<owl:Ontology rdf:about="http://ex.org/o">
  <owl:imports rdf:resource="http://127.0.0.1:PORT/other.owl"/><owl:versionInfo>2.0</owl:versionInfo>
</owl:Ontology>
<owl:ObjectProperty rdf:about="#at"><rdfs:label>located in</rdfs:label></owl:ObjectProperty>
<owl:Class rdf:about="&obo;X_1"><rdfs:label>arthritis</rdfs:label><oio:id>X:1</oio:id></owl:Class>
<owl:Class rdf:about="&obo;X_2">
  <rdfs:label>gout</rdfs:label>
  <oio:hasExactSynonym>Podagra</oio:hasExactSynonym>
  <oio:hasAlternativeId>X:7</oio:hasAlternativeId>
  <obo:IAO_0000115>Arthritis with
    crystals.</obo:IAO_0000115>
  <rdfs:subClassOf rdf:resource="&obo;X_1"/>
  <rdfs:subClassOf><owl:Restriction>
    <owl:onProperty rdf:resource="#at"/><owl:someValuesFrom rdf:resource="#Joint"/>
  </owl:Restriction></rdfs:subClassOf>
</owl:Class>
<owl:Class rdf:about="&obo;X_3">
  <rdfs:label>gouty joint</rdfs:label>
  <owl:deprecated rdf:datatype="http://www.w3.org/2001/XMLSchema#boolean">true</owl:deprecated>
  <obo:IAO_0100001 rdf:resource="&obo;X_2"/>
  <rdfs:subClassOf rdf:resource="&obo;X_1"/>
</owl:Class>
</rdf:RDF>"""

SKOS = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix v: <http://ex.org/词/> .
@prefix p: <http://ex.org/prop/> .
v:疾病 a skos:Concept ; skos:prefLabel "疾病"@zh, "disease"@en ; skos:narrower v:痛风 .
v:痛风 a skos:Concept ;
  skos:prefLabel "痛风"@zh, "gout"@en ;
  skos:altLabel "痛风性关节炎"@zh-Hans, "podagra"@en ;
  skos:definition "一种代谢病。"@zh, "A disease."@en ;
  p:症状 v:关节痛 ; skos:notation "M10" .
v:关节痛 skos:prefLabel "关节痛"@zh, "joint pain"@en .
"""


def store(folder: Path, name: str, content: str, language: str | None = None) -> Store:
    (folder / name).write_text(content, encoding="utf-8")
    return Store(compile_store([read_knowledge(folder / name)], language))


def test_owl(tmp_path: Path, visited: tuple[int, list[str]]) -> None:
    port, asked = visited
    known = store(tmp_path, "o.owl", OWL.replace("PORT", str(port)))
    assert statements(known) == [
        Triple("gout", "definition", "Arthritis with crystals.", "o.owl"),
        Triple("gout", "parent", "arthritis", "o.owl"),
        Triple("gout", "located in", "Joint", "o.owl"),
    ]
    (gout,) = known.find("PODAGRA")
    (gone,) = known.find("gouty joint")
    assert (known.id(gout), known.depth(gout)) == ("X:2", 1)
    assert known.find("x:7") == [gout]
    assert known.obsolete[gone]
    assert known.head["versions"] == {"o.owl": "2.0"}
    assert known.head["notes"] == [
        f"o.owl: imports http://127.0.0.1:{port}/other.owl, which is not fetched; add the file to the sources."
    ]
    assert asked == []


@pytest.mark.parametrize(
    ("language", "facts", "others"),
    [
        (
            "zh",
            {("痛风", "parent", "疾病"), ("痛风", "症状", "关节痛"), ("痛风", "definition", "一种代谢病。")},
            ("gout", "痛风性关节炎", "podagra"),
        ),
        (
            None,
            {
                ("gout", "parent", "disease"),
                ("gout", "症状", "joint pain"),
                ("gout", "definition", "A disease."),
            },
            ("痛风", "痛风性关节炎", "podagra"),
        ),
    ],
)
def test_skos_in_two_languages(
    tmp_path: Path, language: str | None, facts: set[tuple[str, str, str]], others: tuple[str, ...]
) -> None:
    known = store(tmp_path, "v.ttl", SKOS, language)
    (gout,) = known.find("痛风")
    assert {fact.statement for fact in statements(known)} == facts | {(known.label(gout), "notation", "M10")}
    assert known.spoken(gout)[1:] == others
    assert known.find("Ｇout") == known.find("痛风性关节炎") == [gout]
    assert NameOf("痛风性关节炎", "zh-hans", SYNONYM) in known.names(gout)
    assert NameOf("gout", "en", LABEL) in known.names(gout)
    assert [known.id(node) for node in known.parents(gout)] == ["http://ex.org/词/疾病"]


def test_plain_statements_are_named_by_their_addresses(tmp_path: Path) -> None:
    known = store(tmp_path, "a.nt", "<http://ex.org/gout> <http://ex.org/symptom> <http://ex.org/fever> .\n")
    assert statements(known) == [Triple("gout", "symptom", "fever", "a.nt")]


HEAD = f"<rdf:RDF {NAMESPACES}>"
BOMB = "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.owl", f'<!DOCTYPE x [<!ENTITY a "aaaa">{BOMB}]>{HEAD}</rdf:RDF>', "XML entity `b` is nested"),
        (
            "a.owl",
            f"<!DOCTYPE x [<!-- ]> --><!ENTITY a '{'a' * 400}'>]>{HEAD}</rdf:RDF>",
            "XML entity `a` is",
        ),
        ("a.owl", f'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>{HEAD}</rdf:RDF>', "XML entity `a`"),
        ("a.rdf", HEAD + "<owl:Class><owl:at>" * 100_000, "more than 200 elements stand in one another"),
        ("a.owl", f"{HEAD}<owl:Class></rdf:RDF>", "line 1: broken XML"),
        ("a.owl", '<Ontology xmlns="http://www.w3.org/2002/07/owl#"/>', "save it as RDF/XML or Turtle"),
        ("a.owl", "Prefix(:=<http://x/>)\nOntology(<http://x>)", "save it as RDF/XML or Turtle"),
        ("a.ttl", "@prefix : <http://x/> .\n:a :b ", "line 2: broken RDF"),
        ("a.ttl", "", "holds no facts"),
    ],
)
def test_what_could_harm_or_is_broken_is_one_sentence(tmp_path: Path, name: str, content: str, message: str) -> None:
    began = time.process_time()
    with pytest.raises(FusionError, match=message) as caught:
        store(tmp_path, name, content)
    assert time.process_time() - began < 2
    assert "\n" not in str(caught.value)
