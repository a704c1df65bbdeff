from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from deepseek_fusion.core.settings.filtering import CorpusConfig, SemanticConfig
from deepseek_fusion.corpus.documents import Rejected
from deepseek_fusion.corpus.funnel.page import HERE, LANGUAGES, SCORES, STEPS, write_funnel
from deepseek_fusion.corpus.ledger import Ledger

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)> 痛风"
SUMMARY = {"read": 1010, "kept": 1000, "languages": {"zh": 600, "en": 400}, "masked": {"name": 12}}


def book() -> Ledger:
    found = Ledger(io.BytesIO())
    for number in range(9):
        found.add(Rejected("a.txt", number, "too_short", f"{number} characters", HOSTILE, score=number))
    found.add(Rejected("b.pdf", None, "reader", "no PDF", "", "reading"))
    return found


def page(path: Path, scores: np.ndarray) -> tuple[str, dict[str, Any]]:
    write_funnel(path, CorpusConfig(), SUMMARY, book(), scores.astype(np.float32))
    html = path.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert data is not None
    return html, json.loads(data[1])


@pytest.fixture
def scores() -> np.ndarray:
    table = np.full((1009, len(SCORES)), np.nan)
    table[:, 0] = np.arange(1009)
    table[9:, 1] = 0.25
    table[9:, 4] = 0.1
    return table


def test_words_are_there_in_both_languages() -> None:
    words = yaml.safe_load((HERE / "words.yaml").read_text(encoding="utf-8"))
    for key, texts in words.items():
        assert set(texts) == set(LANGUAGES), key
        assert re.findall(r"{(\w+)}", texts["en"]) == re.findall(r"{(\w+)}", texts["zh"]), key
    assert {f"filter_{name}" for name in STEPS} | {f"level_{level}" for level in STEPS.values()} <= words.keys()


def test_the_page_shows_steps_and_examples_and_runs_nothing_of_the_documents(
    tmp_path: Path, scores: np.ndarray
) -> None:
    html, _ = page(tmp_path / "funnel.html", scores)
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)  # type: ignore[method-assign, assignment]
    parser.feed(html)
    assert tags.count("script") == 2
    assert "img" not in tags
    assert tags.count("details") == len(STEPS)
    assert html.count("onerror=alert(1)&gt; 痛风") == 5  # examples, not all
    assert "src=" not in html.replace("img src=x", "")
    assert "http" not in html
    assert 'lang="zh" data-language="zh"' in html  # most rows are Chinese


def test_the_scores_are_sampled_evenly(tmp_path: Path, scores: np.ndarray) -> None:
    _, data = page(tmp_path / "funnel.html", scores)
    assert data["weight"] == 1
    assert [score["key"] for score in data["scores"]] == ["min_characters", "near_duplicate", "repetition"]
    assert data["rows"][0] == [0, None, None]
    assert data["rows"][-1] == [1008, 0.25, 0.1]
    _, data = page(tmp_path / "funnel.html", np.tile(scores, (50, 1)))
    assert len(data["rows"]) == 20_000
    assert data["weight"] == pytest.approx(1009 * 50 / 20_000)


def test_a_domain_adds_its_threshold_and_nothing_read_shows_none(tmp_path: Path, scores: np.ndarray) -> None:
    scores[:, 2] = 0.5
    _, data = page(tmp_path / "funnel.html", scores)
    assert [score["key"] for score in data["scores"]] == [
        *("min_characters", "near_duplicate", "relevance", "repetition")
    ]
    scores[5:, 3] = 0.9
    _, data = page(tmp_path / "funnel.html", scores)
    assert [score["key"] for score in data["scores"]][-2] == "threshold"
    html, data = page(tmp_path / "funnel.html", scores[:0])
    assert data["rows"] == []
    assert 'id="thresholds"' not in html


BINS = [{"sure": 0.1, "good": 0.05, "share": 0.5}, {"sure": 0.9, "good": 0.97, "share": 0.5}]


def test_the_plot_of_reliability_stands_on_the_page_of_a_judge(tmp_path: Path, scores: np.ndarray) -> None:
    facts = {"reliability": {"pair": {"en": {"ece": 0.061, "bins": BINS}, "zh": {"ece": 0.02, "bins": BINS}}}}
    path = tmp_path / "funnel.html"
    section = CorpusConfig(semantic=SemanticConfig(judges=("answers",)))
    write_funnel(path, section, SUMMARY, book(), scores.astype(np.float32), facts)
    html = path.read_text(encoding="utf-8")
    assert html.count("<svg") == 2
    assert html.count("<circle") == 4
    assert '<circle cx="90.0" cy="3.0"' in html  # good more often than it says: above the line
    assert "ECE 0.061" in html
    assert "可用 <code>corpus label</code>" in html
    write_funnel(path, CorpusConfig(), SUMMARY, book(), scores.astype(np.float32))
    assert "<svg" not in path.read_text(encoding="utf-8")


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
MOVE = """<script>{
  const seen = {before: document.getElementById("stay").textContent};
  const slider = document.getElementById("threshold");
  slider.value = 0.95; slider.dispatchEvent(new Event("input"));
  seen.after = document.getElementById("stay").textContent;
  seen.change = document.getElementById("change").textContent;
  seen.yaml = document.getElementById("yaml").textContent;
  document.getElementById("reset").click();
  seen.reset = document.getElementById("stay").textContent;
  document.title = "SEEN" + JSON.stringify(seen) + "END";
}</script>"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_threshold_that_is_moved_changes_what_stays(tmp_path: Path, scores: np.ndarray) -> None:
    assert CHROMIUM
    scores[:, 0] = 100
    scores[:, 3] = np.where(np.arange(len(scores)) % 4 == 0, 0.9, 0.99)  # every fourth of 1009 is below 0.95
    path = tmp_path / "funnel.html"
    html, _ = page(path, scores)
    path.write_text(html.replace("</body>", f"{MOVE}</body>"), encoding="utf-8")
    command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    seen = re.search(r"SEEN(.*)END", shown)
    assert seen is not None
    assert json.loads(seen[1]) == {
        "before": "1,000",
        "after": "747",
        "change": "−253",
        "yaml": "corpus:\n  semantic:\n    threshold: 0.95",
        "reset": "1,000",
    }
