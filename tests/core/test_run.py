from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deepseek_fusion.core.artifacts import LAYOUT, Artifact, read_json, write_json
from deepseek_fusion.core.config import CorpusConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import Event, listen
from deepseek_fusion.core.run import Run, Stage, stage
from deepseek_fusion.core.source import Source


@stage("words", version=1)
def count_words(out: Path, section: CorpusConfig, source: Source) -> None:
    """Count the words of every file."""
    assert not list(out.iterdir())
    words = sum(len(file.read_text(encoding="utf-8").split()) for file in source.files)
    write_json(out / "words.json", {"words": words, "at_least": section.min_characters})


@stage("double", version=1)
def double(out: Path, section: None, words: Artifact, extra: Artifact | None) -> None:
    """Double the count."""
    write_json(out / "double.json", {"words": 2 * read_json(words.path / "words.json")["words"]})


@stage("fragile", version=1)
def fail(out: Path, section: None) -> None:
    """Leave half a file."""
    (out / "half").write_text("half")
    raise FusionError("broken.csv, line 3: not a triple; mend it.")


# A stage of ten slow steps that goes on where it was, as training does; prints a line a step.
COUNTER = """
import sys, time
from pathlib import Path
from deepseek_fusion.core.artifacts import read_json, write_json
from deepseek_fusion.core.run import Run, stage

def count(out: Path, section: None) -> None:
    done = read_json(out / "count.json")["steps"] if (out / "count.json").exists() else []
    for step in range(len(done), 10):
        print(step, flush=True)
        time.sleep(0.1)
        done.append(step)
        write_json(out / "count.json", {"steps": done})

with Run(Path(sys.argv[1])) as run:
    print(run.step(stage("count", version=1, resumable=sys.argv[2] == "resumable")(count), None).path)
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "文档.txt").write_text("one two 三", encoding="utf-8")
    return Source(("文档.txt",), tmp_path)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "工作"


def states(run: Run, make: Stage[...], *args: object) -> list[object]:
    heard: list[Event] = []
    with listen(heard.append):
        run.step(make, *args)
    return [event.fields["state"] for event in heard if event.kind == "stage"]


def test_an_artifact_is_made_once_and_described(work: Path, source: Source) -> None:
    with Run(work) as run:
        words = run.step(count_words, CorpusConfig(), source)
        twice = run.step(double, None, words, None)
        assert states(run, count_words, CorpusConfig(), source) == ["kept"]
    assert read_json(twice.path / "double.json") == {"words": 6}
    assert words.path == work.resolve() / "words" / words.key
    manifest = words.manifest()
    assert manifest["inputs"] == [{"stage": "source", "key": source.key}]
    assert manifest["section"]["min_characters"] == 40
    assert (manifest["stage"], manifest["version"], manifest["key"], manifest["layout"]) == (
        "words",
        1,
        words.key,
        LAYOUT,
    )
    assert manifest["versions"]["python"] in sys.version
    assert manifest["seconds"] >= 0
    assert manifest["cpu_seconds"] >= 0
    assert twice.manifest()["inputs"] == [{"stage": "words", "key": words.key}, None]


def test_a_later_run_keeps_what_did_not_change(work: Path, source: Source) -> None:
    with Run(work) as run:
        first = run.step(count_words, CorpusConfig(), source)
    with Run(work) as run:
        assert states(run, count_words, CorpusConfig(), source) == ["kept"]
        assert run.step(count_words, CorpusConfig(), source) == first


def test_section_version_name_and_inputs_each_change_the_key(work: Path, source: Source, tmp_path: Path) -> None:
    with Run(work) as run:
        words = run.step(count_words, CorpusConfig(), source)
        artifacts = [
            words,
            run.step(count_words, CorpusConfig(min_characters=41), source),
            run.step(stage("words", version=2)(count_words.make), CorpusConfig(), source),
            run.step(stage("other", version=1)(count_words.make), CorpusConfig(), source),
            run.step(double, None, words, None),
            run.step(double, None, words, words),
        ]
        (tmp_path / "文档.txt").write_text("changed", encoding="utf-8")
        artifacts.append(run.step(count_words, CorpusConfig(), Source(("文档.txt",), tmp_path)))
    assert len({artifact.key for artifact in artifacts}) == len(artifacts)
    assert all(len(artifact.key) == 16 for artifact in artifacts)


def test_a_failure_leaves_nothing(work: Path) -> None:
    with Run(work) as run:
        for _ in range(2):
            with pytest.raises(FusionError, match="line 3"):
                run.step(fail, None)
    assert list((work / "fragile").iterdir()) == []


def test_a_folder_without_manifest_is_made_again(work: Path, source: Source) -> None:
    with Run(work) as run:
        words = run.step(count_words, CorpusConfig(), source)
        (words.path / "manifest.json").unlink()
        assert states(run, count_words, CorpusConfig(), source) == ["started", "finished"]
    assert words.manifest()["stage"] == "words"


def test_an_input_without_key_is_our_bug(work: Path) -> None:
    with Run(work) as run, pytest.raises(AssertionError, match="has no key"):
        run.step(double, None, "words", None)  # type: ignore[arg-type]


def test_a_stage_is_still_a_function(tmp_path: Path, source: Source) -> None:
    out = tmp_path / "out"
    out.mkdir()
    count_words(out, CorpusConfig(min_characters=7), source)
    assert read_json(out / "words.json") == {"words": 3, "at_least": 7}


def test_a_second_run_is_refused_until_the_first_ends(work: Path) -> None:
    with Run(work), pytest.raises(FusionError, match=f"another run .process {os.getpid()}. is working here"):
        Run(work)
    Run(work).close()
    Run(work).close()


def test_a_newer_layout_is_refused_and_untouched(work: Path) -> None:
    work.mkdir()
    write_json(work / "layout.json", {"layout": LAYOUT + 1})
    with pytest.raises(FusionError, match="belongs to a newer"):
        Run(work)
    assert [file.name for file in work.iterdir()] == ["layout.json"]


def counter(work: Path, mode: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", COUNTER, str(work), mode], stdout=subprocess.PIPE, text=True)


def lines_until(process: subprocess.Popen[str], step: str) -> None:
    assert process.stdout
    assert any(line.strip() == step for line in process.stdout)


@pytest.mark.parametrize("mode", ["resumable", "not resumable"])
def test_kill_9_in_the_middle(work: Path, mode: str) -> None:
    with counter(work, mode) as process:
        lines_until(process, "4")
        process.kill()
    assert process.returncode == -signal.SIGKILL
    (left,) = (work / "count").iterdir()
    assert left.suffix == ".partial"
    with counter(work, mode) as process:
        output, _ = process.communicate(timeout=60)
    *steps, path = output.split()
    assert int(steps[0]) in ({4, 5} if mode == "resumable" else {0})
    assert read_json(Path(path) / "count.json") == {"steps": list(range(10))}
    assert read_json(Path(path) / "manifest.json")["resumed"] is (mode == "resumable")
    assert [str(folder) for folder in (work / "count").iterdir()] == [path]


def test_the_lock_of_a_living_process_holds_and_dies_with_it(work: Path) -> None:
    with counter(work, "resumable") as process:
        lines_until(process, "0")
        with pytest.raises(FusionError, match=f"process {process.pid}"):
            Run(work)
        process.kill()
    Run(work).close()


def test_a_full_disk_is_one_sentence_and_a_rerun_goes_on(work: Path) -> None:
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n{COUNTER}"
    process = subprocess.run(
        [sys.executable, "-c", limited, str(work), "resumable"], capture_output=True, text=True, check=False
    )
    assert "FusionError" in process.stderr
    assert "free some space" in process.stderr
    with counter(work, "resumable") as rerun:
        assert rerun.wait(timeout=60) == 0
