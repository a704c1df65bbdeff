"""Commands that look into knowledge: one term, a SPARQL query, a file of all of it, two releases side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepseek_fusion.core.errors import FusionError

if TYPE_CHECKING:
    from deepseek_fusion.knowledge.store.store import Store

SHOWN = 12
"""Facts of one kind and terms of a diff that the terminal shows."""

graph = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look into the knowledge of a project, or of files."
)
KnowledgeOption = Annotated[
    list[Path] | None,
    typer.Option("--from", metavar="PATH", help="Files of knowledge or a store folder, instead of a project's."),
]
ProjectOption = Annotated[
    Path | None,
    typer.Option(metavar="PROJECT.yaml", help="The project file; the only *.yaml in the current folder if absent."),
]


@graph.command()
def term(
    name: Annotated[str, typer.Argument(help="A name, a synonym in any language, or an id.")],
    project: ProjectOption = None,
    source: KnowledgeOption = None,
) -> None:
    """Show a term: its names, what stands above and below it, and its facts with their sources."""
    store = _open(project, source)
    nodes = store.find(name)
    if not nodes:
        near = store.names_with(name, 5)
        hint = f"there are {', '.join(near)}." if near else "`graph query` lists what there is."
        raise FusionError(f"{name}: no term has this name; {hint}")
    for node in nodes:
        typer.echo("\n".join(_told(store, node)))


@graph.command()
def query(
    sparql: Annotated[str, typer.Argument(metavar="SPARQL", help="Such as 'SELECT ?x { ?x r:symptom name:Fever }'.")],
    project: ProjectOption = None,
    source: KnowledgeOption = None,
) -> None:
    """Ask in SPARQL; answers are lines of tab-separated values."""
    from deepseek_fusion.core.errors import missing

    try:
        from deepseek_fusion.knowledge.store import sparql as rdf
    except ModuleNotFoundError:
        raise missing("pyoxigraph", "graph query", "knowledge") from None
    names, rows = rdf.ask(rdf.load(_open(project, source)), sparql)
    for row in [names, *rows]:
        typer.echo("\t".join(row))


@graph.command()
def export(
    file: Annotated[Path, typer.Argument(help="A .nq keeps the source of each fact; .ttl, .nt, .rdf do not.")],
    project: ProjectOption = None,
    source: KnowledgeOption = None,
) -> None:
    """Write all knowledge as RDF; a project can name the file among its sources."""
    from deepseek_fusion.core.errors import missing

    try:
        from deepseek_fusion.knowledge.store import sparql as rdf
    except ModuleNotFoundError:
        raise missing("pyoxigraph", "graph export", "knowledge") from None
    typer.echo(f"{rdf.export(_open(project, source), file):,} statements: {file}")


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A file of knowledge, or a store folder.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The later release.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.jsonl", help="Write every change there, one a line.")
    ] = None,
    full: Annotated[bool, typer.Option("--all", help="Print every change.")] = False,
) -> None:
    """Compare two releases of an ontology: terms added, changed, obsoleted (and by what replaced), removed."""
    from deepseek_fusion.core.artifacts import write_jsonl
    from deepseek_fusion.knowledge.changes import as_rows, compare, summary, told

    before, after = _read([old]), _read([new])
    changes = compare(before, after)
    if out:
        write_jsonl(out, as_rows(changes))
    for change in changes if full else changes[:SHOWN]:
        typer.echo("\n".join(told(change)))
    if len(changes) > SHOWN and not full:
        typer.echo(f"… and {len(changes) - SHOWN:,} more; --all prints them, --out FILE.jsonl writes them.")
    counts = summary(changes, before, after)
    kinds = ("added", "changed", "obsoleted", "restored", "removed")
    typer.echo(", ".join(f"{counts[kind]:,} {kind}" for kind in kinds))


def _told(store: Store, node: int) -> list[str]:
    from deepseek_fusion.knowledge.store.tables import IDENTIFIER

    obsolete = " (obsolete)" if store.obsolete[node] else ""
    identifier = "" if store.id(node) == store.label(node) else f"  {store.id(node)}"
    lines = [f"{store.label(node)}{identifier}{obsolete}"]
    names = [
        f"{name.text}{f' @{name.language}' if name.language else ''}"
        for name in store.names(node)
        if name.text not in (store.label(node), store.id(node)) and name.kind != IDENTIFIER
    ]
    depth = store.depth(node)
    above, below = ([store.label(other) for other in part] for part in (store.parents(node), store.children(node)))
    parts = (("also", names), ("above", above), ("below", below))
    lines += [f"  {title:<6} {_listed(values)}" for title, values in parts if values]
    lines += [f"  depth  {depth}"] if depth is not None else []
    for fact in store.facts(node)[:SHOWN]:
        lines.append(f"  {fact.relation}: {store.label(fact.object)}  [{fact.origin}]")
    for fact in store.facts(node, "backward")[:SHOWN]:
        if fact.relation not in store.head["hierarchy"]:
            lines.append(f"  {fact.relation} of: {store.label(fact.subject)}  [{fact.origin}]")
    return lines


def _listed(values: list[str]) -> str:
    more = f" … and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return " · ".join(values[:SHOWN]) + more


def _open(project: Path | None, source: list[Path] | None) -> Store:
    if source:
        return _read(source)
    from deepseek_fusion.core.project import load_config, only_project
    from deepseek_fusion.core.run import Run
    from deepseek_fusion.core.source import Source
    from deepseek_fusion.knowledge.store.build import STORED, build_store
    from deepseek_fusion.knowledge.store.store import Store

    config = load_config(project or only_project())
    with Run(config.work_folder) as run:
        files = Source(config.knowledge.sources, config.folder)
        return Store.open(run.step(build_store, config.knowledge.only(*STORED), files).path)


def _read(paths: list[Path]) -> Store:
    from deepseek_fusion.knowledge.sources.readers import read_knowledge
    from deepseek_fusion.knowledge.store.ledger import compile_store
    from deepseek_fusion.knowledge.store.store import Store

    if len(paths) == 1 and paths[0].is_dir():
        return Store.open(paths[0])
    store = Store(compile_store(map(read_knowledge, paths)))
    for note in store.head["notes"]:
        typer.secho(note, fg="yellow", err=True)
    return store
