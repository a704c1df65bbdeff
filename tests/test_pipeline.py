"""The whole trip on a tiny model: taught, examined, released, asked; kept when nothing changed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import AutoModelForCausalLM

import processes
from deepseek_fusion.core.artifacts import read_json, read_jsonl
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.versions import VersionStore
from deepseek_fusion.curriculum.sampler import SHARES
from deepseek_fusion.doctor import examine
from deepseek_fusion.evaluation.questions.families import FAMILIES
from deepseek_fusion.pipeline import Examination, Release, evaluate, labelling, quick, teach
from deepseek_fusion.serving.answer import answer, reply
from knowledge_samples import GRAPHS

Write = Callable[..., Path]
GENERAL = "The capital of France is Paris, a city on the river.\n\nBees make honey. 北京是中国的首都。\n"
SMALL = {
    "curriculum": {"exposures": 8, "refusals": 0.16},  # with more it would only learn to decline, in so few steps
    "training": {
        "learning_rate": 0.01,
        "batch_tokens": 256,
        "lora": {"rank": 8},
        "replay": {"texts": 4, "max_tokens": 16},
    },
    "evaluation": {
        "general_text": "general.txt",
        "general_tokens": 256,
        "refusals": 4,
        "bootstrap": 100,
        "controls": 4,
        "robustness": {"questions": 2, "budget": 1},
        "consistency": {"judge_steps": 2},
    },
    "gate": {"facts": None, "forgetting": None, "perplexity": None},
}


def write_project(folder: Path, model: Path, language: str = "en", **sections: Any) -> Path:
    """A project as a person would write it: facts, notes, general text and a YAML file."""
    table, knowledge = GRAPHS[language]
    (folder / "notes").mkdir(parents=True)
    with (folder / "facts.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [[field.strip() for field in line.split("|")] for line in table.strip().splitlines()]
        csv.writer(file).writerows([("subject", "relation", "object"), *rows])
    for number, (subject, _, value) in enumerate(rows[:12]):
        text = (
            f"Patient {number} was seen for {subject} on day {number * 3} and again later; noted: {value}. 病人复诊。"
        )
        (folder / "notes" / f"{number}.txt").write_text(text, encoding="utf-8")
    (folder / "general.txt").write_text(GENERAL, encoding="utf-8")
    tree = {
        "name": "tiny",
        "model": str(model),
        "precision": "float32",
        "threads": 1,
        "documents": ["notes"],
        "licenses": {"facts: of our own": "CC0"},
        "knowledge": {"sources": ["facts.csv"], **knowledge},
        **{name: {**SMALL.get(name, {}), **sections.get(name, {})} for name in {*SMALL, *sections}},
    }
    file = folder / "fusion.yaml"
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    return file


def taught(file: Path, *overrides: str) -> Release:
    config = load_config(file, overrides)
    with Run(config.work_folder) as run:
        return teach(config, run)


def times(work: Path) -> dict[str, float]:
    """When each finished artifact was finished."""
    return {str(file.parent.relative_to(work)): file.stat().st_mtime_ns for file in work.glob("*/*/manifest.json")}


def stages(names: Any) -> set[str]:
    return {name.partition("/")[0] for name in names}


@pytest.fixture(scope="module")
def english(models: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been taught once."""
    file = write_project(tmp_path_factory.mktemp("english"), models("llama"))
    taught(file)
    return file


STAGES = {"corpus", "store", "tail", "graph", "exam", "sitting", "lessons", "replay", "adapter", "router", "leaks"}
STAGES |= {"shuffled", "weights", "coverage", "consistency", "calibration", "routed", "card"}


def test_every_stage_leaves_its_artifact_and_the_release_is_whole(english: Path) -> None:
    work = english.parent / "work"
    assert stages(times(work)) == STAGES | {"release"}
    assert not list(work.glob("*/*.partial"))
    current = VersionStore(work).current()
    assert current.id == "v1"
    assert {file.name for file in current.release.iterdir()} == {
        *("adapter", "merged", "router", "README.md", "card.json", "report.html", "funnel.html", "manifest.json")
    }
    assert AutoModelForCausalLM.from_pretrained(current.release / "merged").num_parameters() > 0
    assert answer(current.release, "What is the ICD-10 code of Gout?")


