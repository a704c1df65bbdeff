"""Commands that work on a project's documents alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from deepseek_fusion.core.errors import missing

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
