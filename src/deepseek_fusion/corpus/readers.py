"""Files as documents: plain text, Markdown, HTML, JSON Lines and CSV, in whatever encoding they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.tables import table_rows
from deepseek_fusion.corpus.documents import Document, Rejected

_READER = "reader"
_BLOCK = "\x1e"  # record separator
_ENCODINGS = ["gb18030", "big5", "cp1252"]
_NO_TEXT = ["script", "style", "noscript", "template", "svg", "nav", "header", "footer", "aside", "form", "iframe"]
_INLINE = [
    *("a", "abbr", "b", "bdi", "bdo", "cite", "code", "dfn", "em", "font", "i", "ins", "kbd", "mark", "q", "s", "samp"),
    *("small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr"),
]

Reading = Iterator[Document | Rejected]


def read_documents(path: Path, name: str) -> Reading:
    """The documents of one file, and a rejection for each row or file that cannot be read.

    Args:
        path: the file.
        name: what to call it in the rows.

    Raises:
        FusionError: the file cannot be opened, or a package of the `text` extra is needed and missing.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        yield Rejected(name, None, _READER, f"not one of {', '.join(_READERS)}")
        return
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FusionError(f"{path}: cannot be read ({error.strerror}); check its rights or leave it out.") from None
    text = decode(data)
    if text is None:
        yield Rejected(name, None, _READER, "not text in any known encoding", ascii(data[:40])[2:-1])
    else:
        yield from reader(name, text.replace("\r\n", "\n").replace("\r", "\n"))


def decode(data: bytes) -> str | None:
    """Text of UTF-8 or UTF-16 bytes, else of the most likely Chinese or Western encoding; None for binary data.

    Raises:
        FusionError: the bytes are not Unicode and charset-normalizer is not installed.
    """
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return _guess(data)
    return None if "\0" in text else text


def _guess(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        from charset_normalizer import from_bytes
    except ModuleNotFoundError:
        raise _missing("charset-normalizer", "text that is not UTF-8") from None
    best = from_bytes(data, cp_isolation=_ENCODINGS).best()
    return None if best is None else str(best)


def _read_text(name: str, text: str) -> Reading:
    yield Document(name, text.strip())


def _read_html(name: str, text: str) -> Reading:
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ModuleNotFoundError:
        raise _missing("selectolax", "HTML") from None
    tree = LexborHTMLParser(text)
    tree.strip_tags(_NO_TEXT, recursive=True)
    tree.unwrap_tags(_INLINE)
    tree.merge_text_nodes()
    root = tree.css_first("main") or tree.body
    blocks = root.text(separator=_BLOCK).split(_BLOCK) if root else []
    lines = (" ".join(block.split()) for block in blocks)
    yield Document(name, "\n".join(line for line in lines if line))


def _read_jsonl(name: str, text: str) -> Reading:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            yield Rejected(name, line, _READER, f"not JSON ({error})", content[:80])
            continue
        if isinstance(row, dict) and isinstance(row.get("text"), str):
            yield Document(name, row["text"].strip(), line)
        else:
            yield Rejected(name, line, _READER, "not an object with a field `text`", content[:80])


def _read_csv(name: str, text: str) -> Reading:
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    columns: list[str] | None = None
    for line, row in table_rows(text, delimiter):
        if isinstance(row, str):
            yield Rejected(name, line, _READER, row)
            continue
        if columns is None:
            columns = [column.strip().casefold() for column in row]
            if "text" not in columns:
                yield Rejected(name, line, _READER, "the header has no column `text`", ",".join(row)[:80])
                return
        elif len(row) == len(columns):
            yield Document(name, row[columns.index("text")].strip(), line)
        elif row:
            reason = f"{len(row)} fields where the header has {len(columns)}"
            yield Rejected(name, line, _READER, reason, ",".join(row)[:80])


def _missing(package: str, purpose: str) -> FusionError:
    return FusionError(f"{purpose} needs {package}; install it with: pip install 'deepseek-fusion[text]'")


_READERS: dict[str, Callable[[str, str], Reading]] = {
    ".txt": _read_text,
    ".md": _read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".tsv": _read_csv,
}
