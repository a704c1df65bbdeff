"""A store as RDF: written out, asked in SPARQL, and read back as one more source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyoxigraph import (
    DefaultGraph,
    Literal,
    NamedNode,
    Quad,
    QueryBoolean,
    QuerySolutions,
    RdfFormat,
    serialize,
)
from pyoxigraph import Store as Oxigraph

from deepseek_fusion.core.artifacts import writing
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.sources import iris
from deepseek_fusion.knowledge.sources.knowledge import DEFINITION, PARENT_RELATION, REPLACED_BY
from deepseek_fusion.knowledge.store.store import Store
from deepseek_fusion.knowledge.store.tables import IDENTIFIER, LABEL, TERM, TEXT

FORMATS = {".nq": RdfFormat.N_QUADS, ".ttl": RdfFormat.TURTLE, ".nt": RdfFormat.N_TRIPLES, ".rdf": RdfFormat.RDF_XML}

PREFIXES = {
    "r": f"{iris.OWN}relation:",
    "name": f"{iris.OWN}name:",
    "skos": iris.SKOS,
    "rdfs": iris.RDFS,
    "rdf": iris.RDF,
    "owl": iris.OWL,
    "obo": iris.OBO,
    "dcterms": iris.TERMS,
    "oboInOwl": iris.IN_OWL,
}
"""Known to every query; `r:symptom` is the relation `symptom`."""

_RELATIONS = {
    PARENT_RELATION: NamedNode(iris.SKOS + "broader"),
    DEFINITION: NamedNode(iris.SKOS + "definition"),
    REPLACED_BY: NamedNode(iris.TERMS + "isReplacedBy"),
}
_NAMES = {LABEL: iris.SKOS + "prefLabel", IDENTIFIER: iris.IN_OWL + "hasAlternativeId"}
_TYPE, _CONCEPT = NamedNode(iris.RDF + "type"), NamedNode(iris.SKOS + "Concept")
_DEPRECATED, _TRUE = NamedNode(iris.DEPRECATED), Literal(True)
_SERVICE = re.compile(r"([?$:]?)(\w*)service(?:\s|#[^\r\n]*)*(?:silent|<|\?|\$|[\w-]*:)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")


def export(store: Store, path: Path) -> int:
    """Write everything to a file and return the number of statements.

    N-Quads keep where each fact comes from, how sure it is and when it was stated in the name of its graph; Turtle,
    N-Triples and RDF/XML cannot. `read_knowledge` reads all of them.

    Raises:
        FusionError: the ending names no format.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise FusionError(f"{path}: a store is written as {', '.join(FORMATS)}; choose one of these endings.")
    statements: dict[Any, None] = dict.fromkeys(_quads(store))
    if form is not RdfFormat.N_QUADS:
        statements = dict.fromkeys(quad.triple for quad in statements)
    with writing(path) as file:
        serialize(statements, file, format=form, prefixes=PREFIXES if form is RdfFormat.TURTLE else None)
    return len(statements)


def load(store: Store) -> Oxigraph:
    """All statements in memory, to be asked."""
    loaded = Oxigraph()
    loaded.bulk_extend(_quads(store))
    return loaded


def ask(loaded: Oxigraph, query: str) -> tuple[list[str], list[list[str]]]:
    """Column names and rows of a SPARQL query; true or false is one cell, a built graph has three columns.

    Raises:
        FusionError: the query is not SPARQL, or would fetch something from elsewhere.
    """
    plain = _ESCAPE.sub(lambda found: chr(min(int(found[1] or found[2], 16), 0x10FFFF)), query)
    if any(not before[1] for before in _SERVICE.finditer(plain)):
        raise FusionError("query: SERVICE asks another server, and nothing is fetched here; leave it out.")
    try:
        answer = loaded.query(query, prefixes=PREFIXES, use_default_graph_as_union=True)
        if isinstance(answer, QueryBoolean):
            return ["answer"], [["true" if answer else "false"]]
        if isinstance(answer, QuerySolutions):
            names = [variable.value for variable in answer.variables]
            return names, [[_shown(value) for value in row] for row in answer]
        return ["subject", "relation", "object"], [[_shown(part) for part in triple] for triple in answer]
    except (SyntaxError, ValueError) as error:
        raise FusionError(f"query: not SPARQL ({' '.join(str(error).split())}); mend it.") from None


def _quads(store: Store) -> Iterator[Quad]:
    nodes = [_node(store, node) for node in range(len(store))]
    everywhere = DefaultGraph()
    for node, subject in enumerate(nodes):
        if isinstance(subject, Literal):
            continue
        if store.kinds[node] == TERM:
            yield Quad(subject, _TYPE, _CONCEPT, everywhere)
        if store.obsolete[node]:
            yield Quad(subject, _DEPRECATED, _TRUE, everywhere)
        for name in store.names(node):
            if name.kind != IDENTIFIER or name.text != store.id(node):
                predicate = NamedNode(_NAMES.get(name.kind, iris.SKOS + "altLabel"))
                yield Quad(subject, predicate, _literal(name.text, name.language), everywhere)
    for fact in store.all_facts():
        subject = nodes[fact.subject]
        assert isinstance(subject, NamedNode)
        graph = NamedNode(iris.graph_iri(fact.origin)) if fact.origin.source else everywhere
        yield Quad(subject, _predicate(fact.relation, nodes[fact.object]), nodes[fact.object], graph)


def _node(store: Store, node: int) -> NamedNode | Literal:
    if store.kinds[node] == TEXT:
        return _literal(store.label(node), store.language(node))
    identifier = store.id(node)
    if store.kinds[node] != TERM:
        return NamedNode(iris.own_iri("name", identifier))
    try:
        return NamedNode(iris.iri_of(identifier))
    except ValueError:  # it only looks like an IRI
        return NamedNode(iris.own_iri("term", identifier))


def _predicate(relation: str, value: NamedNode | Literal) -> NamedNode:
    """A word of SKOS where it means the same: what is broader is a thing, a definition a text."""
    known = _RELATIONS.get(relation)
    fits = isinstance(value, Literal) == (relation == DEFINITION)
    return known if known and fits else NamedNode(iris.own_iri("relation", relation))


def _literal(text: str, language: str) -> Literal:
    return Literal(text, language=language) if language else Literal(text)


def _shown(value: Any) -> str:
    """A term by its id, a name as it is written."""
    if not isinstance(value, NamedNode):
        return "" if value is None else str(getattr(value, "value", value))
    for part in ("name", "relation"):
        if (text := iris.own_text(part, value.value)) is not None:
            return text
    return iris.id_of(value.value)
