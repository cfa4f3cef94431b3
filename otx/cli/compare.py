"""`otx compare`: what alignment did, run by run, against a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from otx.cli.completion import runs, tasks
from otx.cli.console import screen
from otx.cli.context import open_project, warn_of_damaged
from otx.cli.flags import example
from otx.plugin_host.attribution import attributed_metrics
from otx.types import TaskInfo

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry
    from otx.runs.folder import RunFolder
    from otx.runs.table import Comparison

Format = Literal["table", "markdown", "csv", "json", "latex"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "compare",
        short_help="Compare runs with their baseline.",
        epilog=example("otx compare first second", "otx compare --format markdown"),
    )(compare)


def compare(
    run: Annotated[
        list[str] | None,
        typer.Argument(help="Runs; without any, all that have results.", autocompletion=runs),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Run to compare with, not the untouched encoder.", autocompletion=runs),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="This task's results only.", autocompletion=tasks)
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Another metric than a task's first; again for more."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = "table",
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
    ] = None,
) -> None:
    """Compare runs: differences in every language, their intervals, and what is sure."""
    settings, host = open_project({"compare.baseline": baseline}, sets or [])
    if task is not None:
        task = host.registry.find("task", task).name
    from otx.runs import comparison
    from otx.runs.folder import RunFolder

    root, wanted = Path(settings.runs.folder), settings.compare
    base = None if wanted.baseline is None else RunFolder.open(root, wanted.baseline)
    if not run:
        warn_of_damaged(root)
    chosen = comparison.runs_to_compare(root, run or [])
    found = comparison.compare(
        chosen,
        base,
        tasks=_infos(host.registry, chosen),
        task=task,
        metrics=metric or [],
        samples=wanted.samples,
        seed=wanted.seed,
    )
    _show(found, form)


def _infos(registry: Registry, chosen: Sequence[RunFolder]) -> dict[str, TaskInfo]:
    """Every task by its name; only one that there are results of must be settled if two bring it."""
    from otx.runs.results import evaluated_tasks

    entries = {entry.name: entry for entry in registry.entries("task")}
    for name in {name for run in chosen for name in evaluated_tasks(run)} & set(entries):
        entries[name] = registry.find("task", name)
    return {
        name: attributed_metrics(entry.owner, entry.info)
        for name, entry in entries.items()
        if entry.info is not None
    }


def _show(found: Comparison, form: Format) -> None:
    from otx.runs import render

    if form == "table":
        return screen.draw(lambda width: render.rich_table(found, width))
    texts = {
        "markdown": render.markdown,
        "csv": render.csv_text,
        "json": render.json_text,
        "latex": render.latex,
    }
    screen.result(texts[form](found).rstrip("\n"))
