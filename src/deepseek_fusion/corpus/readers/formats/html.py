"""HTML without its scripts, menus and lists of links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from deepseek_fusion.core.errors import missing
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.opening import Opened, UnreadableError
from deepseek_fusion.corpus.readers.reader import Reader, Reading

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_BLOCK = "\x1e"  # record separator
_NO_TEXT = ["script", "style", "noscript", "template", "svg", "nav", "header", "footer", "aside", "form", "iframe"]
_INLINE = [
    *("a", "abbr", "b", "bdi", "bdo", "cite", "code", "dfn", "em", "font", "i", "ins", "kbd", "mark", "q", "s", "samp"),
    *("small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr"),
]
_FEWEST_LINKS = 3
_MOST_LINKED = 0.6  # of the text of a list or table
_MANY = 20_000  # tags; only in so many can nesting be deep enough to take for ever
_DEEPEST = 2000
_TAG = re.compile(
    r"<(/?)(?!(?:p|li|br|img|hr|t[rdh]|d[td]|meta|link|input|option|wbr|col|source)\b)[a-zA-Z][^<>]*(/?)>"
)
_MOST_LISTS = 1000  # in more of them nobody looks for menus, as lists in lists would take for ever


class HtmlReader(Reader):
    """A page; its `main` part if it has one."""

    suffixes: ClassVar[tuple[str, ...]] = (".html", ".htm", ".xhtml")

    def read(self, file: Opened) -> Reading:
        """The whole file."""
        yield Document(file.name, html_text(file.text()))


def html_text(markup: str) -> str:
    """What a person reads on a page, one line for each block.

    Raises:
        UnreadableError: it is nested too deep.
        FusionError: selectolax is not installed.
    """
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ModuleNotFoundError:
        raise missing("selectolax", "HTML", "text") from None
    if markup.count("<") > _MANY and _depth(markup) > _DEEPEST:
        raise UnreadableError(f"HTML nested deeper than {_DEEPEST} elements")
    tree = LexborHTMLParser(markup)
    tree.strip_tags(_NO_TEXT, recursive=True)
    _strip_menus(tree)
    tree.unwrap_tags(_INLINE)
    tree.merge_text_nodes()
    root = tree.css_first("main") or tree.body
    blocks = root.text(separator=_BLOCK).split(_BLOCK) if root else []
    lines = (" ".join(block.split()) for block in blocks)
    return "\n".join(line for line in lines if line)


def _depth(markup: str) -> int:
    depth = deepest = 0
    for tag in _TAG.finditer(markup):
        depth = max(0, depth - 1) if tag[1] else depth + (not tag[2])
        deepest = max(deepest, depth)
    return deepest


def _strip_menus(tree: LexborHTMLParser) -> None:
    lists = tree.css("ul, ol, table")
    for each in lists if len(lists) <= _MOST_LISTS else []:
        links = each.css("a")
        if len(links) >= _FEWEST_LINKS and sum(map(_size, links)) > _MOST_LINKED * _size(each):
            each.decompose()


def _size(node: LexborNode) -> int:
    return sum(map(len, (node.text() or "").split()))
