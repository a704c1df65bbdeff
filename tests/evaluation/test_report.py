"""The page drawn from realistic cards: complete, self-contained, safe, and in both languages."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.evaluation.report.changes import changed_words
from deepseek_fusion.evaluation.report.page import render_report
from evaluation.card_samples import (
    CHINESE,
    ENGLISH,
    NAMES,
    Card,
    full_card,
    many_triples,
    sample_card,
    sample_gate,
    triples,
)

FUNNEL = "funnel.html"
"""The one page that a report may lead to: it lies beside it."""


class Page(HTMLParser):
    """The parsed page: every tag with its attributes, the text a reader sees, and what each script holds."""

    INLINE = frozenset({"span", "b", "em", "code"})
    VOID = frozenset({"meta", "input", "br", "line", "circle", "path", "polyline", "link", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: dict[str, str] = {}
        self.open: list[str] = []
        self.spoken: list[str] = []
        self.chinese: list[int] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
            if dict(attrs).get("class") == "t-zh":
                self.chinese.append(len(self.open))
        if tag not in self.INLINE:
            self.spoken.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.chinese[-1:] == [len(self.open)]:
            self.chinese.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            name = self.tags[-1][1].get("id") or "code"
            self.scripts[name] = self.scripts.get(name, "") + data
        elif self.open and self.open[-1] != "style":
            self.text.append(data)
            self.spoken += [] if self.chinese else [data]

    @property
    def words(self) -> str:
        """The text with every run of white space as one blank."""
        return re.sub(r"\s+", " ", "".join(self.text))

    @property
    def english(self) -> str:
        """The text as an English reader sees it, blocks apart."""
        return re.sub(r"\s+", " ", "".join(self.spoken))

    def all(self, **wanted: str) -> list[dict[str, str | None]]:
        """Attributes of the tags that have all of these attributes with these words in them."""
        names = {name.replace("_", "-").rstrip("-"): value for name, value in wanted.items()}
        return [a for _, a in self.tags if all(value in (a.get(name) or "").split() for name, value in names.items())]


def draw_page(card: Card, folder: Path) -> tuple[str, Page]:
    """Render, and parse what was written."""
    out = folder / "report.html"
    render_report(card, out)
    html = out.read_text(encoding="utf-8")
    page = Page(html)
    assert page.open == []
    return html, page


def test_a_cell_for_every_fact_with_its_state(tmp_path: Path) -> None:
    card = sample_card(triples(ENGLISH))
    _, page = draw_page(card, tmp_path)
    cells = {attributes["data-fact"]: attributes for tag, attributes in page.tags if "data-fact" in attributes}
    assert len(cells) == len(card["facts"]) == 156
    for place, fact in enumerate(card["facts"]):
        cell = cells[str(place)]
        assert cell["class"] == f"cell {fact['state']}"
        label = f"{fact['subject']}, {NAMES['en'][fact['relation']]}, {fact['object']}: {fact['state'].capitalize()}"
        assert cell["aria-label"] == label
    embedded = json.loads(page.scripts["data"])
    assert [row[0] for row in embedded["facts"]] == [fact["id"] for fact in card["facts"]]
    assert embedded["facts"][3][5] == card["facts"][3]["families"]
    assert embedded["answers"] == []
    assert embedded["coverage"] is None


def test_verdict_counts_facts(tmp_path: Path) -> None:
    card = sample_card(triples(ENGLISH))
    summary = card["summary"]
    _, page = draw_page(card, tmp_path)
    text = page.words
    before, now = summary["kept"] + summary["lost"], summary["kept"] + summary["learned"]
    lost = summary["lost"]
    assert f"Of 156 facts, the model knew {before} before and knows {now} now; it lost {lost} and reads" in text
    assert "reads general text 4.2 % worse." in text
    assert "Perplexity of general text: 18.30 → 19.07 (+4.2 %; +2.2 – +6.2)" in text
    assert "change: 95 % interval +2.2 – +6.2 %, n 26 windows of text" in text


@pytest.mark.parametrize(
    ("now", "words"), [(18.304, "as well as before"), (17.0, "7.1 % better"), (30.0, "63.9 % worse")]
)
def test_verdict_says_which_way_perplexity_went(tmp_path: Path, now: float, words: str) -> None:
    card = sample_card(triples(ENGLISH))
    card["general"]["perplexity"]["now"] = now
    _, page = draw_page(card, tmp_path)
    assert f"reads general text {words}" in page.words


@pytest.mark.parametrize("card", [full_card(triples(ENGLISH)), full_card(triples(CHINESE), "zh")])
def test_nothing_is_loaded_from_elsewhere(card: Card, tmp_path: Path) -> None:
    html, page = draw_page(card, tmp_path)
    assert not re.search(r"(https?:)?//[a-z0-9]", re.sub(r"/\*.*?\*/", "", html, flags=re.S), re.I)
    assert "@import" not in html
    assert "url(" not in html
    assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "embed"}
    assert {a["href"] for _, a in page.tags if not (a.get("href") or "#").startswith("#")} <= {FUNNEL}
    assert not [a for _, a in page.tags if "src" in a or any(name.startswith("on") for name in a)]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    nasty = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}<!--"
    rows = [(nasty, relation, thing) for _, relation, thing in triples(CHINESE)]
    rows[0] = (nasty, "icd10", nasty)
    card = sample_card(rows)
    card["name"] = card["command"] = card["model"]["name"] = card["relations"][0]["name"] = nasty
    card["control"]["explanation"] = card["general"]["perplexity"]["source"] = nasty
    card["versions"] = card["corpus"]["rejected"] = {nasty: 3}
    card["lessons"]["by_kind"] = {nasty: 3}
    card["examples"][0] |= {"prompt": nasty, "before": nasty, "now": nasty, "gold": [nasty], "family": nasty}
    card["gates"][0]["name"] = card["families"][0]["family"] = nasty
    card["facts"][1]["families"] = {nasty: {"before": True, "now": False}}
    card["facts"][0]["state"] = "lost"
    html, page = draw_page(card, tmp_path)
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [a for _, a in page.tags if "onerror" in a]
    assert html.count("<!--") == 0
    facts = json.loads(page.scripts["data"])["facts"]
    assert facts[0][1] == facts[0][3] == nasty
    assert nasty in page.words


@pytest.mark.parametrize(
    ("language", "table", "said"), [("en", ENGLISH, "before and knows"), ("zh", CHINESE, "条事实中")]
)
def test_interface_language_follows_the_card(language: str, table: str, said: str, tmp_path: Path) -> None:
    card = sample_card(triples(table), language)
    html, page = draw_page(card, tmp_path)
    assert page.tags[0] == ("html", {"lang": language, "data-ui": language})
    assert said in page.words
    assert len(page.all(class_="t-en")) == len(page.all(class_="t-zh")) > 80
    for fact in card["facts"]:
        assert fact["subject"] in page.words
    toggle = page.all(id="language")[0]
    assert toggle["aria-label"] == toggle[f"data-label-{language}"]
    if language == "zh":
        assert "非胰岛素依赖型糖尿病, ICD-10 编码, E11.9: " in html


def test_optional_parts_may_be_missing(tmp_path: Path) -> None:
    card = sample_card(triples(CHINESE), "zh")
    full, _ = draw_page(card, tmp_path)
    card |= {"control": None, "corpus": None, "curve": [], "examples": [], "gates": []}
    card["general"]["domain_perplexity"] = None
    for row in card["families"]:
        row |= {"control": None, "chance": None}
    html, page = draw_page(card, tmp_path)
    text = page.words
    assert "No format control was run." in text
    assert "Perplexity, domain text" in full
    assert "Perplexity, domain text" not in text
    assert "Rejected: near duplicate" in full
    assert "Rejected: near duplicate" not in html
    assert "data-points" not in re.sub(r"<script.*", "", html, flags=re.S)


def test_what_got_worse_is_said_plainly(tmp_path: Path) -> None:
    card = sample_card(triples(ENGLISH))
    _, page = draw_page(card, tmp_path)
    text = page.words
    assert "Perplexity of general text rose by 4.2 % (18.30 → 19.07)." in text
    assert "General questions answered right fell from 57 % to 53 %." in text
    assert "Questions it should answer but declines rose from 0 % to 3 %." in text
    assert "Perplexity of domain text rose" not in text
    for fact in card["facts"]:
        assert fact["state"] != "lost" or f"{fact['subject']} → {fact['object']}" in text


def test_nothing_worse_is_said_too(tmp_path: Path) -> None:
    card = sample_card(triples(ENGLISH))
    card["facts"] = [fact for fact in card["facts"] if fact["state"] != "lost"]
    for part in (card["general"]["perplexity"], card["general"]["questions"], card["general"]["false_refusals"]):
        part["now"] = part["before"]
    _, page = draw_page(card, tmp_path)
    assert "Nothing that was measured got worse." in page.words


def test_every_family_is_a_point_with_its_interval(tmp_path: Path) -> None:
    card = sample_card(triples(ENGLISH))
    html, _ = draw_page(card, tmp_path)
    for row in card["families"]:
        for side in ("before", "now", "control"):
            if row[side]:
                low, high = (f"{100 * row[side][edge]:.2f}%" for edge in ("low", "high"))
                assert f'class="whisker {side}" x1="{low}" x2="{high}"' in html
    assert html.count('class="chance" x1="25.00%"') == 1


@pytest.mark.parametrize(("rows", "view"), [(triples(CHINESE), "subjects"), (many_triples(167), "overview")])
def test_the_grid_fits_its_number_of_facts(rows: list[tuple[str, str, str]], view: str, tmp_path: Path) -> None:
    html, page = draw_page(sample_card(rows), tmp_path)
    assert page.all(id="facts")[0]["data-view"] == view
    assert len([a for _, a in page.tags if "data-fact" in a]) == len(rows)
    assert len(html) < 1_500_000


def test_a_long_curve_is_thinned_and_survives_gaps(tmp_path: Path) -> None:
    card = sample_card(triples(CHINESE))
    point = card["curve"][-1]
    card["curve"] = [{**point, "step": i, "tokens": i * 512, "loss": math.nan if i == 5 else 1.0} for i in range(5000)]
    _, page = draw_page(card, tmp_path)
    lines = [a["points"] or "" for tag, a in page.tags if tag == "polyline"]
    assert all(len(line.split()) <= 600 for line in lines)
    assert "nan" not in lines[0]
    assert all(json.loads(a["data-points"] or "") for _, a in page.tags if "data-points" in a)


def test_every_part_is_drawn_where_it_was_measured_and_nowhere_else(tmp_path: Path) -> None:
    _, page = draw_page(full_card(triples(ENGLISH)), tmp_path)
    _, bare = draw_page(sample_card(triples(ENGLISH)), tmp_path)
    parts = {
        "release",
        "coverage",
        "robustness",
        "consistency",
        "calibration",
        "sets",
        "controls",
        "routed",
        "failures",
        "answers",
        "ablation",
        "progress",
    }
    assert parts <= {a["id"] for _, a in page.tags if "id" in a}
    assert parts & {a["id"] for _, a in bare.tags if "id" in a} == {"release"}  # accuracy alone is a dimension
    for drawn in (page, bare):
        targets = {a["href"] for tag, a in drawn.tags if tag == "a"}
        assert targets <= {FUNNEL, *(f"#{a['id']}" for _, a in drawn.tags if "id" in a)}
    assert not [key for key in ("radar", "map", "budget") if bare.all(class_=key)]


def test_the_router_is_shown_beside_the_adapter_alone(tmp_path: Path) -> None:
    html, page = draw_page(full_card(triples(ENGLISH)), tmp_path)
    assert "As served: the router" in page.english
    assert "实际服务：路由" in page.words
    for sentence in ("General questions that go to the base", "3 % go to the base by mistake", "adapter on: general"):
        assert sentence in page.english
    assert html.count("有路由") == 2 + len(full_card(triples(ENGLISH))["families"])


def test_would_we_release_it(tmp_path: Path) -> None:
    card = full_card(triples(ENGLISH), verdict="fail")
    _, page = draw_page(card, tmp_path)
    assert "Would we release it? No" in page.english
    assert "Worse than the current release by more than the margin: General questions (−9.0)." in page.english
    rows = [a["class"].split() for tag, a in page.tags if tag == "tr" and a.get("class")]  # type: ignore[union-attr]
    assert [row for row in rows if "failed" in row] == [["worse", "failed"]]
    _, page = draw_page(card | {"gate": sample_gate("pass")}, tmp_path)
    assert "Would we release it? Yes" in page.english
    assert "In none of the 4 dimensions with a margin" in page.english
    _, page = draw_page(card | {"gate": None}, tmp_path)
    assert "Would we release it? Not judged" in page.english
    assert "facts: no_worse_than -1" in page.english
    assert not page.all(class_="pass") + page.all(class_="fail")


def test_the_gate_shows_interval_and_margin_of_each_difference(tmp_path: Path) -> None:
    card = full_card(triples(ENGLISH))
    html, page = draw_page(card, tmp_path)
    row = card["gate"]["dimensions"][2]
    reach = 0.48 / 0.114
    low, high = (f"{100 * (0.5 + reach * row['difference'][edge]):.2f}%" for edge in ("low", "high"))
    assert f'x1="{low}" x2="{high}"' in html
    assert f'class="chance" x1="{100 * (0.5 - 0.02 * reach):.2f}%"' in html
    assert "−9.0 (−11.4 – −6.6)" in page.english
    assert "29.3" in page.english  # a perplexity is no share


def test_each_stage_shows_what_it_added_and_why_it_was_left_out(tmp_path: Path) -> None:
    html, page = draw_page(full_card(triples(ENGLISH)), tmp_path)
    assert "Graph augmentation kept" in page.english
    assert "Facts 8 % 5–11 92 % 89–95 +84.0 (+79.0 – +89.0) – 71 % 67–75 −21.0 (−26.0 – −16.0)" in page.english
    assert "Perplexity 29.3 29.9 +2.0 (+1.0 – +3.0) – –" in page.english
    assert "Tokens trained 65,677 – 12,800" in page.english
    assert "answered 12 of 64 questions rightly, and 80 % are needed" in page.english
    assert "Domain reinforcement was left out, because it made worse: Facts" in page.english
    assert html.count('<small class="wrong">') == 2  # the stage, and what it made worse
    _, page = draw_page(full_card(triples(CHINESE), "zh"), tmp_path)
    assert "跳过了“语义蒸馏”" in page.words
    assert "未采用“领域强化”，因为变差的有： Facts事实" in page.words


def test_what_is_kept_of_the_trunk_while_the_leaves_are_taught(tmp_path: Path) -> None:
    html, page = draw_page(full_card(triples(ENGLISH)), tmp_path)
    assert "After stage 1 After stage 2 Stage 1 60 facts 90 %" in page.english
    assert html.count("<b>90\u00a0%</b>") == html.count("<b>85\u00a0%</b>") == 1


def test_three_dimensions_have_exact_values_beside_the_radar(tmp_path: Path) -> None:
    card = full_card(triples(ENGLISH))
    _, page = draw_page(card, tmp_path)
    asked = [row["now"]["value"] for row in card["families"] if row["family"] != "refusal"]
    assert f"Accuracy {100 * sum(asked) / len(asked):.0f} %" in page.english
    assert f"Coverage {100 * card['coverage']['overall']['unweighted']['value']:.0f} %" in page.english
    assert "Robustness 20 %" in page.english  # 11 of 54 outlast five flips
    assert [a["class"] for a in page.all(class_="side")] == ["side now"]
    measured = len(page.all(class_="before"))
    card["coverage"]["before"] = {"overall": {"unweighted": card["summary"]["before"]}}
    _, page = draw_page(card, tmp_path)
    assert len(page.all(class_="before")) == measured + 1  # a point, where a triangle would need all three
    assert [a["class"] for a in page.all(class_="side")] == ["side now"]
    card["robustness"]["before"] = {"attacks": [], "perturbations": card["robustness"]["perturbations"]}
    _, page = draw_page(card, tmp_path)
    assert [a["class"] for a in page.all(class_="side")] == ["side before", "side now"]
    del card["robustness"]
    _, page = draw_page(card, tmp_path)
    assert not page.all(class_="side")


def test_a_budget_curve_has_its_points_and_its_band(tmp_path: Path) -> None:
    card = full_card(triples(ENGLISH))
    html, page = draw_page(card, tmp_path)
    for attack in card["robustness"]["attacks"]:
        line = " ".join(f"{20 * p['budget']:.2f},{100 - 100 * p['accuracy']['value']:.2f}" for p in attack["curve"])
        assert f'<polyline class="budget {attack["name"]}" points="{line}"/>' in html
        (band,) = (a["points"] for tag, a in page.tags if a.get("class") == f"band {attack['name']}")
        assert len((band or "").split()) == 2 * len(attack["curve"])
    assert "2.70× 1.90–4.40" in page.english
    assert "1.40–∞" in page.english


@pytest.mark.parametrize(
    ("before", "after", "gone", "come"),
    [
        ("What would you do?", "What might you do?", ["would"], ["might"]),
        ("高脂血症应当看哪科？", "高脂血症英当看哪科？", ["应"], ["英"]),
        ("the same", "the same", [], []),
        ("a <b> c", "a <i> c", ["b"], ["i"]),
    ],
)
def test_changed_words_are_marked(before: str, after: str, gone: list[str], come: list[str]) -> None:
    old, new = changed_words(before, after)
    assert ("".join(text for text, _ in old), "".join(text for text, _ in new)) == (before, after)
    assert [text for text, changed in old if changed] == gone
    assert [text for text, changed in new if changed] == come


def test_agreement_without_a_kappa_says_why(tmp_path: Path) -> None:
    card = full_card(triples(ENGLISH))
    _, page = draw_page(card, tmp_path)
    assert "Graph and NLI 0.71 0.62 – 0.80, n 617" in page.english
    assert "Graph and people both judges gave one verdict only –" in page.english
    card["consistency"]["agreement"]["human"] = None
    _, page = draw_page(card, tmp_path)
    assert "No person has labelled these claims yet" in page.english


def test_a_model_that_was_not_taught(tmp_path: Path) -> None:
    parts = ("cost", "lessons", "curve", "corpus", "gates", "gate", "routed", "ablation")
    card = full_card(triples(CHINESE), "zh") | dict.fromkeys(parts)
    card["summary"]["before"] = None
    card["general"] = {"perplexity": None, "questions": None}
    for row in [*card["families"], *card["relations"]]:
        row["before"] = None
    for answer in card["answers"]:
        answer |= {"before": None, "before_right": None}
    _, page = draw_page(card, tmp_path)
    assert "模型知道" in page.words
    assert "现在知道" not in page.english
    assert "Tokens trained" not in page.english
    assert [a["class"] for a in page.all(class_="side")] == ["side now"]


def test_all_answers_are_embedded_with_their_facts_and_mistakes(tmp_path: Path) -> None:
    card = full_card(triples(ENGLISH))
    _, page = draw_page(card, tmp_path)
    rows = json.loads(page.scripts["data"])["answers"]
    assert len(rows) == len(card["answers"])
    for row, answer in zip(rows, card["answers"], strict=True):
        assert row[:5] == [answer[key] for key in ("family", "prompt", "gold", "before", "now")]
        assert [card["facts"][place]["id"] for place in row[7]] == answer["facts"]
        assert (row[8] is None) == answer["now_right"]
    wrong = sum(not answer["now_right"] for answer in card["answers"])
    assert f"{wrong} of {len(rows)} answers wrong" in page.english


NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onclick='x"


def test_nothing_from_the_card_becomes_markup(tmp_path: Path) -> None:
    """Every string of a complete card is poisoned, keys that name figures and states apart."""
    clean = full_card(triples(ENGLISH))
    fixed = {"state", "verdict", "judgement", "language", "id", "facts"}

    def poison(part: Any, key: str = "") -> Any:
        if isinstance(part, dict):
            names = key in ("excluded", "baselines", "absent", "by_kind", "rejected", "versions")
            return {(name + NASTY if names else name): poison(value, name) for name, value in part.items()}
        if isinstance(part, list):
            return [poison(value, "" if key == "facts" and not isinstance(value, str) else key) for value in part]
        return part + NASTY if isinstance(part, str) and key not in fixed else part

    _, page = draw_page(poison(clean), tmp_path)
    _, whole = draw_page(clean, tmp_path)
    tags = {tag for tag, _ in whole.tags}
    assert {tag for tag, _ in page.tags} <= tags
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert set(page.scripts) == {"data", "code"}
    assert page.scripts["code"] == whole.scripts["code"]
    assert NASTY in page.words


def test_two_thousand_facts_fit(tmp_path: Path) -> None:
    card = full_card(many_triples(167))
    html, page = draw_page(card, tmp_path)
    assert len(card["facts"]) == 2004
    assert len([a for _, a in page.tags if "data-fact" in a]) == 2004
    assert json.loads(page.scripts["data"])["coverage"]["facts"] == 2004
    assert len(html) < 3_000_000


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def browse(page: Path, profile: Path, *flags: str) -> str:
    """Open a page in Chromium; what it printed."""
    assert CHROMIUM
    command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={profile}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_works_in_a_browser(width: int, tmp_path: Path) -> None:
    """Clicks through language, filter and detail in a real browser; the page writes what it saw into its title."""
    out = tmp_path / "report.html"
    card = full_card(triples(ENGLISH))
    render_report(card, out)
    clicks = """<script>{
      const failures = [];
      addEventListener("error", (event) => failures.push(event.message));
      const shown = () => document.querySelectorAll("#grid .cell:not(.off)").length;
      const seen = {all: shown()};
      document.querySelector('[data-state="lost"]').click(); seen.lost = shown();
      document.querySelector('[data-state="lost"]').click(); seen.again = shown();
      document.querySelector('#relations [data-relation="0"]').click(); seen.codes = shown();
      document.querySelector('#relations [data-relation=""]').click();
      const search = document.getElementById("search");
      search.value = "gOUt"; search.oninput(); seen.gout = shown();
      document.querySelector('[data-fact="3"]').click(); seen.detail = document.getElementById("detail").innerText;
      const first = document.querySelector('[data-fact="3"]').parentElement.children[0];
      first.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
      seen.arrow = document.activeElement === first.parentElement.children[1];
      document.getElementById("map").querySelector("button").click();
      seen.path = document.querySelectorAll("#path li").length;
      const here = document.activeElement;
      const pushed = (key) => new KeyboardEvent("keydown", {key, bubbles: true});
      const key = (name) => document.activeElement.dispatchEvent(pushed(name));
      key("ArrowRight"); key("ArrowDown");
      seen.moved = document.activeElement !== here && map.contains(document.activeElement);
      key("Escape"); seen.out = document.querySelectorAll("#path li").length;
      document.querySelector("[data-path]").click();
      document.querySelector('.cluster button').click();
      seen.cluster = document.getElementById("answer-count").textContent;
      seen.listed = document.querySelectorAll("#answer-list li").length;
      findAnswers({ fact: 3 }); seen.behind = document.getElementById("answer-count").textContent;
      document.getElementById("answer-fact").click(); seen.every = document.getElementById("answer-count").textContent;
      document.getElementById("answer-on").click(); seen.page = document.getElementById("answer-page").textContent;
      document.getElementById("language").click(); seen.verdict = document.querySelector("h1").innerText;
      seen.label = document.querySelector('[data-fact="3"]').getAttribute("aria-label");
      document.querySelector('[data-show="overview"]').click();
      seen.view = document.getElementById("facts").dataset.view;
      seen.wide = document.documentElement.scrollWidth - innerWidth; seen.failures = failures;
      document.title = "SEEN" + JSON.stringify(seen) + "END";
    }</script></body>"""
    out.write_text(out.read_text(encoding="utf-8").replace("</body>", clicks), encoding="utf-8")
    dom = browse(out, tmp_path / "profile", "--dump-dom", f"--window-size={width},900")
    title = re.search("<title>SEEN(.*?)END</title>", dom)
    assert title
    seen = json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert seen["all"] == seen["again"] == 156
    assert seen["lost"] == card["summary"]["lost"]
    assert seen["codes"] == 13
    assert seen["gout"] == 12
    assert card["facts"][3]["object"] in seen["detail"]
    assert "Cloze" in seen["detail"]
    assert seen["arrow"]
    assert (seen["path"], seen["moved"], seen["out"]) == (2, True, 1)
    assert seen["cluster"] == f"{seen['listed']} / 156"
    assert 0 < seen["listed"] <= 20
    assert (seen["behind"], seen["every"], seen["page"]) == ("3 / 156", "156 / 156", "21–40 of 156")
    assert "条事实中" in seen["verdict"]
    assert "Of 156" not in seen["verdict"]
    assert seen["label"].endswith(("保持", "学会", "忘记", "未知"))
    assert seen["view"] == "overview"
    assert seen["wide"] <= 0
    assert seen["failures"] == []
