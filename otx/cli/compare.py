"""`otx compare`: compare runs with a baseline, with intervals and p-values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from otx.cli.completion import runs, tasks
from otx.cli.console import screen
from otx.cli.context import open_project, warn_of_damaged
from otx.cli.flags import RunNames, Sets, example

if TYPE_CHECKING:
    pass

Format = Literal["table", "markdown", "csv", "json", "latex"]
"""Output formats."""


def register(app: typer.Typer) -> None:
    """Add the command.

    Args:
        app: The application.
    """
    app.command(
        "compare",
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
    import otx
    from otx.runs.folder import RunFolder
    from otx.training.session import Session

    root = Path(settings.runs.folder)
    if not run:
        warn_of_damaged(root)
    compared = otx.compare(
        [otx.Run(RunFolder.open(root, name)) for name in run or []],
        task=task,
        metrics=metric or [],
        session=Session(settings, host),
    )
    if form == "table":
        from otx.runs.render import rich_table

        return screen.draw(lambda width: rich_table(compared.data, width))
    screen.result(compared.table(form).rstrip("\n"))