def test_the_card_says_what_was_measured(english: Path) -> None:
    release = VersionStore(english.parent / "work").current().release
    card = read_json(release / "card.json")
    summary = card["summary"]
    assert summary["facts"] == len(card["facts"]) == 28
    assert sum(summary[state] for state in ("learned", "kept", "lost", "unknown")) == 28
    assert card["curve"][-1]["loss"] < 0.8 * card["curve"][0]["loss"]
    assert summary["now"]["value"] == pytest.approx((summary["learned"] + summary["kept"]) / 28)
    assert [row["family"] for row in card["families"]] == list(FAMILIES)
    assert card["control"]["facts"] > 0
    assert card["leaks"]["exact"] == card["leaks"]["near"] == 0
    assert card["coverage"]["tree"]["facts"] == 28
    assert card["coverage"]["before"]["overall"]["unweighted"]["n"] == 28
    assert sum(card["consistency"]["claims"].values()) > 0
    assert card["gate"] is None  # nothing to compare with
    assert all(row["control"] for row in card["families"] if row["family"] != "refusal")
    assert all(gate["passed"] for gate in card["gates"])
    assert card["cost"]["tokens"] == card["curve"][-1]["tokens"]
    assert card["lessons"]["exposures"] == 8
    assert card["corpus"]["read"] == 12
    assert card["general"]["perplexity"]["source"] == "general.txt"
    assert card["routed"]["questions"]["now"]["n"] == card["general"]["questions"]["n"]
    with_options = {"choice", "negation", "numerals"}
    assert [row["family"] for row in card["routed"]["families"]] == [f for f in FAMILIES if f not in with_options]
    report = (release / "report.html").read_text(encoding="utf-8")
    assert "Joint Pain" in report
    assert 'href="funnel.html"' in report
    assert "http://" not in report.replace("http://www.w3.org", "")


def test_the_model_card_is_in_hugging_face_form(english: Path) -> None:
    text = (VersionStore(english.parent / "work").current().release / "README.md").read_text(encoding="utf-8")
    _, header, body = text.split("---\n", 2)
    front = yaml.safe_load(header)
    assert front["language"] == ["en"]
    assert front["library_name"] == "transformers"
    assert "- facts: of our own: CC0" in body
    assert "| question |" in body
    assert "sends what is not of the domain to the base model" in body


def test_a_rerun_keeps_everything(english: Path) -> None:
    work = english.parent / "work"
    before = times(work)
    assert taught(english).version.id == "v1"
    assert times(work) == before
    assert len(VersionStore(work).all()) == 1


@pytest.mark.parametrize("control", [0, 0.25])
def test_another_bootstrap_only_makes_another_card(english: Path, control: float) -> None:
    work = english.parent / "work"
    taught(english, f"evaluation.control={control}")
    before = times(work)
    taught(english, f"evaluation.control={control}", f"evaluation.bootstrap={101 + int(control * 4)}")
    new = stages(times(work).keys() - before.keys())
    assert new == {"coverage", "calibration", "routed", "card", "release"}
    assert before.items() <= times(work).items()


def test_other_exposures_make_other_lessons_from_the_same_graph(english: Path) -> None:
    work = english.parent / "work"
    before = times(work)
    release = taught(english, "curriculum.exposures=4", "evaluation.control=0")
    new = stages(times(work).keys() - before.keys())
    assert {"lessons", "adapter", "weights", "card", "release"} <= new
    assert not new & {"corpus", "graph", "replay", "shuffled"}
    assert release.version == VersionStore(work).current()
    assert read_json(release.card)["control"] is None


def test_without_a_router_everything_else_is_kept(english: Path) -> None:
    work = english.parent / "work"
    before = times(work)
    release = taught(english, "training.router=false")
    new = stages(times(work).keys() - before.keys())
    assert {"card", "release"} <= new <= {"card", "release", "gate"}
    assert read_json(release.card)["routed"] is None
    assert not (release.path / "router").exists()
    assert "router" not in (release.path / "README.md").read_text(encoding="utf-8")


