"""The part of OBO 1.4 that states facts: names, synonyms, parents and definitions of terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deepseek_fusion.core.errors import FusionError

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_SPACES = {"W": " ", "n": " ", "t": " "}


@dataclass(frozen=True)
class Term:
    """One term and its facts as (line, relation, object)."""

    name: str
    synonyms: tuple[str, ...]
    facts: tuple[tuple[int, str, str], ...]


@dataclass
class _Stanza:
    kind: str
    line: int
    tags: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def first(self, tag: str) -> str | None:
        found = self.tags.get(tag)
        return found[0][1] if found else None


def parse_obo(path: Path, text: str) -> list[Term]:
    """The terms that are not obsolete, in file order.

    Raises:
        FusionError: a line that is no `tag: value`, a term without an id, or a text without its quotes.
    """
    stanzas = [
        stanza
        for stanza in _stanzas(path, text)
        if stanza.kind == "Term" and not (stanza.first("is_obsolete") or "").startswith("true")
    ]
    names = {_id_of(path, stanza): _plain(stanza.first("name") or _id_of(path, stanza)) for stanza in stanzas}
    return [_term(path, stanza, names) for stanza in stanzas]


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
    identifier = stanza.first("id")
    if not identifier:
        raise FusionError(f"{path}, line {stanza.line}: this [Term] has no `id`; add one.")
    return _plain(identifier)


def _term(path: Path, stanza: _Stanza, names: dict[str, str]) -> Term:
    facts: list[tuple[int, str, str]] = []
    for line, value in stanza.tags.get("is_a", ()):
        parent, _, comment = value.partition(" ! ")
        identifier = _plain(parent.partition(" {")[0])
        facts.append((line, "parent", names.get(identifier) or comment.strip() or identifier))
    for line, value in stanza.tags.get("def", ()):
        facts.append((line, "definition", _quoted(path, line, "def", value)))
    synonyms = tuple(_quoted(path, line, "synonym", value) for line, value in stanza.tags.get("synonym", ()))
    return Term(names[_id_of(path, stanza)], synonyms, tuple(facts))


def _quoted(path: Path, line: int, tag: str, value: str) -> str:
    found = _QUOTED.match(value)
    if found is None:
        raise FusionError(f'{path}, line {line}: `{tag}` has no text in quotes; write {tag}: "text".')
    return _unescape(found[1])


def _plain(value: str) -> str:
    """An unquoted value without its trailing comment."""
    return _unescape(value.partition(" ! ")[0].strip())


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda found: _SPACES.get(found[1], found[1]), value).strip()
