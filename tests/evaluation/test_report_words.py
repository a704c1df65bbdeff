"""What the stages write in English sentences and short names is in Chinese on the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from deepseek_fusion.corpus.filters import basic, domain, duplicates
from deepseek_fusion.corpus.filters import exam as clear_of_exams
from deepseek_fusion.curriculum.lessons import Kind
from deepseek_fusion.evaluation.answers import abilities
from deepseek_fusion.evaluation.answers.general import packaged_text, text_name
from deepseek_fusion.evaluation.consistency.agreement import agreement
from deepseek_fusion.evaluation.consistency.checker import VERDICTS, Reason
from deepseek_fusion.evaluation.exams.sets import read_set
from deepseek_fusion.evaluation.questions import exam
from deepseek_fusion.evaluation.questions.families import ABSENT, FAMILIES
from deepseek_fusion.evaluation.report.page import render_report
from deepseek_fusion.evaluation.report.words import Words
from deepseek_fusion.evaluation.robustness import build, tokens
from deepseek_fusion.evaluation.robustness.perturb import CHANGES
from deepseek_fusion.knowledge.language import HAN
from evaluation.card_samples import CHINESE, full_card, triples

WORDS = Words.load()
RIGHT: dict[str, Any] = {"question": "Q?", "choices": ["a", "b"], "answer": "a"}
BROKEN = {
    "choices": [
        RIGHT,
        RIGHT,
        RIGHT | {"choices": "a"},
        RIGHT | {"choices": ["a", ""]},
        RIGHT | {"choices": ["a"]},
        RIGHT | {"choices": ["a", "a"]},
        RIGHT | {"answer": 7},
        RIGHT | {"answer": "elsewhere"},
        RIGHT | {"question": ""},
        [1],
    ],
    "medqa": [
        {"question": "Q?", "options": {"A": "a", "B": "b"}, "answer": "a"},
        {"question": "Q?", "options": ["a"], "answer": "a"},
        {"question": "Q?", "options": {"A": "a", "B": "b"}, "answer": "a", "answer_idx": "B"},
    ],
    "medmcqa": [{"question": "Q?", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": cop} for cop in (0, None)],
    "pubmedqa": [
        {"question": "Q?", "contexts": ["One."], "final_decision": "yes"},
        {"question": "Q?", "contexts": [], "final_decision": "yes"},
        {"question": "Q?", "contexts": ["One."], "final_decision": ""},
    ],
}


def reasons_of_sets(folder: Path) -> Iterator[str]:
    for name, rows in BROKEN.items():
        lines = [*map(json.dumps, rows), "{"]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        yield from read_set(folder / f"{name}.jsonl").excluded
    (folder / "table.csv").write_text("question,A,B,answer\nQ?,a,b,A\nQ?,a,b\n", encoding="utf-8")
    yield from read_set(folder / "table.csv").excluded


def kappa_reason(*labels: str) -> str:
    return str(agreement(labels, labels, VERDICTS, [str(i) for i in range(len(labels))], 50, 0)["reason"])


def test_every_sentence_that_a_stage_writes_has_its_chinese(tmp_path: Path) -> None:
    of_sets = list(reasons_of_sets(tmp_path))
    assert len(set(of_sets)) == 15
    sentences = [
        *ABSENT.values(),
        *(exam.EMPTY, exam.REPEATED, exam.SHARED_OBJECT, exam.SHARED_SUBJECT),
        *(build.UNCHANGED, build.WRONG, tokens.MELTED, tokens.FIXED, abilities.ABSENT),
        *(kappa_reason(), *(kappa_reason(verdict, verdict) for verdict in VERDICTS)),
        *of_sets,
        text_name(packaged_text()),
    ]
    assert [sentence for sentence in sentences if not isinstance(WORDS.said(sentence), dict)] == []
    for sentence in sentences:
        said = WORDS.said(sentence)
        assert isinstance(said, dict)
        assert said["en"] == sentence
        assert HAN.search(said["zh"])
        assert "{" not in said["zh"]


@pytest.mark.parametrize(
    ("sentence", "chinese"),
    [
        ("longer than the model's 512 tokens", "超过模型的 512 个词元"),
        ("missing final_decision", "缺少 final_decision"),
        ("the package evals is not installed", "未安装 evals 包"),
    ],
)
def test_what_varies_in_a_sentence_is_carried_over(sentence: str, chinese: str) -> None:
    assert WORDS.said(sentence) == {"en": sentence, "zh": chinese}


def test_an_unknown_sentence_stays_as_it_is() -> None:
    assert WORDS.said("nobody wrote <this>") == "nobody wrote <this>"
    assert WORDS.say("nobody wrote <this>").count("nobody wrote &lt;this&gt;") == 2


def test_every_name_that_a_stage_gives_has_words() -> None:
    names = {
        "reason_": get_args(Reason),
        "claim_": VERDICTS,
        "kind_": get_args(Kind),
        "family_": FAMILIES,
        "change_": [*CHANGES["en"], *CHANGES["zh"], "attack"],
        "filter_": ["reader", "personal", *FILTERS],
    }
    assert [prefix + name for prefix, own in names.items() for name in own if prefix + name not in WORDS.catalog] == []


FILTERS = [
    each.name
    for module in (basic, duplicates, domain, clear_of_exams)
    for each in vars(module).values()
    if isinstance(each, type) and isinstance(getattr(each, "name", None), str)
]


def chinese_side(html: str) -> str:
    """What a Chinese reader sees of the bilingual texts."""
    return " ".join(re.findall(r'<span class="t-zh" lang="zh">(.*?)</span>', html))


def test_reasons_are_told_in_the_language_of_the_page(tmp_path: Path) -> None:
    card = full_card(triples(CHINESE), "zh")
    card["excluded"] = [{"reason": exam.EMPTY, "count": 2, "example": "甲 | 乙 | 丙"}]
    card["general"]["sets_absent"] = abilities.ABSENT
    card["general"]["perplexity"]["source"] = text_name(packaged_text())
    card["sets"]["sets"][0]["excluded"] = {"longer than the model's 512 tokens": {"n": 2, "lines": [17, 211]}}
    card["consistency"]["agreement"]["human"]["checker"]["reason"] = kappa_reason("supported")
    card["consistency"]["examples"][0]["reason"] = "cut_off"
    card["gates"][0]["name"] = "merged = adapter"
    render_report(card, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    seen = chinese_side(html)
    for told in (
        *(
            "名称为空",
            "未安装 evals 包",
            "包中的 c4",
            "剔除：2（超过模型的 512 个词元）；行号",
            "双方对每个断言都判为“有依据”",
        ),
        *("多跳（没有可以用一个关系描述、再用另一个关系提问的事物）", "攻击：原样即已答错（6）", "回答在名称中途结束"),
        *("合并后的模型 = 适配器", "剔除：近似重复"),
    ):
        assert told in seen, told
    for sentence in (exam.EMPTY, abilities.ABSENT, build.WRONG, ABSENT["multihop"], "near_duplicate"):
        assert sentence not in seen
    assert f"Attack: {build.WRONG} (6)" in html


def test_headings_stand_only_over_what_there_is(tmp_path: Path) -> None:
    card = full_card(triples(CHINESE), "zh")
    headings = ("Weakest branches", "The long tail")
    render_report(card, tmp_path / "report.html")
    assert all(heading in (tmp_path / "report.html").read_text(encoding="utf-8") for heading in headings)
    card["coverage"]["weak"] = []
    card["coverage"]["long_tail"] = dict.fromkeys(("rare", "common", "deep", "shallow"))
    render_report(card, tmp_path / "report.html")
    assert not any(heading in (tmp_path / "report.html").read_text(encoding="utf-8") for heading in headings)
