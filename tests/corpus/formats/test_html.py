from __future__ import annotations

from corpus.conftest import Read
from deepseek_fusion.corpus.documents import Document

PAGE = """<!doctype html><html><head><title>T</title><style>a{color:red}</style></head>
<body><nav>menu</nav><!-- hidden --><h1>Gout</h1><p>Gout is a <b>pain</b>ful\n  disease&nbsp;&amp; more.<br>Second
<script>var x = 1</script></p><ul><li>痛<em>风</em><li>b</ul><footer>imprint</footer></body></html>"""
MENU = "<ul><li><a href=/>Home</a><li><a href=/a>About us</a><li><a href=/b>Log in</a></ul>"
SOURCES = "<ul><li>Smith found urate in 1990, see <a href=/>his book</a>, which <a>many</a> have <a>read</a>.</ul>"


def test_html_without_scripts_and_menus(read: Read) -> None:
    text = "Gout\nGout is a painful disease & more.\nSecond\n痛风\nb"
    assert read("a.html", PAGE) == [Document("a.html", text)]


def test_lists_of_links_are_menus_and_lists_with_links_are_not(read: Read) -> None:
    (document,) = read("a.html", f"<body>{MENU}<p>Gout.</p>{SOURCES}</body>")
    text = "Gout.\nSmith found urate in 1990, see his book, which many have read."
    assert document == Document("a.html", text)


def test_html_with_a_main_part(read: Read) -> None:
    page = "<body><div>log in</div><main><p>肺炎是肺部感染，常见症状包括发热。</p></main></body>"
    assert read("a.htm", page.encode("gb18030")) == [Document("a.htm", "肺炎是肺部感染，常见症状包括发热。")]
