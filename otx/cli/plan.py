"""`otx plan`: the transport plan of a pair of sentences, before and after alignment."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from otx.cli.completion import runs
from otx.cli.console import screen
from otx.cli.context import open_project
from otx.cli.flags import example
from otx.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "plan",
        short_help="Show the transport plan of a sentence pair.",
        epilog=example('otx plan "Der Hund schläft." "The dog sleeps." --run first'),
    )(plan)


def plan(
    source: Annotated[str, typer.Argument(help="A sentence.")],
    pivot: Annotated[str, typer.Argument(help="Its translation.")],
    run: Annotated[
        str | None,
        typer.Option(
            help="Run whose encoder is shown after the untouched one.", autocompletion=runs
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="An encoder as it is, alone.")] = None,
    epsilon: Annotated[float, typer.Option(help="Entropic regularisation, of 1 - cos.")] = 0.05,
    layer: Annotated[int | None, typer.Option(help="Hidden layer (-1 = last).")] = None,
    output: Annotated[
        str | None, typer.Option(help="Draw it into this PNG, SVG or PDF as well.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print words and numbers as JSON.")] = False,
) -> None:
    """Show which words the transport plan of a pair carries onto which: darker is more, numbers are largest shares."""
    if run is not None and model is not None:
        raise UsageError(
            "--run and --model exclude one another", "a run brings its untouched encoder"
        )
    if not epsilon > 0:
        raise UsageError(f"--epsilon is {epsilon:g}", "it must be above 0")
    settings, host = open_project({"encoder.layer": layer}, sets or [])
    from pathlib import Path

    from otx.alignment.plan_view import plan_of
    from otx.runs.folder import RunFolder
    from otx.runs.heatmap import in_terminal, save_figure
    from otx.training.factories import open_encoder

    shown = {"plan": model or settings.encoder.model}
    if run is not None:
        found = RunFolder.open(Path(settings.runs.folder), run)
        if not found.model.is_dir():
            raise UsageError(
                f"run {run} has no encoder of its own: it is {found.record['status']}",
                f"finish it with: otx align --resume {run}",
            )
        shown = {"before": found.record["model"], f"after {run}": str(found.model)}
    maps = [
        plan_of(
            open_encoder(reference, host.registry, settings),
            source,
            pivot,
            settings,
            epsilon,
            title,
        )
        for title, reference in shown.items()
    ]
    if output is not None and not save_figure(maps, Path(output)):
        screen.note(f"note: no font here has every character of {output}; Noto Sans has")
    if json:
        return screen.json([dataclasses.asdict(own) for own in maps])
    screen.result(in_terminal(maps, screen.console().width).plain)
