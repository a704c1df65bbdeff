"""Scientific articles: records of PubMed/MEDLINE and full texts in JATS, as PubMed Central has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar
from xml.etree.ElementTree import Element

from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.readers.formats.xml import elements, text_of
from deepseek_fusion.corpus.readers.opening import Opened, UnreadableError
from deepseek_fusion.corpus.readers.reader import Reader, Reading

_ASIDE = {"xref", "table-wrap", "fig", "disp-formula", "inline-formula", "fn", "ref-list", "supplementary-material"}
_CITED = {"bibr", "fn", "table-fn"}


class ArticleReader(Reader):
    """One document a record of MEDLINE or an article of JATS; abstracts in other languages are of their own."""

    suffixes: ClassVar[tuple[str, ...]] = (".xml", ".nxml")

    def read(self, file: Opened) -> Reading:
        """Article by article."""
        number = 0
        for element in elements(file.blocks(), {"MedlineCitation", "article"}):
            number += 1
            yield from (
                _medline(file.name, number, element)
                if element.tag == "MedlineCitation"
                else (_jats(file.name, number, element),)
            )
        if not number:
            raise UnreadableError("XML with no article of MEDLINE or JATS in it")


def _medline(name: str, number: int, record: Element) -> Iterator[Document]:
    article = record.find("Article")
    if article is None:
        return
    about = _known(
        pmid=record.findtext("PMID"),
        journal=article.findtext("Journal/Title"),
        date=article.findtext("Journal/JournalIssue/PubDate/Year"),
        terms="; ".join(found.text or "" for found in record.iterfind("MeshHeadingList/MeshHeading/DescriptorName")),
    )
    yield _document(name, number, _title(article, "ArticleTitle"), article.find("Abstract"), about)
    for other in record.iterfind("OtherAbstract"):
        title = _title(article, "VernacularTitle") if other.get("Language") == "chi" else ""
        yield _document(name, number, title, other, about)


def _document(name: str, number: int, title: str, abstract: Element | None, about: dict[str, str]) -> Document:
    parts = [] if abstract is None else abstract.findall("AbstractText")
    labelled = (f"{part.get('Label')}: {text_of(part)}" if part.get("Label") else text_of(part) for part in parts)
    return Document(name, "\n\n".join(filter(None, (title, *labelled))), number, about)


def _title(article: Element, tag: str) -> str:
    found = article.find(tag)
    return "" if found is None else text_of(found).removeprefix("[").removesuffix("].").removesuffix("]")


def _jats(name: str, number: int, article: Element) -> Document:
    identifiers = {
        found.get("pub-id-type"): text_of(found) for found in article.iterfind("front/article-meta/article-id")
    }
    title = article.find("front/article-meta/title-group/article-title")
    about = _known(
        pmid=identifiers.get("pmid"),
        doi=identifiers.get("doi"),
        journal=article.findtext("front/journal-meta/journal-title-group/journal-title"),
        date=article.findtext("front/article-meta/pub-date/year"),
    )
    blocks = [*article.iterfind("front/article-meta/abstract"), *article.iterfind("body")]
    paragraphs = [text_of(title)] if title is not None else []
    for block in blocks:
        paragraphs += _paragraphs(block)
    return Document(name, "\n\n".join(filter(None, paragraphs)), number, about)


def _paragraphs(block: Element) -> Iterator[str]:
    """Titles and paragraphs in order, without references, tables and formulas."""
    for child in block:
        if child.tag in ("title", "p"):
            for reference in list(child.iter("xref")):
                if reference.get("ref-type") not in _CITED:  # "see Figure 2" is a part of its sentence
                    reference.tag = "cited"
            yield text_of(child, _ASIDE)
        elif child.tag not in _ASIDE:
            yield from _paragraphs(child)


def _known(**fields: str | None) -> dict[str, str]:
    return {key: value.strip() for key, value in fields.items() if value and value.strip()}
