from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from deepseek_fusion import __version__
from deepseek_fusion.cli import Commands, app
from deepseek_fusion.core.artifacts import write_json
from deepseek_fusion.core.versions import VersionStore
from deepseek_fusion.evaluation.report.terminal import print_card

Project = Callable[..., Path]


def fusion(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def one_sentence(result: Result, *parts: str) -> None:
    """The mistake is named on stderr alone, without a traceback, with exit code 2."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    for part in parts:
        assert part in result.stderr


def released(project: Path, *names: str) -> VersionStore:
    work = project.parent / "work"
    store = VersionStore(work)
    for name in names:
        (work / "release" / name).mkdir(parents=True)
        store.add(work / "release" / name, {"now": 0.5})
    return store


def test_version_and_help() -> None:
    assert fusion("--version").stdout == f"deepseek-fusion {__version__}\n"
    assert "teach" in fusion("--help").stdout
    assert fusion("teach", "--help").exit_code == 0


def test_the_module_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deepseek_fusion", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"deepseek-fusion {__version__}\n"


@pytest.mark.parametrize("command", ["teach", "doctor"])
def test_mistakes_in_a_project_name_the_place_and_the_fix(project: Project, command: str, tmp_path: Path) -> None:
    one_sentence(fusion(command, tmp_path / "没有.yaml"), "没有.yaml: no such project file")
    one_sentence(fusion(command, tmp_path), "is a folder")
    file = project("name: x\nknowledge: {sources: [facts.csv]}\ntraning: {}\n")
    one_sentence(fusion(command, file), "fusion.yaml: unknown key `traning`; did you mean `training`?")
    file = project("name: x\nknowledge: {sources: [facts.csv]}\ntraining: {learning_rate: fast}\n")
    one_sentence(fusion(command, file), "`training.learning_rate`", "'fast'")
    file = project("name: x\nknowledge: [\n")
    one_sentence(fusion(command, file), "not valid YAML", "line 3")
    file.write_bytes("name: 感冒\n".encode("gbk"))
    one_sentence(fusion(command, file), "not UTF-8")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.lora.rank", "write it as section.field=value"),
        ("training.lora.rnk=4", "did you mean `rank`?"),
        ("training.lora.rank=four", "`training.lora.rank`"),
        ("name.first=x", "`name` is a value, not a section"),
    ],
)
def test_mistakes_in_an_override_are_named(project: Project, override: str, message: str) -> None:
    one_sentence(fusion("teach", project(), "--set", override), message)


def test_versions_and_rollback(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project()
    assert "Nothing has been released yet" in fusion("versions", "--project", file).stdout
    one_sentence(fusion("rollback", "--project", file), "nothing has been released")
    released(file, "甲", "乙")
    monkeypatch.chdir(file.parent)
    listed = fusion("versions").stdout.splitlines()
    assert listed[0].startswith("  v1")
    assert listed[1].startswith("* v2")
    assert listed[1].endswith("work/release/乙  now 0.5")
    assert fusion("rollback").stdout == "v1 is current: work/release/甲\n"
    assert fusion("rollback", "v2").stdout == "v2 is current: work/release/乙\n"
    one_sentence(fusion("rollback", "v7"), "no version v7; the versions are v1, v2")


def test_the_only_project_here_is_found(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one_sentence(fusion("ask", "什么是感冒？"), "no *.yaml project here; pass one with --project")
    file = project()
    monkeypatch.chdir(file.parent)
    one_sentence(fusion("ask", "什么是感冒？"), "nothing has been released here yet")
    (file.parent / "full.yaml").write_bytes(file.read_bytes())
    one_sentence(fusion("ask", "什么是感冒？"), "pass one of full.yaml, fusion.yaml with --project")


@pytest.mark.parametrize("command", ["ask", "predict"])
def test_asking_a_release_that_is_not_there(project: Project, tmp_path: Path, command: str) -> None:
    one_sentence(fusion(command, "Why?", "--release", tmp_path / "没有"), "没有: no such release folder")
    one_sentence(fusion(command, "Why?", "--release", tmp_path, "--project", project()), "give one of them")
    one_sentence(fusion(command, "Why?", "--release", tmp_path), "has no merged/ model; give a release folder")


def test_a_release_without_heads_predicts_nothing(tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "config.json").write_text("{}", encoding="utf-8")
    one_sentence(fusion("predict", "发烧", "--release", tmp_path), "adapter: has no heads.safetensors; only an adapter")
    one_sentence(fusion("predict", " ", "--release", tmp_path), "predict: a text is empty")


def test_the_corpus_alone(project: Project) -> None:
    file = project()
    note = "感冒的症状是发烧、咳嗽和头痛，多休息、多喝水，一周左右可以好转；若持续高热，应当及时就医检查。"
    (file.parent / "notes.txt").write_text(note, encoding="utf-8")
    done = fusion("corpus", "build", file)
    assert done.exit_code == 0, done.stderr
    assert "kept." in done.stdout
    again = fusion("corpus", "build", file, "--executor", "slurm")
    assert again.exit_code == 0, "the corpus is there, wherever it was read"


def test_a_newer_work_folder_is_refused_and_untouched(project: Project) -> None:
    file = project()
    (file.parent / "work").mkdir()
    write_json(file.parent / "work" / "layout.json", {"layout": 99})
    one_sentence(fusion("versions", "--project", file), "belongs to a newer deepseek-fusion")
    assert [left.name for left in (file.parent / "work").iterdir()] == ["layout.json"]


def failing(error: BaseException) -> typer.Typer:
    """A command line like ours whose one command fails in a way that is hard to bring about."""
    fragile = typer.Typer(cls=Commands)

    @fragile.command()
    def fail() -> None:
        raise error

    @fragile.callback()
    def root() -> None:
        pass

    return fragile


@pytest.mark.parametrize(
    ("error", "sentence", "code"),
    [
        (KeyboardInterrupt(), "Stopped; run the same command again", 130),
        (MemoryError(), "Out of memory", 2),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "Out of memory", 2),
        (OSError(errno.ENOSPC, "No space left on device", "/盘/x"), "/盘/x: cannot be written (no space left", 2),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "/data/x: no permission", 2),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "pip install 'deepseek-fusion[all]'", 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_foreseeable_failures_are_one_sentence(error: BaseException, sentence: str, code: int) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == code
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shapes"), KeyError("our bug"), OSError("?"), ModuleNotFoundError("x", name="deepseek_fusion.x")],
)
def test_our_own_bugs_are_not_hidden(error: Exception) -> None:
    assert CliRunner().invoke(failing(error), ["fail"]).exception is error


def test_the_card_in_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    rates = {
        "before": {"value": 0.031, "low": 0.01, "high": 0.06, "n": 120},
        "now": {"value": 0.88, "low": 0.84, "high": 0.91, "n": 120},
    }
    card = {
        "name": "医学",
        "families": [{"family": "question", **rates}, {"family": "cloze", **rates}],
        "summary": {"facts": 120, **rates, "learned": 102, "kept": 3, "lost": 1, "unknown": 14},
        "general": {"perplexity": {"before": 20.0, "now": 21.5, "change": 0.075, "low": 0.061, "high": 0.089}},
        "gate": {"verdict": "fail", "dimensions": [{"name": "facts", "judgement": "worse"}]},
    }
    print_card(card)
    shown = capsys.readouterr().out
    assert "医学" in shown
    assert "88.0% (84% to 91%)" in shown
    assert "21.50 (+7.5%, +6.1% to +8.9%)" in shown
    assert "Facts: 102 learned · 3 kept · 1 lost · 14 unknown" in shown


def test_ctrl_c_stops_a_real_process_with_one_sentence() -> None:
    code = """
import signal, time, typer
from deepseek_fusion.cli import Commands
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts its background jobs with it ignored
app = typer.Typer(cls=Commands)
@app.callback()
def root(): pass
@app.command()
def wait():
    print("waiting", flush=True)
    time.sleep(60)
app()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr.strip() == "Stopped; run the same command again to go on from here."
