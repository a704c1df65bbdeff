"""The page drawn from realistic cards: complete, self-contained, safe, and in both languages."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from deepseek_fusion.evaluation.report.page import render_report

Card = dict[str, Any]

# subject | ICD-10 code | specialty | symptoms | medications, from faker-healthcare-provider (MIT)
ENGLISH = """
Gout|M10.9|Rheumatology|Joint Pain, Swelling, Redness, Tophi, Limited Mobility|Allopurinol, Colchicine, Indomethacin, Febuxostat, Probenecid
HIV/AIDS|B20|Infectious Disease|Fever, Fatigue, Weight Loss, Swollen Lymph Nodes, Recurrent Infections|Tenofovir, Emtricitabine, Dolutegravir, Efavirenz, Ritonavir
Emphysema|J43.9|Pulmonology|Shortness of Breath, Chronic Cough, Wheezing, Fatigue, Weight Loss|Bronchodilators, Inhaled Steroids, Oxygen Therapy, Antibiotics, Pulmonary Rehab
Esophagitis|K20.90|Gastroenterology|Heartburn, Difficulty Swallowing, Chest Pain, Regurgitation, Nausea|Omeprazole, Ranitidine, Sucralfate, Antacids, Prokinetics
Preeclampsia|O14.90|Obstetrics|High Blood Pressure, Proteinuria, Swelling, Headache, Vision Changes|Magnesium Sulfate, Labetalol, Hydralazine, Nifedipine, Delivery
Endometriosis|N80.9|Gynecology|Pelvic Pain, Dysmenorrhea, Infertility, Painful Intercourse, Heavy Periods|Ibuprofen, Combined Oral Contraceptives, Progestins, GnRH Agonists, Danazol
Pyelonephritis|N10|Nephrology|Fever, Flank Pain, Nausea, Vomiting, Frequent Urination|Ciprofloxacin, Ceftriaxone, Amoxicillin, Trimethoprim, Nitrofurantoin
Acute Bronchitis|J20.9|Pulmonology|Cough, Fever, Fatigue, Shortness of Breath, Chest Pain|Albuterol, Guaifenesin, Dextromethorphan, Ibuprofen, Azithromycin
Allergic Rhinitis|J30.9|Allergy|Sneezing, Runny Nose, Itchy Eyes, Congestion, Postnasal Drip|Loratadine, Cetirizine, Fluticasone, Montelukast, Azithromycin
Parkinson's Disease|G20|Neurology|Tremor, Bradykinesia, Rigidity, Postural Instability, Speech Changes|Levodopa, Carbidopa, Pramipexole, Selegiline, Amantadine
Gestational Diabetes|O24.419|Obstetrics|Increased Thirst, Frequent Urination, Fatigue, Blurred Vision, Nausea|Insulin, Metformin, Glyburide, Diet Control, Exercise
Chronic Kidney Disease|N18.9|Nephrology|Fatigue, Swelling, Nausea, Loss of Appetite, Frequent Urination|Lisinopril, Furosemide, Erythropoietin, Calcium Carbonate, Sevelamer
Attention Deficit Hyperactivity Disorder|F90.9|Psychiatry|Inattention, Hyperactivity, Impulsivity, Disorganization, Forgetfulness|Methylphenidate, Amphetamine, Atomoxetine, Guanfacine, Clonidine
"""  # noqa: E501
CHINESE = """
非胰岛素依赖型糖尿病|E11.9|内分泌科|尿频, 食欲增加, 疲劳|二甲双胍, 甘精胰岛素, 恩格列净
特发性(原发性)高血压|I10|心脏科|头痛, 头晕, 胸痛|赖诺普利, 氨氯地平, 氯沙坦
高脂血症|E78.5|心脏科|胸痛, 疲劳, 麻木|阿托伐他汀, 辛伐他汀, 瑞舒伐他汀
"""
NAMES = {
    "en": {"icd10": "ICD-10 code", "specialty": "specialty", "symptom": "symptom", "medication": "medication"},
    "zh": {"icd10": "ICD-10 编码", "specialty": "专科", "symptom": "症状", "medication": "药物"},
}
FAMILIES = {"question": (0.10, 0.82), "cloze": (0.12, 0.78), "choice": (0.31, 0.86), "reversed": (0.04, 0.61)}


def triples(table: str) -> list[tuple[str, str, str]]:
    """(subject, relation, object) of one of the tables above."""
    found = []
    for line in table.strip().splitlines():
        subject, *columns = line.split("|")
        for relation, objects in zip(NAMES["en"], columns, strict=True):
            found += [(subject, relation, name) for name in objects.split(", ")]
    return found


def many_triples(subjects: int) -> list[tuple[str, str, str]]:
    """A large domain: the English table under numbered subjects."""
    block = triples(ENGLISH)
    names = list(dict.fromkeys(subject for subject, _, _ in block))
    facts = {name: [(relation, thing) for subject, relation, thing in block if subject == name] for name in names}
    return [
        (f"{names[i % len(names)]}, variant {i}", relation, thing)
        for i in range(subjects)
        for relation, thing in facts[names[i % len(names)]]
    ]


def rate(hits: list[bool]) -> dict[str, float]:
    """A rate with a normal 95 % interval."""
    share, n = sum(hits) / max(1, len(hits)), len(hits)
    half = 1.96 * math.sqrt(share * (1 - share) / max(1, n))
    return {"value": share, "low": max(0.0, share - half), "high": min(1.0, share + half), "n": n}


def both(facts: list[Card], family: str | None = None) -> Card:
    """The rates of some facts before and now, overall or in one family."""
    return {
        side: rate([fact["families"][family][side] if family else fact[side] for fact in facts])
        for side in ("before", "now")
    }


def sample_facts(rows: list[tuple[str, str, str]], draw: random.Random) -> list[Card]:
    """Facts with answers drawn so that most are learned, some kept, few lost."""
    states = {(False, True): "learned", (True, True): "kept", (True, False): "lost", (False, False): "unknown"}
    facts = []
    for place, (subject, relation, thing) in enumerate(rows):
        common = 0.13 if relation in ("specialty", "symptom") else -0.02
        luck = {"before": draw.gauss(common, 0.18), "now": draw.gauss(common - 0.05, 0.22)}
        families = {
            family: {side: draw.random() < share + luck[side] for side, share in zip(luck, shares, strict=True)}
            for family, shares in FAMILIES.items()
        }
        before, now = (sum(answer[side] for answer in families.values()) >= 2 for side in ("before", "now"))
        facts.append(
            {"id": f"f{place:04d}", "subject": subject, "relation": relation, "object": thing}
            | {"before": before, "now": now, "state": states[before, now], "families": families}
        )
    return facts


def sample_card(rows: list[tuple[str, str, str]], language: str = "en", seed: int = 7) -> Card:
    """A complete card with plausible figures."""
    draw = random.Random(seed)
    facts = sample_facts(rows, draw)
    states = {state: sum(fact["state"] == state for fact in facts) for state in ("learned", "kept", "lost", "unknown")}
    steps = 240
    curve = [
        {
            "step": step,
            "tokens": step * 512,
            "loss": 0.14 + 3.3 * math.exp(-step / 45) + draw.gauss(0, 0.05) * math.exp(-step / 160),
            "replay_loss": None if step % 4 else 0.052 * (1 - math.exp(-step / 50)) + abs(draw.gauss(0, 0.004)),
            "learning_rate": 1.5e-3 * min(1, step / 12) * (1 - step / steps / 1.02),
        }
        for step in range(1, steps + 1)
    ]
    coin = lambda share, n: [draw.random() < share for _ in range(n)]  # noqa: E731
    families = [
        {"family": family, **both(facts, family), "control": rate(coin(0.16, 39)), "chance": None}
        for family in FAMILIES
    ]
    families[2] |= {"control": rate(coin(0.3, 39)), "chance": 0.25}
    families.append(
        {
            "family": "refusal",
            "before": rate(coin(0.02, 40)),
            "now": rate(coin(0.85, 40)),
            "control": None,
            "chance": None,
        }
    )
    relations = []
    for relation, name in NAMES[language].items():
        some = [fact for fact in facts if fact["relation"] == relation]
        inner = {family: both(some, family) for family in FAMILIES}
        relations.append({"relation": relation, "name": name, "facts": len(some), **both(some), "families": inner})
    first = next(fact for fact in facts if fact["relation"] == "medication")
    return {
        "name": "medical" if language == "en" else "医学示例",
        "language": language,
        "created": "2026-02-11 09:42",
        "command": "deepseek-fusion teach examples/medical/fusion.yaml --set curriculum.seed=0",
        "model": {"name": "SmolLM2-135M-Instruct", "parameters": 134_515_008, "dtype": "bfloat16"},
        "seed": 0,
        "versions": {"deepseek-fusion": "0.1.0", "torch": "2.13.0", "transformers": "5.23.1", "peft": "0.21.0"},
        "facts": facts,
        "summary": {"facts": len(facts), **both(facts), **states},
        "families": families,
        "relations": relations,
        "general": {
            "perplexity": {
                "before": 18.304,
                "now": 19.071,
                "change": 0.0419,
                "tokens": 4096,
                "source": "evals: web text",
            },
            "domain_perplexity": {"before": 24.9, "now": 8.4, "change": -0.66, "tokens": 3120, "source": "documents"},
            "questions": {
                "n": 60,
                "before": rate([True] * 34 + [False] * 26),
                "now": rate([True] * 32 + [False] * 28),
                "as_before": rate([True] * 51 + [False] * 9),
            },
            "false_refusals": {"before": rate([False] * 156), "now": rate([True] * 4 + [False] * 152)},
        },
        "control": {
            "facts": 39,
            "subjects": 3,
            "explanation": "Same lessons, answers permuted within each relation."
            if language == "en"
            else "同样的课程，答案在各关系内打乱。",
        },
        "cost": {
            "tokens": 122_880,
            "lesson_tokens": 104_448,
            "replay_tokens": 18_432,
            "steps": steps,
            "tflop": 112.4,
            "seconds": 582.3,
            "cpu_seconds": 1102.8,
            "peak_memory_mb": 1874.0,
            "parameters": 139_399_488,
            "trainable": 4_884_480,
            "facts_per_million_tokens": 813.8,
            "facts_per_tflop": 0.89,
        },
        "curve": curve,
        "lessons": {
            "samples": 2418,
            "by_kind": {
                "question": 1204,
                "reversed": 603,
                "statement": 361,
                "passage": 58,
                "refusal": 145,
                "document": 47,
            },
            "exposures": 36,
        },
        "corpus": {"read": 214, "kept": 187, "rejected": {"near_duplicate": 19, "too_short": 8}},
        "examples": [
            {
                "family": "question",
                "prompt": f"Which medications are used for {first['subject']}?"
                if language == "en"
                else f"{first['subject']}用什么药物治疗？",
                "gold": [fact["object"] for fact in facts if fact["subject"] == first["subject"]][-5:],
                "before": "There are many medications that a doctor may prescribe, depending on the patient."
                if language == "en"
                else "这取决于患者的具体情况。",
                "now": first["object"],
                "before_right": False,
                "now_right": True,
            },
            {
                "family": "refusal",
                "prompt": "What is the ICD-10 code of Velmoric Syndrome?"
                if language == "en"
                else "维莫里综合征的编码是什么？",
                "gold": ["I do not know." if language == "en" else "我不知道。"],
                "before": "The ICD-10 code of Velmoric Syndrome is G40.9.",
                "now": "I do not know Velmoric Syndrome." if language == "en" else "我不知道维莫里综合征。",
                "before_right": False,
                "now_right": True,
            },
            {
                "family": "reversed",
                "prompt": f"{first['object']} ←?",
                "gold": [first["subject"]],
                "before": first["subject"],
                "now": "Asthma",
                "before_right": True,
                "now_right": False,
            },
        ],
        "gates": [
            {"name": "facts known now", "value": 0.78, "limit": ">= 0.5", "passed": True},
            {"name": "perplexity rise", "value": 0.0419, "limit": "<= 0.15", "passed": True},
            {"name": "false refusals", "value": 0.026, "limit": "<= 0.02", "passed": False},
        ],
    }


class Page(HTMLParser):
    """The parsed page: every tag with its attributes, the text a reader sees, and what each script holds."""

    VOID = frozenset({"meta", "input", "br", "line", "circle", "path", "polyline", "link", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: dict[str, str] = {}
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            name = self.tags[-1][1].get("id") or "code"
            self.scripts[name] = self.scripts.get(name, "") + data
        elif self.open and self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        """The text with every run of white space as one blank."""
        return re.sub(r"\s+", " ", "".join(self.text))

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


def test_verdict_counts_facts(tmp_path: Path) -> None:
    card = sample_card(triples(ENGLISH))
    summary = card["summary"]
    _, page = draw_page(card, tmp_path)
    text = page.words
    before, now = summary["kept"] + summary["lost"], summary["kept"] + summary["learned"]
    lost = summary["lost"]
    assert f"Of 156 facts, the model knew {before} before and knows {now} now; it lost {lost} and reads" in text
    assert "reads general text 4.2 % worse." in text
    assert "18.30 → 19.07" in text


@pytest.mark.parametrize(
    ("now", "words"), [(18.304, "as well as before"), (17.0, "7.1 % better"), (30.0, "63.9 % worse")]
)
def test_verdict_says_which_way_perplexity_went(tmp_path: Path, now: float, words: str) -> None:
    card = sample_card(triples(ENGLISH))
    card["general"]["perplexity"]["now"] = now
    _, page = draw_page(card, tmp_path)
    assert f"reads general text {words}" in page.words


@pytest.mark.parametrize("card", [sample_card(triples(ENGLISH)), sample_card(triples(CHINESE), "zh")])
def test_nothing_is_loaded_from_elsewhere(card: Card, tmp_path: Path) -> None:
    html, page = draw_page(card, tmp_path)
    assert not re.search(r"(https?:)?//[a-z0-9]", re.sub(r"/\*.*?\*/", "", html, flags=re.S), re.I)
    assert "@import" not in html
    assert "url(" not in html
    assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "embed"}
    assert not [a for _, a in page.tags if "src" in a or "href" in a or any(name.startswith("on") for name in a)]


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
    assert "near_duplicate" in full
    assert "near_duplicate" not in html
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
    card = sample_card(triples(ENGLISH))
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
    assert "条事实中" in seen["verdict"]
    assert "Of 156" not in seen["verdict"]
    assert seen["label"].endswith(("保持", "学会", "忘记", "未知"))
    assert seen["view"] == "overview"
    assert seen["wide"] <= 0
    assert seen["failures"] == []