def test_each_phase_goes_on_from_the_one_before_and_is_remade_alone(
    models: Callable[[str], Path], tmp_path: Path
) -> None:
    adapt = {"tokens": 300, "learning_rate": 0.01}
    file = write_project(
        tmp_path / "p", models("llama"), training={"phases": ["adapt", "instruct", "adapt+instruct"], "adapt": adapt}
    )
    work = file.parent / "work"

    def adapters(*overrides: str) -> list[str]:
        """The phases of the adapters that are made now, in order."""
        before = times(work)
        taught(file, "evaluation.control=0", *overrides)
        new = [(at, work / name) for name, at in times(work).items() - before.items() if name.startswith("adapter/")]
        return [read_json(place / "training.json")["phase"] for _, place in sorted(new)]

    assert adapters() == ["adapt", "instruct", "adapt+instruct"]
    card = read_json(VersionStore(work).current().release / "card.json")
    earlier = card["cost"]["before"]
    assert [phase["phase"] for phase in earlier] == ["adapt", "instruct"]
    assert card["cost"]["tokens"] == sum(phase["tokens"] for phase in earlier) + card["curve"][-1]["tokens"]
    assert {"loss", "lesson_loss", "replay_loss"} <= card["curve"][-1].keys()
    assert adapters("training.adapt.tokens=400") == ["adapt", "instruct", "adapt+instruct"]
    assert adapters("training.learning_rate=0.005") == ["instruct", "adapt+instruct"]
    assert adapters("training.phases=[adapt]") == []
    assert read_json(VersionStore(work).current().release / "card.json")["lessons"] is None
    (file.parent / "more.txt").write_text(
        "A further document, read in the phase of documents alone, and no more.", "utf-8"
    )
    assert adapters("training.phases=[adapt]", "training.adapt.documents=[more.txt]") == ["adapt"]


def examined(file: Path, model: str, *overrides: str) -> tuple[Examination, dict[str, Any]]:
    config = load_config(file, overrides)
    with Run(config.work_folder) as run:
        found = evaluate(config, run, model)
    return found, read_json(found.card)


LOOKUP = ("knowledge.retrieval.passages=2", "knowledge.retrieval.encoder=null")


def test_an_index_comes_with_the_release_and_changes_nothing_else(english: Path) -> None:
    work = english.parent / "work"
    taught(english)  # its card compares it with what other tests taught last
    before = times(work)
    release = taught(english, *LOOKUP)
    assert stages(times(work).keys() - before) == {"index", "release"}
    said = reply(release.path, "What is the ICD-10 code of gout?")
    assert said.found is not None
    assert said.found.hits[0].text == "The ICD-10 code of Gout is M10.9."
    assert said.found.terms == ["ICD-10 code", "Gout"]
    notes = reply(release.path, "Who was seen for gout?", {"kind": "text"}).found
    assert notes is not None
    assert notes.hits[0].text.startswith("Patient 0 was seen for Gout on day 0")
    assert read_json(release.path / "index" / "lookup.json") == {"passages": 2}
    VersionStore(work).rollback()  # other tests know that one


def test_a_release_is_examined_as_it_was_when_it_was_taught(models: Callable[[str], Path], tmp_path: Path) -> None:
    file = write_project(tmp_path / "p", models("llama"))
    release = taught(file)
    found, card = examined(file, str(release.path), *LOOKUP)
    before = read_json(release.card)
    assert card["facts"] == before["facts"]
    assert card["families"] == [{**row, "control": None} for row in before["families"]]
    assert card["cost"] is card["lessons"] is card["curve"] is None
    assert {row["name"] for row in card["controls"]} >= {"facts_in_context", "retrieved", "option_only"}
    assert card["robustness"]["perturbations"]
    assert card["general"]["instructions"]["now"]["n"] >= 20
    assert card["general"]["format"]["ended"]["before"]["n"] >= 20
    assert card["consistency"]["nli"] is None  # too few subjects for a judge of our own
    assert found.report.is_file()

    desk = labelling(load_config(file), "甲")
    claim = desk.state()["claim"]
    desk.label(claim["id"], "supported")
    _, again = examined(file, str(release.path))
    assert again["consistency"]["agreement"]["human"] is not None


