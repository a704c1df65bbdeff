"""The command line: parse, call, print. The work is in `pipeline.py`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
import typer.core

from deepseek_fusion import __version__
from deepseek_fusion.cleaning import corpus
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.looking import diff, graph

if TYPE_CHECKING:
    from deepseek_fusion.core.config import Config
    from deepseek_fusion.core.versions import VersionStore
    from deepseek_fusion.knowledge.retrieval.index import Found

GATE_FAILED, USER_MISTAKE, INTERRUPTED = 1, 2, 130


class Commands(typer.core.TyperGroup):
    """Commands whose foreseeable failures end in one sentence instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        with _one_sentence():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Teach a language model a domain, and see which facts it learned, kept and lost.",
)

ProjectArgument = Annotated[Path, typer.Argument(metavar="PROJECT.yaml", help="The project file.")]
ProjectOption = Annotated[
    Path | None,
    typer.Option(metavar="PROJECT.yaml", help="The project file; the only *.yaml in the current folder if absent."),
]
ReleaseOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="A release folder, instead of a project's current one.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.FIELD=VALUE", help="Override one value of the project file; repeatable."),
]

QuickOption = Annotated[bool, typer.Option("--quick", help="A few facts only, to try the project in minutes.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deepseek-fusion {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


@app.command()
def teach(
    project: ProjectArgument,
    quick: QuickOption = False,
    overrides: SetOption = None,
) -> None:
    """Teach the facts, examine before and after, release.

    What is finished is kept: run the same command again after an interruption, or after a change of the project.
    """
    _teach("teach", _load(project, overrides), quick)


@app.command()
def inject(
    project: ProjectArgument,
    quick: QuickOption = False,
    overrides: SetOption = None,
) -> None:
    """Teach in three stages with an exam after each: lessons on the graph, distillation, reinforcement; release.

    A stage that makes the model worse is left out, and the report shows what each one added. Run the same command again
    after an interruption.
    """
    _teach("inject", _load(project, overrides), quick)


@app.command()
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model or release folder, a GGUF file, a hub id, or an endpoint as http://host:port/v1#name; the "
            "word `label` puts claims of the current release before you, to judge them.",
        ),
    ],
    project: ProjectArgument,
    labeller: Annotated[
        str | None, typer.Option(metavar="NAME", help="With `label`: who judges; your login name if absent.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="With `label`: in the browser.")] = False,
    overrides: SetOption = None,
) -> None:
    """Examine any model on a project, against the project's base model and its current release.

    The exit code is 1 if the gate finds the model worse than the current release.
    """
    config = _load(project, overrides)
    if model == "label":
        _label(config, labeller, browser)
        return
    from deepseek_fusion import pipeline
    from deepseek_fusion.core.artifacts import read_json
    from deepseek_fusion.core.events import Console, EventLog, listen
    from deepseek_fusion.core.run import Run
    from deepseek_fusion.evaluation.report.terminal import print_card

    with Run(config.work_folder) as run, listen(Console(), EventLog(run.work / "events.jsonl")):
        examined = pipeline.evaluate(config, run, model)
    print_card(read_json(examined.card))
    typer.echo(f"Card: {_shown(examined.card)}\nReport: {_shown(examined.report)}")
    _exit_by(examined.passed)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to ask, in quotes.")],
    project: ProjectOption = None,
    release: ReleaseOption = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which model answered and why, and what was found by which part.")
    ] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Look only into documents of this source, language or field."),
    ] = None,
) -> None:
    """Ask the current release one question. If it has a router, its base model answers what is not of its domain; if
    it has an index, what that finds is put before the question."""
    narrowed = _fields(where or [])
    folder = _release(project, release)
    from deepseek_fusion.serving.answer import reply

    said = reply(folder, question, narrowed)
    for warning in (said.warning, said.found.warning if said.found else ""):
        if warning:
            typer.secho(warning, fg="yellow", err=True)
    typer.echo(said.text)
    if explain:
        sure = "no router" if said.probability is None else f"of the domain with probability {said.probability:.3f}"
        typer.echo(f"{'The taught' if said.taught else 'The base'} model answered: {sure}.", err=True)
        _show_found(said.found)


