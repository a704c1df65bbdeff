from __future__ import annotations

import gzip

from corpus.conftest import Read
from corpus.formats.samples import reasons
from deepseek_fusion.corpus.documents import Document

MEDLINE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle//EN" "https://dtd.example/pubmed.dtd">
<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID Version="1">12</PMID><Article>
<Journal><JournalIssue><PubDate><Year>2024</Year></PubDate></JournalIssue><Title>Joints</Title></Journal>
<ArticleTitle>[Gout in <i>adults</i>].</ArticleTitle>
<Abstract><AbstractText Label="AIM">To see.</AbstractText>
<AbstractText Label="RESULT">Urate &lt; 6.</AbstractText></Abstract>
<VernacularTitle>成人痛风</VernacularTitle></Article>
<MeshHeadingList><MeshHeading><DescriptorName>Gout</DescriptorName></MeshHeading></MeshHeadingList>
<OtherAbstract Language="chi"><AbstractText>痛风是关节病。</AbstractText></OtherAbstract>
</MedlineCitation></PubmedArticle></PubmedArticleSet>"""
JATS = """<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><journal-meta><journal-title-group>
<journal-title>Joints</journal-title></journal-title-group></journal-meta><article-meta>
<article-id pub-id-type="doi">10.1/x</article-id><title-group><article-title>Gout</article-title></title-group>
<abstract><p>It hurts.</p></abstract></article-meta></front>
<body><sec><title>Cause</title><p>Urate crystals <xref ref-type="bibr">[1]</xref>, see
<xref ref-type="fig">Figure 2</xref>.</p><table-wrap><p>1 2 3</p></table-wrap></sec></body>
<back><ref-list><p>Smith 1990</p></ref-list></back></article>"""


def test_records_of_medline_and_their_abstracts_in_chinese(read: Read) -> None:
    about = {"pmid": "12", "journal": "Joints", "date": "2024", "terms": "Gout"}
    assert read("pubmed.xml.gz", gzip.compress(MEDLINE.encode())) == [
        Document("pubmed.xml.gz", "Gout in adults\n\nAIM: To see.\n\nRESULT: Urate < 6.", 1, about),
        Document("pubmed.xml.gz", "成人痛风\n\n痛风是关节病。", 1, about),
    ]


def test_a_full_text_without_references_and_tables(read: Read) -> None:
    text = "Gout\n\nIt hurts.\n\nCause\n\nUrate crystals , see Figure 2."
    assert read("a.nxml", JATS) == [Document("a.nxml", text, 1, {"doi": "10.1/x", "journal": "Joints"})]


def test_other_xml_is_refused(read: Read) -> None:
    assert reasons(read("a.xml", "<note>hello</note>")) == ["XML with no article of MEDLINE or JATS in it"]
