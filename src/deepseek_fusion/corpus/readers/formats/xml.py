"""XML element by element, with nothing expanded, fetched or kept that could fill the memory.

The parser is the standard library's expat. It never reads an external DTD; a document that declares entities of its own
is refused, as entities in entities grow without bound.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterable, Iterator
from html.entities import html5
from itertools import chain
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from deepseek_fusion.corpus.readers.opening import MOST_LINE, UnreadableError

_DEEPEST = 200
_NATIVE = {"utf-8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "latin-1"}
_DECLARED = re.compile(rb"""<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]+)""")


def elements(blocks: Iterable[bytes], names: Collection[str]) -> Iterator[Element]:
    """Each element with one of these names as soon as it is complete; names are without their namespace.

    Raises:
        UnreadableError: it is not XML, declares entities, nests too deep, or one element is too large.
    """
    stream = iter(blocks)
    first = next(stream, b"")
    encoding = _foreign_encoding(first)
    decoder = codecs.getincrementaldecoder(encoding or "ascii")("replace")
    collector = _Collector(names, encoding and "utf-8")
    for block in chain((first,), stream):
        yield from collector.feed(decoder.decode(block).encode() if encoding else block)
    yield from collector.feed(b"", final=True)


def text_of(element: Element, without: Collection[str] = ()) -> str:
    """All text in an element on one line, but for that of some elements inside it."""
    return " ".join("".join(_texts(element, without)).split())


def _texts(element: Element, without: Collection[str]) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag not in without:
            yield from _texts(child, without)
        yield child.tail or ""


def _foreign_encoding(head: bytes) -> str | None:
    """The declared encoding if expat does not know it."""
    found = _DECLARED.match(head.removeprefix(codecs.BOM_UTF8))
    name = found[1].decode().casefold() if found else "utf-8"
    if name in _NATIVE:
        return None
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise UnreadableError(f"in the unknown encoding {name}") from None


class _Collector:
    """Builds the wanted elements, and only them."""

    def __init__(self, names: Collection[str], encoding: str | None) -> None:
        self.names = names
        self.parser = expat.ParserCreate(encoding)
        self.parser.buffer_text = True
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.EntityDeclHandler = self.entity
        self.parser.SkippedEntityHandler = self.named_character
        self.depth = self.size = 0
        self.inside: int | None = None  # depth of the wanted element that is being built
        self.builder = TreeBuilder()
        self.ready: list[Element] = []

    def feed(self, data: bytes, final: bool = False) -> Iterator[Element]:
        """The elements that this piece completes."""
        try:
            self.parser.Parse(data, final)
        except expat.ExpatError as error:
            raise UnreadableError(f"broken XML ({error})") from None
        ready, self.ready = self.ready, []
        yield from ready

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UnreadableError(f"XML nested deeper than {_DEEPEST} elements")
        name = name.rpartition(":")[2]
        if self.inside is None and name in self.names:
            self.inside, self.size, self.builder = self.depth, 0, TreeBuilder()
        if self.inside is not None:
            self.grow(len(name) + 64)
            self.builder.start(name, {key.rpartition(":")[2]: value for key, value in attributes.items()})

    def end(self, name: str) -> None:
        """End an element, and hand it out if it is a wanted one."""
        if self.inside is not None:
            self.builder.end(name.rpartition(":")[2])
        if self.inside == self.depth:
            self.ready.append(self.builder.close())
            self.inside = None
        self.depth -= 1

    def characters(self, text: str) -> None:
        """Text inside a wanted element."""
        if self.inside is not None:
            self.grow(len(text))
            self.builder.data(text)

    def grow(self, by: int) -> None:
        """Count what the element holds."""
        self.size += by
        if self.size > MOST_LINE:
            raise UnreadableError(f"an XML element of more than {MOST_LINE >> 20} MB")

    def named_character(self, name: str, is_parameter: bool) -> None:
        """What the external DTD, which is not read, would have said: `&alpha;` and its like."""
        if not is_parameter:
            self.characters(html5.get(f"{name};", ""))

    def entity(self, name: str, *_: object) -> NoReturn:
        """Refuse to define any."""
        raise UnreadableError(f"declares the entity {name!r}; entities can grow without bound and none is expanded")
