"""Ontologies in OBO 1.4: names, synonyms, parents, relationships and definitions of terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.sources.knowledge import DEFINITION, PARENT_RELATION, Fact, Knowledge, Name, Origin, Term
from deepseek_fusion.knowledge.sources.text import clean, one_line, text_of

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_SPACES = {"W": " ", "n": " ", "t": " "}


@dataclass
class _Stanza:
    kind: str
    line: int
    tags: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def first(self, tag: str) -> str:
        found = self.tags.get(tag)
        return found[0][1] if found else ""

    def all(self, tag: str) -> list[tuple[int, str]]:
        return self.tags.get(tag, [])


def read_obo(path: Path) -> Knowledge:
    """All terms in file order, obsolete ones too; `is_a` becomes the relation `parent`, `def` `definition`.

    Raises:
        FusionError: a line that is no `tag: value`, a term without an id, or a text without its quotes.
    """
    header, *stanzas = _stanzas(path, text_of(path))
    relations = {
        _plain(stanza.first("id")): _plain(stanza.first("name")) or _plain(stanza.first("id"))
        for stanza in stanzas
        if stanza.kind == "Typedef"
    }
    terms = [stanza for stanza in stanzas if stanza.kind == "Term"]
    known = {_id_of(path, stanza) for stanza in terms}
    notes = tuple(
        f"{path.name}, line {line}: imports {one_line(value)}, which is not fetched; add the file to the sources."
        for line, value in header.all("import")
    )
    return Knowledge(
        path,
        terms=[_Reading(path, relations, known).term(stanza) for stanza in terms],
        version=one_line(_plain(header.first("data-version"))),
        notes=notes,
    )


def _stanzas(path: Path, text: str) -> Iterator[_Stanza]:
    stanza = _Stanza("header", 1)
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.strip()
        if not content or content.startswith("!"):
            continue
        if content.startswith("["):
            yield stanza
            stanza = _Stanza(content.strip("[]"), number)
            continue
        tag, colon, value = content.partition(":")
        if not colon:
            raise FusionError(f"{path}, line {number}: {content!r:.40} is not `tag: value`; mend the line.")
        stanza.tags.setdefault(tag.strip(), []).append((number, value.strip()))
    yield stanza


def _id_of(path: Path, stanza: _Stanza) -> str:
    identifier = clean(f"{path}, line {stanza.line}", "id", _plain(stanza.first("id")))
    if not identifier:
        raise FusionError(f"{path}, line {stanza.line}: this [Term] has no `id`; add one.")
    return identifier


@dataclass(frozen=True)
class _Reading:
    path: Path
    relations: dict[str, str]
    known: set[str]

    def term(self, stanza: _Stanza) -> Term:
        identifier = _id_of(self.path, stanza)
        name = self._clean(stanza.line, "name", _plain(stanza.first("name"))) or identifier
        synonyms = [self._quoted(line, "synonym", value) for line, value in stanza.all("synonym")]
        return Term(
            id=identifier,
            labels=(Name(name),),
            synonyms=tuple(Name(text) for text in dict.fromkeys(synonyms) if text and text != name),
            facts=tuple(self._facts(stanza)),
            obsolete=stanza.first("is_obsolete").startswith("true"),
            replaced_by=tuple(self._ids(stanza, "replaced_by")),
            alternatives=tuple(self._ids(stanza, "alt_id")),
        )

    def _ids(self, stanza: _Stanza, tag: str) -> Iterator[str]:
        for line, value in stanza.all(tag):
            if identifier := self._clean(line, tag, _plain(value)):
                yield identifier

    def _facts(self, stanza: _Stanza) -> Iterator[Fact]:
        for line, value in stanza.all("is_a"):
            yield self._link(line, PARENT_RELATION, value)
        for line, value in stanza.all("def"):
            if text := self._quoted(line, "def", value):
                yield Fact(DEFINITION, text, "text", Origin(self.path.name, line))
        for line, value in stanza.all("relationship"):
            relation, _, other = value.partition(" ")
            name = self._clean(line, "relationship", self.relations.get(relation, relation))
            if name and other.strip():
                yield self._link(line, name, other.strip())

    def _link(self, line: int, relation: str, value: str) -> Fact:
        """To a term, or, if the file does not have it, to the name that the comment gives."""
        target, _, comment = f" {value}".partition(" ! ")
        identifier = self._clean(line, relation, _plain(target.partition(" {")[0]))
        if not identifier:
            raise FusionError(f"{self.path}, line {line}: `{relation}` names no term; write the id of one.")
        if identifier in self.known or not comment.strip():
            return Fact(relation, identifier, "term", Origin(self.path.name, line))
        return Fact(relation, self._clean(line, relation, comment), "name", Origin(self.path.name, line))

    def _quoted(self, line: int, tag: str, value: str) -> str:
        found = _QUOTED.match(value)
        if found is None:
            raise FusionError(f'{self.path}, line {line}: `{tag}` has no text in quotes; write {tag}: "text".')
        return self._clean(line, tag, _unescape(found[1]))

    def _clean(self, line: int, tag: str, value: str) -> str:
        return clean(f"{self.path}, line {line}", tag, value)


def _plain(value: str) -> str:
    """An unquoted value without its trailing comment."""
    return _unescape(f" {value}".partition(" ! ")[0].strip())


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda found: _SPACES.get(found[1], found[1]), value).strip()