@app.command()
def extract(
    project: ProjectArgument,
    documents: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Files, folders or globs to read instead of the project's documents."),
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Read triples out of documents, in the terms of the project's graph, each with the sentence that states it."""
    config = _load(project, overrides)
    from deepseek_fusion import pipeline
    from deepseek_fusion.core.artifacts import read_json
    from deepseek_fusion.core.events import Console, EventLog, listen
    from deepseek_fusion.core.run import Run
    from deepseek_fusion.core.source import Source

    source = Source(tuple(documents), Path.cwd()) if documents else None
    with Run(config.work_folder) as run, listen(Console(), EventLog(run.work / "events.jsonl")):
        made = pipeline.extract(config, run, source)
    summary = read_json(made.path / "summary.json")
    for relation, counts in summary["relations"].items():
        typer.echo(f"{relation}: {counts['facts']} facts, {counts['known']} known, {counts['new_names']} on new names")
    typer.echo(f"{summary['statements']} statements: {_shown(made.path / 'extracted.jsonl')}")


@app.command()
def predict(
    text: Annotated[str, typer.Argument(help="What to classify, rate and label, in quotes.")],
    project: ProjectOption = None,
    release: ReleaseOption = None,
) -> None:
    """Ask the heads of the current release, if phase `multitask` taught it any; prints JSON."""
    import json

    folder = _release(project, release)
    from deepseek_fusion.serving.predict import predict as predict_texts

    (answers,) = predict_texts(folder, [text])
    typer.echo(json.dumps(answers, ensure_ascii=False, indent=2))


@app.command()
def versions(project: ProjectOption = None) -> None:
    """List every release; the current one has a star."""
    store = _store(project)
    released = store.all()
    if not released:
        typer.echo("Nothing has been released yet; run `deepseek-fusion teach` first.")
        return
    current = store.current()
    for version in released:
        facts = "  ".join(f"{name} {value}" for name, value in version.facts.items())
        star = "*" if version == current else " "
        typer.echo(f"{star} {version.id}  {version.created}  {_shown(version.release)}  {facts}".rstrip())


@app.command()
def rollback(
    version: Annotated[str | None, typer.Argument(help="Such as v2; the one before the current one if absent.")] = None,
    project: ProjectOption = None,
) -> None:
    """Make an earlier release current again."""
    current = _store(project).rollback(version)
    typer.echo(f"{current.id} is current: {_shown(current.release)}")


@app.command()
def doctor(project: ProjectArgument, overrides: SetOption = None) -> None:
    """Check a project before hours are spent on it.

    Shows data counts, tokens and truncations, the chat template, which parameters will train, memory and time.
    """
    config = _load(project, overrides)
    from deepseek_fusion.doctor import examine

    for section, rows in examine(config):
        typer.secho(section, bold=True)
        for name, value in rows:
            typer.echo(f"  {name:<28} {value}")


app.add_typer(corpus, name="corpus")
app.add_typer(graph, name="graph")
app.command()(diff)


def main() -> None:
    """Entry point of the `deepseek-fusion` command."""
    app(prog_name="deepseek-fusion")


def _teach(recipe: Literal["teach", "inject"], config: Config, quick: bool) -> None:
    from deepseek_fusion import pipeline
    from deepseek_fusion.core.artifacts import read_json
    from deepseek_fusion.core.events import Console, EventLog, MetricLog, listen
    from deepseek_fusion.core.run import Run
    from deepseek_fusion.evaluation.report.terminal import print_card
    from deepseek_fusion.models.ranks import together
    from deepseek_fusion.teaching import TOGETHER
    from deepseek_fusion.training.adapter import follow

    if quick:
        config = pipeline.quick(config)
    make = pipeline.teach if recipe == "teach" else pipeline.inject
    cpu = time.process_time()
    with together() as leads:
        if not leads:
            follow(TOGETHER)
            return
        kind = config.training.log_to
        with Run(config.work_folder) as run:
            metrics = [MetricLog(kind, run.work)] if kind else []
            with listen(Console(), EventLog(run.work / "events.jsonl"), *metrics):
                release = make(config, run)
    print_card(read_json(release.card))
    typer.echo(f"This run took {time.process_time() - cpu:,.0f} core-seconds.")
    state = "was not made current, the gate found it worse" if release.passed is False else "is current"
    typer.echo(f"{release.version.id} {state}: {_shown(release.path)}\nReport: {_shown(release.report)}")
    _exit_by(release.passed)


def _label(config: Config, labeller: str | None, browser: bool) -> None:
    import getpass

    from deepseek_fusion.core.events import Console, listen
    from deepseek_fusion.core.labelling import label_in_browser
    from deepseek_fusion.evaluation.consistency.labels import label_in_terminal
    from deepseek_fusion.pipeline import labelling

    with listen(Console()):
        desk = labelling(config, labeller or getpass.getuser())
        done = label_in_browser(desk) if browser else label_in_terminal(desk)
    typer.echo(f"{done} claims judged. Run `deepseek-fusion evaluate` to see how far people and program agree.")


def _fields(where: list[str]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for pair in where:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise FusionError(f"--where: `{pair}` is no FIELD=VALUE; write it as --where language=zh.")
        fields.setdefault(name, []).append(value)
    return fields


def _show_found(found: Found | None) -> None:
    if found is None:
        return
    typer.echo(f"Found {len(found.hits)} passages; terms of the graph: {', '.join(found.terms) or 'none'}.", err=True)
    for number, hit in enumerate(found.hits, start=1):
        ranks = ", ".join(f"{part} {rank}" for part, rank in hit.ranks.items())
        typer.echo(f"[{number}] {hit.citation} ({ranks})\n    {hit.text}", err=True)


def _exit_by(passed: bool | None) -> None:
    if passed is False:
        raise typer.Exit(GATE_FAILED)


def _load(project: Path, overrides: list[str] | None = None) -> Config:
    from deepseek_fusion.core.project import load_config

    return load_config(project, overrides or ())


def _release(project: Path | None, release: Path | None) -> Path:
    if release and project:
        raise FusionError("--project and --release: give one of them, not both.")
    if release and not release.is_dir():
        raise FusionError(f"{release}: no such release folder; `deepseek-fusion versions` lists them.")
    return release or _store(project).current().release


def _store(project: Path | None) -> VersionStore:
    from deepseek_fusion.core.project import only_project
    from deepseek_fusion.core.versions import VersionStore

    return VersionStore(_load(project or only_project()).work_folder)


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@contextmanager
def _one_sentence() -> Iterator[None]:
    from deepseek_fusion.core.artifacts import room_on_disk

    try:
        with room_on_disk(Path.cwd()):
            yield
    except FusionError as error:
        _stop(str(error), USER_MISTAKE)
    except PermissionError as error:
        _stop(f"{error.filename}: no permission; change its mode or choose another place.", USER_MISTAKE)
    except ModuleNotFoundError as error:
        if (error.name or "deepseek_fusion").startswith("deepseek_fusion"):
            raise
        _stop(f"{error.name} is not installed; run `pip install 'deepseek-fusion[all]'`.", USER_MISTAKE)
    except (MemoryError, RuntimeError) as error:  # torch raises a RuntimeError when memory runs out
        if not isinstance(error, MemoryError) and not re.search("out of memory|allocate memory", str(error)):
            raise
        _stop("Out of memory; close other programs, or lower `training.batch_tokens`.", USER_MISTAKE)
    except KeyboardInterrupt:
        _stop("Stopped; run the same command again to go on from here.", INTERRUPTED)


def _stop(sentence: str, code: int) -> None:
    typer.secho(sentence, fg="red", err=True)
    raise typer.Exit(code)