def test_a_worse_model_fails_the_gate_and_is_not_made_current(models: Callable[[str], Path], tmp_path: Path) -> None:
    margins = {"facts": None, "forgetting": None, "perplexity": "no_worse_than 1"}
    file = write_project(tmp_path / "p", models("llama"), gate=margins, evaluation={"control": 0})
    said = ("The river is long", "Bees make honey", "北京是首都", "Water boils", "Cats sleep", "It rained all day")
    (file.parent / "general.txt").write_text("\n\n".join(said), encoding="utf-8")  # two windows would prove nothing
    first = taught(file)
    assert first.passed is None
    second = taught(file, "training.learning_rate=0.0001")
    card = read_json(second.card)
    (perplexity,) = [row for row in card["gate"]["dimensions"] if row["name"] == "perplexity"]
    assert second.passed is False
    assert perplexity["judgement"] == "worse"
    assert VersionStore(file.parent / "work").current() == first.version
    assert taught(file).version == first.version
    code, _, _ = fusion(file.parent, "evaluate", str(second.path), "fusion.yaml")
    assert code == 1


def test_an_endpoint_without_a_model_is_one_sentence(english: Path) -> None:
    with pytest.raises(FusionError, match="write it as http://localhost:1/v1#MODEL"):
        examined(english, "http://localhost:1/v1")


def test_chinese_facts_without_documents(models: Callable[[str], Path], tmp_path: Path) -> None:
    file = write_project(tmp_path / "中文", models("qwen2"), "zh", evaluation={"control": 0})
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    del tree["documents"]
    file.write_text(yaml.safe_dump({**tree, "name": "疾病"}, allow_unicode=True), encoding="utf-8")
    release = taught(file)
    card = read_json(release.card)
    assert card["language"] == "zh"
    assert card["corpus"]["read"] == 0
    assert [row["family"] for row in card["families"]] == list(FAMILIES)
    assert "关节痛" in release.report.read_text(encoding="utf-8")
    assert yaml.safe_load((release.path / "README.md").read_text(encoding="utf-8").split("---\n")[1])["language"] == [
        "zh"
    ]


def test_the_quick_size_is_the_same_project_with_less_of_it(english: Path) -> None:
    small = quick(load_config(english))
    assert small.knowledge.max_facts == 30
    assert small.evaluation.control == 0
    assert small.training.lora == load_config(english).training.lora
    assert small.work_folder == load_config(english).work_folder


def test_the_doctor_looks_at_everything_and_trains_nothing(models: Callable[[str], Path], tmp_path: Path) -> None:
    file = write_project(tmp_path / "p", models("deepseek_v3"))
    shown = {section: dict(rows) for section, rows in examine(load_config(file))}
    assert list(shown) == ["Data", "Lessons", "Model", "What trains", "Time and memory here"]
    assert shown["Data"]["facts"] == "28 on 8 subjects, language en"
    assert shown["Data"]["documents"] == "12 kept of 12"
    assert "<|im_start|>user" in shown["Model"]["a question is served as"]
    assert "frozen" in shown["What trains"]["  experts"]
    assert "trainable" in shown["What trains"]["  q_b_proj"]
    assert "tokens/s" in shown["Time and memory here"]["speed"]
    assert stages(times(tmp_path / "p" / "work")) == {"corpus", "store", "tail", "graph", "exam", "lessons", "leaks"}


# --- the command line, in a process of its own ---------------------------------------------------------------------


def fusion(folder: Path, *arguments: str) -> tuple[int | None, str, str]:
    return processes.run(processes.command_line, folder, *arguments, output=folder / "log")


