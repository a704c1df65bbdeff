"""Ontologies and vocabularies in RDF: OWL classes, SKOS concepts, and plain statements about things."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeGuard
from xml.parsers import expat

import pyoxigraph
from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.sources import iris
from deepseek_fusion.knowledge.sources.knowledge import (
    DEFINITION,
    PARENT_RELATION,
    Fact,
    Knowledge,
    Name,
    Origin,
    Record,
    Term,
)
from deepseek_fusion.knowledge.sources.text import one_line, text_of

Subject = NamedNode | BlankNode
Object = NamedNode | BlankNode | Literal

FORMATS = {
    ".owl": RdfFormat.RDF_XML,
    ".rdf": RdfFormat.RDF_XML,
    ".ttl": RdfFormat.TURTLE,
    ".nt": RdfFormat.N_TRIPLES,
    ".nq": RdfFormat.N_QUADS,
}

ENTITY_SIGNS, ENTITIES, DEEPEST, NAMESPACES = 300, 200, 200, 1000
"""Characters of an XML entity or of a namespace, how many entities a file may declare, how many elements or quoted
statements may stand in one another, and how many attributes an element may have: namespaces and classes need no more,
and a bomb needs more."""

_LONG_PREFIX = re.compile(rf"(prefix\s+[^\s:]*:|base)\s*<[^<>\s\"]{{{ENTITY_SIGNS}}}", re.IGNORECASE)

_QUOTING = re.compile(
    r'"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|'
    r"'''(?:\\.|[^\\])*?'''|'(?:\\.|[^'\\\n])*'|"
    r"\\.|#[^\n]*|<[^<>\s]*>|<<|>>",
    re.DOTALL,
)
"""What may hold `<<` and `>>` without meaning them, and the two themselves."""

_BASE = "https://base.invalid/"
_PROPERTIES = {iris.RDF + "Property", *(f"{iris.OWL}{kind}Property" for kind in ("Object", "Datatype", "Annotation"))}
_FRAMES = {iris.OWL + "Ontology", iris.SKOS + "ConceptScheme", iris.OWL + "Axiom", *_PROPERTIES}


def read_rdf(path: Path) -> Knowledge:
    """A file in RDF/XML, Turtle, N-Triples or N-Quads. Nothing that it points to is fetched.

    Names come from `rdfs:label` and `skos:prefLabel`, synonyms from `skos:altLabel` and those of OBO; `rdfs:subClassOf`
    and `skos:broader` become the relation `parent`, restrictions on a property a fact of its name.

    Raises:
        FusionError: the file is no RDF, declares XML entities that no namespace needs.
    """
    statements = _Statements(path)
    for subject, predicate, value, graph in _quads(path):
        statements.add(subject, predicate, value, graph)
    return statements.knowledge()


def _quads(path: Path) -> Iterator[tuple[Subject, str, Object, str]]:
    text = text_of(path)
    form = _format(path, text)
    if form == RdfFormat.RDF_XML:
        _check_xml(path, text)
    else:
        _check_turtle(path, text)
    try:
        for quad in pyoxigraph.parse(text, format=form, base_iri=_BASE):
            if isinstance(quad.subject, pyoxigraph.Triple) or isinstance(quad.object, pyoxigraph.Triple):
                continue
            graph = quad.graph_name.value if isinstance(quad.graph_name, pyoxigraph.NamedNode) else ""
            yield quad.subject, quad.predicate.value, quad.object, graph
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise FusionError(f"{path}{line}: broken RDF ({one_line(str(error.msg))}); export it again.") from None


def _format(path: Path, text: str) -> RdfFormat:
    """By what the file begins with where that is clear: `.owl` says nothing about the format."""
    start = re.sub(r"\A(\s|<\?xml.*?\?>|<!--.*?-->)+", "", text[:100_000], flags=re.DOTALL)
    if re.match(r"<Ontology\b", start) or re.match(r"(Prefix\s*\(|Ontology\s*\(|Prefix:|Ontology:)", start):
        raise FusionError(f"{path}: is OWL in XML, functional or Manchester syntax; save it as RDF/XML or Turtle.")
    if re.match(r"<(!DOCTYPE|rdf:RDF|\w+:RDF|RDF)\b", start):
        return RdfFormat.RDF_XML
    if path.suffix.lower() == ".owl" and re.match(r"(@prefix|@base|PREFIX|BASE|<[a-z]+:|#|\[)", start, re.IGNORECASE):
        return RdfFormat.TURTLE
    return FORMATS[path.suffix.lower()]


def _check_turtle(path: Path, text: str) -> None:
    """Refuse prefixes that would be repeated at length, and statements on statements on statements: the parser frees
    one within another, until its stack ends."""
    if found := _LONG_PREFIX.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise FusionError(
            f"{path}, line {line}: a prefix has more than {ENTITY_SIGNS} characters; write a shorter one."
        )
    if text.count("<<") <= DEEPEST:
        return
    depth = 0
    for found in _QUOTING.finditer(text):
        depth += {"<<": 1, ">>": -1}.get(found[0], 0)
        if depth > DEEPEST:
            line = text.count("\n", 0, found.start()) + 1
            raise FusionError(
                f"{path}, line {line}: more than {DEEPEST} statements stand in one another; export it again."
            )


def _check_xml(path: Path, text: str) -> None:
    """Refuse what could grow: entities within entities, long ones, many, those of other files; and deep nesting."""
    parser = expat.ParserCreate("utf-8")
    declared, depth = 0, 0

    def refuse(what: str) -> NoReturn:
        raise FusionError(
            f"{path}, line {parser.CurrentLineNumber}: {what}, which may fill the memory; export it again."
        )

    def entity(name: str, parameter: bool, value: str | None, *_: str | None) -> None:
        nonlocal declared
        declared += 1
        if parameter or value is None or "&" in value or len(value) > ENTITY_SIGNS or declared > ENTITIES:
            refuse(f"the XML entity `{name}` is nested, long, external or one of many")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            refuse(f"more than {DEEPEST} elements stand in one another")
        namespaces = [value for attribute, value in attributes.items() if attribute.startswith(("xmlns", "xml:base"))]
        if len(attributes) > NAMESPACES or any(len(value) > ENTITY_SIGNS for value in namespaces):
            refuse(f"more than {NAMESPACES} attributes or a namespace of more than {ENTITY_SIGNS} characters")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.EntityDeclHandler, parser.StartElementHandler, parser.EndElementHandler = entity, start, end
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise FusionError(
            f"{path}, line {error.lineno}: broken XML ({one_line(str(error))}); export it again."
        ) from None


@dataclass
class _Statements:
    """All that a file says, by subject."""

    path: Path
    about: defaultdict[str, list[tuple[str, Object, str]]] = field(default_factory=lambda: defaultdict(list))
    nodes: defaultdict[str, dict[str, Object]] = field(default_factory=lambda: defaultdict(dict))
    predicates: set[str] = field(default_factory=set)
    narrower: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, subject: Subject, predicate: str, value: Object, graph: str) -> None:
        """Keep one statement; those on blank nodes by themselves."""
        if isinstance(subject, BlankNode):
            self.nodes[subject.value].setdefault(predicate, value)
            return
        self.predicates.add(predicate)
        if predicate in iris.NARROWER and _is_iri(value):
            self.narrower.append((subject.value, value.value, graph))
        else:
            self.about[subject.value].append((predicate, value, graph))

    def knowledge(self) -> Knowledge:
        """Terms, facts between names that we wrote ourselves, and what was not used."""
        for broad, narrow, graph in self.narrower:
            self.about[narrow].append((iris.SKOS + "broader", NamedNode(broad), graph))
        frames = {subject for subject in self.about if self._types(subject) & _FRAMES} | self.predicates
        records: list[Record] = []
        terms: dict[str, Term] = {}
        for subject in self.about:
            if subject in frames or iris.own_text("relation", subject) is not None:
                continue
            if (name := iris.own_text("name", subject)) is not None:
                records += self._records(subject, name)
            else:
                terms[subject] = self._term(subject)
        for outside in self._outside(terms):
            terms[outside] = Term(iris.id_of(outside), (Name(_name_of(outside)),))
        return Knowledge(self.path, list(terms.values()), records, self._version(frames), tuple(self._notes(frames)))

    def _types(self, subject: str) -> set[str]:
        return {value.value for predicate, value, _ in self.about[subject] if predicate == iris.RDF + "type"}

    def _term(self, iri: str) -> Term:
        said = self.about[iri]
        labels = tuple(dict.fromkeys(_name(value) for predicate, value, _ in said if predicate in iris.LABELS))
        synonyms = dict.fromkeys(_name(value) for predicate, value, _ in said if predicate in iris.SYNONYMS)
        return Term(
            id=iris.id_of(iri),
            labels=tuple(name for name in labels if name.text) or (Name(_name_of(iri)),),
            synonyms=tuple(name for name in synonyms if name.text and name not in labels),
            facts=tuple(self._facts(iri)),
            obsolete=any(predicate == iris.DEPRECATED and value.value in ("true", "1") for predicate, value, _ in said),
            replaced_by=tuple(_id_in(value) for predicate, value, _ in said if predicate in iris.REPLACED),
            alternatives=tuple(_id_in(value) for predicate, value, _ in said if predicate in iris.ALTERNATIVES),
        )

    def _facts(self, iri: str) -> Iterator[Fact]:
        for predicate, value, graph in self.about[iri]:
            origin = iris.origin_of(graph, self.path.name)
            if isinstance(value, BlankNode):
                yield from self._restriction(predicate, value.value, origin)
            elif relation := self._relation(predicate, value):
                if _is_iri(value):
                    name = iris.own_text("name", value.value)
                    yield Fact(relation, name or iris.id_of(value.value), "name" if name else "term", origin)
                elif text := one_line(value.value):
                    yield Fact(relation, text, "text", origin, _name(value).language)

    def _relation(self, predicate: str, value: Object) -> str:
        """The relation that a predicate stands for; empty if it is no fact about the thing."""
        if (own := iris.own_text("relation", predicate)) is not None:
            return own
        if predicate in iris.BROADER:
            return PARENT_RELATION if _is_iri(value) else ""
        if predicate in iris.DEFINITIONS:
            return "" if _is_iri(value) else DEFINITION
        if predicate == iris.RDF + "type":
            return "" if value.value.startswith(iris.LANGUAGE_OF_THE_WEB) else "type"
        known = iris.LABELS | iris.SYNONYMS | iris.REPLACED
        left_out = predicate in known or predicate.startswith(iris.LANGUAGE_OF_THE_WEB)
        return "" if left_out and predicate not in (iris.NOTATION, iris.RELATED) else self._label(predicate)

    def _restriction(self, predicate: str, node: str, origin: Origin) -> Iterator[Fact]:
        """`subClassOf [ onProperty P; someValuesFrom C ]`: P is a relation to C."""
        said = self.nodes[node]
        on, to = said.get(iris.OWL + "onProperty"), said.get(iris.OWL + "someValuesFrom")
        if predicate in iris.BROADER and _is_iri(on) and _is_iri(to):
            yield Fact(self._label(on.value), iris.id_of(to.value), "term", origin)

    def _records(self, subject: str, name: str) -> Iterator[Record]:
        synonyms = tuple(
            one_line(value.value) for predicate, value, _ in self.about[subject] if predicate in iris.SYNONYMS
        )
        for fact in self._facts(subject):
            yield Record(name, fact.relation, fact.object, fact.origin, synonyms)

    def _label(self, iri: str) -> str:
        labels = [value.value for predicate, value, _ in self.about.get(iri, ()) if predicate in iris.LABELS]
        return one_line(labels[0]) if labels and one_line(labels[0]) else iris.local_name(iri)

    def _outside(self, terms: dict[str, Term]) -> list[str]:
        """Things that are only pointed to."""
        known = {term.id for term in terms.values()}
        pointed = (fact for term in terms.values() for fact in term.facts if fact.kind == "term")
        return [
            iris.iri_of(identifier)
            for identifier in dict.fromkeys(f.object for f in pointed)
            if identifier not in known
        ]

    def _version(self, frames: set[str]) -> str:
        heads = [subject for subject in self.about if subject in frames and self._types(subject) & _HEADS]
        said = [(predicate, value.value) for head in heads for predicate, value, _ in self.about[head]]
        return next(
            (one_line(value) for wanted in iris.VERSIONS for predicate, value in said if predicate == wanted), ""
        )

    def _notes(self, frames: set[str]) -> Iterator[str]:
        for subject in frames & set(self.about):
            for predicate, value, _ in self.about[subject]:
                if predicate == iris.OWL + "imports":
                    yield f"{self.path.name}: imports {value.value}, which is not fetched; add the file to the sources."
        expressions = sum(
            isinstance(value, BlankNode)
            and predicate.startswith((iris.OWL, iris.RDFS))
            and iris.OWL + "someValuesFrom" not in self.nodes[value.value]
            for said in self.about.values()
            for predicate, value, _ in said
        )
        if expressions:
            yield f"{self.path.name}: {expressions} class expressions without a name were left out."


_HEADS = {iris.OWL + "Ontology", iris.SKOS + "ConceptScheme"}


def _is_iri(value: Object | None) -> TypeGuard[NamedNode]:
    return isinstance(value, NamedNode)


def _name(value: Object) -> Name:
    return Name(one_line(value.value), (value.language or "") if isinstance(value, Literal) else "")


def _name_of(iri: str) -> str:
    identifier = iris.id_of(iri)
    return identifier if identifier != iri else one_line(iris.local_name(iri))


def _id_in(value: Object) -> str:
    return iris.id_of(value.value) if _is_iri(value) else one_line(value.value)
