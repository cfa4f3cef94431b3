"""`otx compare`: compare runs with a baseline, with intervals and p-values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from otx.cli.completion import runs, tasks
from otx.cli.console import screen
from otx.cli.context import open_project, warn_of_damaged
from otx.cli.flags import RunNames, Sets, example
from otx.plugin_host.attribution import attributed_metrics
from otx.types import TaskInfo

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry
    from otx.runs.folder import RunFolder
    from otx.runs.table import Comparison

Format = Literal["table", "markdown", "csv", "json", "latex"]
"""Output formats."""


def register(app: typer.Typer) -> None:
    """Add the command.

    Args:
        app: The application.
    """
    app.command(
        "compare",
        short_help="Compare runs with their baseline.",
        epilog=example("otx compare first second", "otx compare --format markdown"),
    )(compare)


def compare(
    run: RunNames = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Run to compare with, instead of each run's untouched encoder.",
            autocompletion=runs,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="Show this task only.", autocompletion=tasks),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC",
            help="Show this metric instead of a task's first; repeat the flag for more.",
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = "table",
    sets: Sets = None,
) -> None:
    """Compare runs with their baseline, with intervals and p-values.

    Every language has a difference to the baseline. Holm's adjustment counts all differences of a table.

    Without names, every run with results is compared. The baseline of a run is the untouched encoder that it began as.
    """
    settings, host = open_project({"compare.baseline": baseline}, sets or [])
    if task is not None:
        task = host.registry.find("task", task).name
    from otx.runs import comparison
    from otx.runs.folder import RunFolder

    root, section = Path(settings.runs.folder), settings.compare
    base = None if section.baseline is None else RunFolder.open(root, section.baseline)
    if not run:
        warn_of_damaged(root)
    chosen = comparison.runs_to_compare(root, run or [])
    compared = comparison.compare(
        chosen,
        base,
        tasks=_infos(host.registry, chosen),
        task=task,
        metrics=metric or [],
        samples=section.samples,
        seed=section.seed,
    )
    _show(compared, form)


def _infos(registry: Registry, chosen: Sequence[RunFolder]) -> dict[str, TaskInfo]:
    """Return every task by its name; one of two with the same name is chosen only if there are results of it."""
    from otx.runs.results import evaluated_tasks

    entries = {entry.name: entry for entry in registry.entries("task")}
    for name in {name for run in chosen for name in evaluated_tasks(run)} & set(entries):
        entries[name] = registry.find("task", name)
    return {
        name: attributed_metrics(entry.owner, entry.info)
        for name, entry in entries.items()
        if entry.info is not None
    }


def _show(compared: Comparison, form: Format) -> None:
    from otx.runs import render

    if form == "table":
        return screen.draw(lambda width: render.rich_table(compared, width))
    texts = {
        "markdown": render.markdown,
        "csv": render.csv_text,
        "json": render.json_text,
        "latex": render.latex,
    }
    screen.result(texts[form](compared).rstrip("\n"))