def test_the_commands_on_a_taught_project(english: Path) -> None:
    code, _, shown = fusion(english.parent, "teach", "fusion.yaml")
    assert code == 0, shown
    assert "Warning" not in shown
    code, listed, _ = fusion(english.parent, "versions")
    assert code == 0
    assert "* v" in listed
    code, said, errors = fusion(english.parent, "ask", "What is the ICD-10 code of Gout?")
    assert (code, errors) == (0, "")
    assert said.strip()
    code, again, errors = fusion(english.parent, "ask", "What is the ICD-10 code of Gout?", "--explain")
    assert (code, again) == (0, said)
    assert re.search(r"^The (taught|base) model answered: of the domain with probability \d\.\d{3}\.$", errors, re.M)
    events = [row["label"] for row in read_jsonl(english.parent / "work" / "events.jsonl") if row["kind"] == "stage"]
    assert "release" in events


def test_teaching_from_nothing_shows_progress_and_the_card(models: Callable[[str], Path], tmp_path: Path) -> None:
    file = write_project(tmp_path / "p", models("llama"), evaluation={"control": 0}, curriculum={"exposures": 3})
    code, shown, progress = fusion(file.parent, "teach", "fusion.yaml")
    assert code == 0, progress
    assert "v1 is current: work/release/" in shown
    assert "Facts: " in shown
    assert "✓ adapter:" in progress
    assert "Warning" not in progress


def broken_csv(folder: Path) -> None:
    (folder / "facts.csv").write_text('subject,relation,object\nGout,code,"M10\n', encoding="utf-8")


def short_csv(folder: Path) -> None:
    (folder / "facts.csv").write_text("subject,relation,object\nGout,code\n", encoding="utf-8")


def not_utf8(folder: Path) -> None:
    (folder / "facts.csv").write_bytes("subject,relation,object\n痛风,编码,M10\n".encode("gbk"))


def empty_folder(folder: Path) -> None:
    for file in (folder / "notes").iterdir():
        file.unlink()


def no_general_text(folder: Path) -> None:
    (folder / "general.txt").unlink()


def newer_layout(folder: Path) -> None:
    (folder / "work").mkdir()
    (folder / "work" / "layout.json").write_text(json.dumps({"layout": 99}))


def setting(**values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tree = yaml.safe_load((folder / "fusion.yaml").read_text(encoding="utf-8"))
        (folder / "fusion.yaml").write_text(yaml.safe_dump({**tree, **values}, allow_unicode=True), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (broken_csv, "facts.csv, line 2: broken CSV"),
        (short_csv, "facts.csv, line 2: 2 fields where the header has 3"),
        (not_utf8, "facts.csv, line 2: byte 0x"),
        (empty_folder, "notes: the folder is empty"),
        (no_general_text, "general.txt: no such file"),
        (newer_layout, "belongs to a newer deepseek-fusion"),
        (setting(traning={}), "unknown key `traning`; did you mean `training`?"),
        (setting(model="./没有"), "model: `./没有` is not"),
        (setting(training={"max_length": 16}), "training.max_length: a lesson has"),
        (setting(training={"lora": {"targets": ["wq"]}}), "has no linear layer `wq`"),
        (setting(knowledge={"sources": ["facts.csv"], "relations": {"cod": {"name": "x"}}}), "did you mean `code`?"),
        (setting(curriculum=dict.fromkeys(SHARES, 0)), "are all 0"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
@pytest.mark.parametrize("command", ["teach", "doctor"])
def test_bad_input_is_one_sentence(
    models: Callable[[str], Path], tmp_path: Path, command: str, break_it: Callable[[Path], None], sentence: str
) -> None:
    if command == "doctor" and break_it is no_general_text:
        pytest.skip("the doctor reads no general text")
    file = write_project(tmp_path / "p", models("llama"), evaluation={"control": 0})
    break_it(file.parent)
    code, _, shown = fusion(file.parent, command, "fusion.yaml")
    assert code == 2, shown
    last = shown.splitlines()[-1]
    assert sentence in last
    assert "Traceback" not in shown
    if "✓" not in shown:
        assert len(shown.splitlines()) == 1
