"""The documentation says what the code does."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

import deepseek_fusion
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.corpus.build import build_corpus
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.questions.exam import write_exam
from deepseek_fusion.evaluation.questions.leaks import check_leaks
from deepseek_fusion.knowledge.asking.shuffle import shuffle_answers
from deepseek_fusion.knowledge.build import make_graph
from evaluation.test_report import ENGLISH, sample_card, triples

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")])
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
TABLE = re.compile(r"<!-- table: ([\w-]+) -->\n(.*?)<!-- /table -->", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_generated_pages_are_up_to_date() -> None:
    check = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        target, _, anchor = (match[1] or match[2]).partition("#")
        if "://" in target:
            continue
        place = page.parent / target if target else page
        assert place.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(place), f"{page.name} links to #{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for _, heading in HEADING.findall(text)}


def test_both_readmes_have_the_same_parts_and_figures() -> None:
    english, chinese = (page.read_text(encoding="utf-8") for page in READMES)
    outlines = [[len(marks) for marks, _ in HEADING.findall(FENCE.sub("", text))] for text in (english, chinese)]
    assert outlines[0] == outlines[1]
    assert [kind for kind, _ in FENCE.findall(english)] == [kind for kind, _ in FENCE.findall(chinese)]
    assert figures(english) == figures(chinese)
    assert figures(english).keys() == {"demo", "teach_vs_plain"}


def figures(text: str) -> dict[str, list[list[str]]]:
    """The numbers in each row of each generated table."""
    return {
        name: [re.findall(r"\d[\d.,]*", row) for row in table.splitlines() if row.startswith("|")][1:]
        for name, table in TABLE.findall(text)
    }


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_the_project_in_the_readme_works(page: Path, tmp_path: Path) -> None:
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    project, ontology = (text for kind, text in blocks if kind == "yaml")
    (tmp_path / "pumps.yaml").write_text(project, encoding="utf-8")
    (tmp_path / "anatomy.yaml").write_text(ontology, encoding="utf-8")
    (tmp_path / "facts.csv").write_text(next(text for kind, text in blocks if kind == "csv"), encoding="utf-8")
    (tmp_path / "manuals").mkdir()
    (tmp_path / "manuals" / "a3.txt").write_text("Open the valve slowly and wait until the pressure holds.", "utf-8")
    assert load_config(tmp_path / "anatomy.yaml").knowledge.max_facts == 300
    config = load_config(tmp_path / "pumps.yaml")
    with Run(config.work_folder) as run:
        corpus = run.step(build_corpus, config.corpus, Source(config.documents, config.folder))
        graph = make_graph(run, config.knowledge, Source(config.knowledge.sources, config.folder), corpus)
        exam = run.step(write_exam, config.evaluation, graph, graph)
        lessons = run.step(write_lessons, config.curriculum, graph, corpus)
        run.step(check_leaks, config.evaluation, exam, lessons, graph)
        run.step(shuffle_answers, config.evaluation, graph)
    assert json.loads((graph.path / "graph.json").read_text(encoding="utf-8"))["facts"] == 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_json_in_the_docs_is_json(page: Path) -> None:
    for kind, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if kind == "json":
            rows = text.strip().splitlines() if text.count("\n{") else [text]
            assert all(isinstance(json.loads(row), dict) for row in rows)


def generator(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of docs/, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return importlib.import_module(name)


def card_of(facts: int) -> dict[str, Any]:
    """A sample card in which one name could break the markup."""
    card = sample_card(triples(ENGLISH)[:facts])
    for fact in card["facts"]:
        fact["subject"] = fact["subject"].replace("Gout", "<Gout> & | co")
    return card


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_picture_has_a_square_for_each_fact_before_and_after(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_of(144)
    draw = generator("facts_picture", monkeypatch).facts_picture
    assert draw(card, language) == draw(card, language)
    root = ElementTree.fromstring(draw(card, language))
    kinds = [square.get("class") for square in root.iter("{http://www.w3.org/2000/svg}rect")]
    states = [fact["state"] for fact in card["facts"]]
    learned, kept, lost = (states.count(state) for state in ("learned", "kept", "lost"))
    assert lost
    assert len(kinds) == 2 * 144 + 3
    assert kinds.count("known") == (kept + lost) + (kept + learned) + 1
    assert kinds.count("lost") == lost + 1
    assert any(text.text and "<Gout> & | co" in text.text for text in root.iter())
    assert float(root.get("width", "inf")) <= 900


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_tables_show_the_card_and_say_when_nothing_was_measured(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = generator("readme_tables", monkeypatch)
    card = card_of(144)
    page = "a\n<!-- table: demo -->\nold\n<!-- /table -->\nb\n"
    shown = tables.fill(page, {"demo": tables.demo_table(card, language, "facts.svg")})
    assert shown == tables.fill(shown, {"demo": tables.demo_table(card, language, "facts.svg")})
    assert "old" not in shown
    now = card["families"][0]["now"]
    assert f"{100 * now['value']:.0f} % ({100 * now['low']:.0f}–{100 * now['high']:.0f})" in shown
    assert "18.30 | 19.07 (+4.2 %; +2.2 – +6.2)" in shown
    assert "1,103" in shown
    nothing = tables.fill(page, {"demo": tables.demo_table(None, language, "facts.svg")})
    assert nothing == f"a\n<!-- table: demo -->\n{tables.WORDS[language]['nothing']}\n<!-- /table -->\nb\n"
    assert tables.WORDS["en"].keys() == tables.WORDS["zh"].keys()


def test_a_benchmark_row_that_fails_is_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"figure": "training tokens", "ours": 52187.0, "peer": 50000.0, "peer_name": "plain", "ratio": None}
    row |= {"bar": "<= 50000", "holds": False, "n": 3, "seeds": [0, 1, 2], "interval": [1.0, 2.5], "note": "why"}
    made = {"command": "python x.py", "commit": "abc", "date": "2026-11-22", "device": "2 cores", "rows": [row]}
    tables = generator("readme_tables", monkeypatch)
    assert "| training tokens | 52,187 | 1 – 2.5 | 50,000 |  | ≤ 50000 | **no** |" in tables.benchmark_table(made, "en")
    assert "| 训练词元数 | 52,187 | 1 – 2.5 | 50,000 |  | ≤ 50000 | **否** |" in tables.benchmark_table(made, "zh")


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == deepseek_fusion.__version__
    assert f"## {deepseek_fusion.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_public_names_exist_and_others_are_refused() -> None:
    for name in deepseek_fusion.__all__:
        assert getattr(deepseek_fusion, name)
    assert dir(deepseek_fusion) == sorted(deepseek_fusion.__all__)
    with pytest.raises(AttributeError, match="no attribute 'teech'"):
        _ = deepseek_fusion.teech


def test_make_targets_named_in_the_docs_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, f"{page.name} names {named - targets}"
