"""IRIs of the Semantic Web: the vocabularies that are understood, and how ids, names and relations are written."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote

from deepseek_fusion.knowledge.sources.knowledge import LAST_LINE, Origin
from deepseek_fusion.knowledge.sources.text import cleaned_or_none, one_line

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
TERMS = "http://purl.org/dc/terms/"
OBO = "http://purl.obolibrary.org/obo/"
IN_OWL = "http://www.geneontology.org/formats/oboInOwl#"
OWN = "urn:deepseek-fusion:"

LABELS = {RDFS + "label", SKOS + "prefLabel"}
SYNONYMS = {
    SKOS + "altLabel",
    SKOS + "hiddenLabel",
    OBO + "IAO_0000118",
    *(f"{IN_OWL}has{scope}Synonym" for scope in ("", "Exact", "Related", "Broad", "Narrow")),
}
BROADER = {RDFS + "subClassOf", SKOS + "broader"}
NARROWER = {SKOS + "narrower"}
DEFINITIONS = {SKOS + "definition", OBO + "IAO_0000115"}
DEPRECATED = OWL + "deprecated"
REPLACED = {OBO + "IAO_0100001", TERMS + "isReplacedBy"}
ALTERNATIVES = {IN_OWL + "hasAlternativeId"}
VERSIONS = (OWL + "versionInfo", OWL + "versionIRI")
NOTATION, RELATED = SKOS + "notation", SKOS + "related"
LANGUAGE_OF_THE_WEB = (RDF, RDFS, OWL, SKOS, TERMS, IN_OWL, "http://purl.org/dc/elements/1.1/")
"""Vocabularies whose other words are about a term's record (who wrote it, when), not about the thing."""

_COMPACT = re.compile(rf"{re.escape(OBO)}([A-Za-z]\w*?)_(\w+)")
_CURIE = re.compile(r"([A-Za-z]\w*):(\w+)")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:([^\s<>\"{}|\\^`]*)")
_NO_SIGNS = "".join(chr((plane << 16) + last) for plane in range(1, 14) for last in (0xFFFE, 0xFFFF))
_UNSAFE = re.compile(
    r"[\x00-\x20<>\"{}\[\]|\\^`%#?/&;=\x7f-\xa0\u2028\u2029\ue000-\uf8ff\ufdd0-\ufdef\ufff0-\uffff"
    rf"{_NO_SIGNS}\U000e0000-\U0010ffff]"
)

Part = Literal["term", "name", "relation", "source"]


def id_of(iri: str) -> str:
    """What a term is known by: `HP:0001250` for an IRI of the OBO Foundry, its own id where we wrote it, or the IRI."""
    if found := _COMPACT.fullmatch(iri):
        return f"{found[1]}:{found[2]}"
    return own_text("term", iri) or iri


def iri_of(identifier: str) -> str:
    """The IRI of a term; `id_of` gives the id back."""
    if found := _CURIE.fullmatch(identifier):
        return f"{OBO}{found[1]}_{found[2]}"
    found = _IRI.fullmatch(identifier)
    whole = found and any(sign in found[1] for sign in ":/#") and not identifier.startswith((OWN, OBO))
    return identifier if whole else own_iri("term", identifier)


def own_iri(part: Part, text: str) -> str:
    """An IRI for what has none; letters of every script stay readable."""
    quoted = _UNSAFE.sub(lambda sign: "".join(f"%{byte:02X}" for byte in sign[0].encode("utf-8", "replace")), text)
    return f"{OWN}{part}:{quoted}"


def own_text(part: Part, iri: str) -> str | None:
    """What `own_iri` was made of; None for another IRI, and for one without a text."""
    start = f"{OWN}{part}:"
    return (_text(iri[len(start) :]) or None) if iri.startswith(start) else None


def graph_iri(origin: Origin) -> str:
    """The graph that holds the facts of one origin."""
    more = {"line": origin.line or "", "confidence": "" if origin.confidence == 1 else origin.confidence}
    query = "".join(f"&{key}={value}" for key, value in more.items() if value != "")
    if origin.time:
        query += "&time=" + own_iri("source", origin.time).removeprefix(f"{OWN}source:")
    return own_iri("source", origin.source) + query


def origin_of(iri: str, otherwise: str) -> Origin:
    """The origin that a graph stands for; `otherwise` for a graph that somebody else named, or that cannot be."""
    if not iri.startswith(f"{OWN}source:"):
        return Origin(otherwise)
    source, *more = iri.removeprefix(f"{OWN}source:").split("&")
    said = dict(part.partition("=")[::2] for part in more)
    try:
        line, confidence = int(said.get("line") or 0), float(said.get("confidence") or 1)
    except ValueError:
        return Origin(otherwise)
    possible = 0 <= line <= LAST_LINE and 0 <= confidence <= 1
    return Origin(_text(source), line, confidence, _text(said.get("time", ""))) if possible else Origin(otherwise)


def local_name(iri: str) -> str:
    """The last part of an IRI, which is a name if nobody gave one."""
    return _text(re.split(r"[#/:]", iri.rstrip("#/:"))[-1]) or one_line(iri)


def _text(quoted: str) -> str:
    """What a part of an IRI says, as `clean` gives it; line breaks and control characters become spaces."""
    text = unquote(quoted)
    return cleaned_or_none(text) or one_line(text)
