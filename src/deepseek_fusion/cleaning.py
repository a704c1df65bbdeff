"""Commands that work on a project's documents alone: read and filter them, judge rows, teach the filter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from deepseek_fusion.core.errors import FusionError, missing

ROW_LABELS = "row-labels.jsonl"
"""What people said about rows, in the work folder (`corpus label`)."""

corpus = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Work on the project's documents alone.")
ProjectArgument = Annotated[Path, typer.Argument(metavar="PROJECT.yaml", help="The project file.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.FIELD=VALUE", help="Override one value of the project file; repeatable."),
]


@corpus.command("build")
def corpus_build(
    project: ProjectArgument,
    executor: Annotated[
        Literal["local", "ray", "slurm"] | None,
        typer.Option(help="Read on datatrove's executors: processes, a Ray cluster (RAY_ADDRESS), or Slurm."),
    ] = None,
    tasks: Annotated[int, typer.Option(min=1, help="With an executor: in how many parts.")] = 2,
    partition: Annotated[str, typer.Option(metavar="NAME", help="Of Slurm.")] = "",
    time: Annotated[str, typer.Option(metavar="HH:MM:SS", help="That Slurm gives a part.")] = "24:00:00",
    overrides: SetOption = None,
) -> None:
    """Read and filter the documents, here or on many machines that share the work folder; `teach` then finds them done.

    Run the same command again after an interruption: files that were finished are not read again.
    """
    from deepseek_fusion.core.artifacts import read_json
    from deepseek_fusion.core.events import Console, EventLog, listen
    from deepseek_fusion.core.project import load_config
    from deepseek_fusion.core.run import Run
    from deepseek_fusion.corpus.build import build_corpus, build_corpus_by
    from deepseek_fusion.teaching import read_corpus

    config = load_config(project, overrides or ())
    make = build_corpus
    if executor:
        try:
            from deepseek_fusion.corpus.scale.executors import Executor
        except ModuleNotFoundError as error:
            raise missing(error.name or "datatrove", "--executor", "scale") from None
        make = build_corpus_by(Executor(executor, tasks, partition, time))
    with Run(config.work_folder) as run, listen(Console(), EventLog(run.work / "events.jsonl")):
        made = read_corpus(config, run, make=make)
    summary = read_json(made.path / "summary.json")
    typer.echo(f"{summary['kept']} of {summary['read']} kept.\nFunnel: {made.path / 'funnel.html'}")


@corpus.command("label")
def corpus_label(
    project: ProjectArgument,
    labeller: Annotated[str | None, typer.Option(metavar="NAME", help="Who judges; your login name if absent.")] = None,
    browser: Annotated[bool, typer.Option("--browser", help="In the browser.")] = False,
    count: Annotated[int, typer.Option(min=1, help="How many rows.")] = 60,
    overrides: SetOption = None,
) -> None:
    """Put rows of the documents before you, to say which are good: answers that answer, passages that read well."""
    import getpass

    from deepseek_fusion.core.events import Console, listen
    from deepseek_fusion.core.labelling import label_in_browser
    from deepseek_fusion.core.project import load_config
    from deepseek_fusion.core.source import Source
    from deepseek_fusion.corpus.semantic.build import open_row_desk
    from deepseek_fusion.corpus.semantic.labels import label_in_terminal

    config = load_config(project, overrides or ())
    model = config.corpus.semantic.model
    file = config.work_folder / ROW_LABELS
    file.parent.mkdir(parents=True, exist_ok=True)
    with listen(Console()):
        desk = open_row_desk(
            config.corpus,
            Source(config.documents, config.folder),
            config.folder / model if model else None,
            file,
            labeller or getpass.getuser(),
            count,
        )
        done = label_in_browser(desk) if browser else label_in_terminal(desk)
    typer.echo(f"{done} rows judged. Run `deepseek-fusion corpus train` to teach the filter.")


@corpus.command("train")
def corpus_train(
    project: ProjectArgument,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the model goes.")] = Path("judge.safetensors"),
    overrides: SetOption = None,
) -> None:
    """Train the model of the semantic level on your labels."""
    from deepseek_fusion.core.project import load_config
    from deepseek_fusion.corpus.semantic.build import train_judge
    from deepseek_fusion.corpus.semantic.judge import PACKAGED

    config = load_config(project, overrides or ())
    model = config.corpus.semantic.model
    file = config.work_folder / ROW_LABELS
    if not file.is_file():
        raise FusionError(f"{file}: there are no labels yet; run `deepseek-fusion corpus label {project}` first.")
    told = train_judge([file], config.folder / model if model else PACKAGED, out)
    for head, row in told.items():
        name = "answers" if head == "pair" else "passages"
        typer.echo(
            f"{name}: {row['labels']:.0f} labels, right {row['right before']:.0%} before and {row['right after']:.0%} "
            f"after, calibration error {row['error before']:.3f} before and {row['error after']:.3f} after"
        )
    typer.echo(f"Model: {out}. Set `corpus.semantic.model` to it.")
