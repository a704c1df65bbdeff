"""HTML without its scripts, menus and lists of links."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from deepseek_fusion.core.errors import missing
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.opening import Opened
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
        FusionError: selectolax is not installed.
    """
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ModuleNotFoundError:
        raise missing("selectolax", "HTML", "text") from None
    tree = LexborHTMLParser(markup)
    tree.strip_tags(_NO_TEXT, recursive=True)
    _strip_menus(tree)
    tree.unwrap_tags(_INLINE)
    tree.merge_text_nodes()
    root = tree.css_first("main") or tree.body
    blocks = root.text(separator=_BLOCK).split(_BLOCK) if root else []
    lines = (" ".join(block.split()) for block in blocks)
    return "\n".join(line for line in lines if line)


def _strip_menus(tree: LexborHTMLParser) -> None:
    lists = tree.css("ul, ol, table")
    for each in lists if len(lists) <= _MOST_LISTS else []:
        links = each.css("a")
        if len(links) >= _FEWEST_LINKS and sum(map(_size, links)) > _MOST_LINKED * _size(each):
            each.decompose()


def _size(node: LexborNode) -> int:
    return sum(map(len, (node.text() or "").split()))
