"""`otx plan`: the transport plan of a pair of sentences, before and after alignment."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from otx.cli.completion import runs
from otx.cli.console import screen
from otx.cli.context import open_project
from otx.cli.flags import example
from otx.cli.progress import reporter
from otx.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command.

    Args:
        app: The application.
    """
    app.command(
        "plan",
        epilog=example('otx plan "Der Hund schläft." "The dog sleeps." --run first'),
    )(plan)


def plan(
    source: Annotated[str, typer.Argument(help="A sentence.")],
    pivot: Annotated[str, typer.Argument(help="Its translation.")],
    run: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Show the plan of this run's objective, with the initial and the aligned encoder.",
            autocompletion=runs,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Show the balanced cosine plan of this encoder."),
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(
            help="Show the balanced cosine plan with this regularisation, in units of 1 - cos "
            "(default .05), not the objective's own plan."
        ),
    ] = None,
    layer: Annotated[
        int | None,
        typer.Option(help="Show the balanced cosine plan of this hidden layer (-1 = last)."),
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="PATH", help="Also draw it into this PNG, SVG or PDF.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="TABLE.KEY=VALUE",
            help="Set any key of otx.toml, e.g. encoder.layer=8.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print words and numbers as JSON.")] = False,
) -> None:
    """Show where the transport plan of a sentence pair moves each word.

    With --run, the plan is the one that the run's own objective returns, computed with the run's settings. Objectives
    without a plan, and encoders without a run, are shown by a balanced cosine plan; the first line says which plan it
    is. A number is the largest entry of its row, in hundredths of a source word's average mass; darker is more.

    Example: otx plan "the old bridge" "die alte Brücke" --run first
    """
    if run is not None and model is not None:
        raise UsageError(
            "--run and --model exclude one another",
            "a run brings its initial encoder; leave out --model",
        )
    if epsilon is not None and not epsilon > 0:
        raise UsageError(f"--epsilon is {epsilon:g}", "it must be above 0")
    settings, host = open_project({"encoder.layer": layer}, sets or [])
    from pathlib import Path

    from otx.alignment.plan_view import EPSILON, TypedPair, model_plan, run_plans
    from otx.runs.folder import RunFolder
    from otx.runs.heatmap import render_maps, save_figure
    from otx.training.session import Session

    pair = TypedPair(source, pivot)
    with reporter() as report:
        session = Session(settings, host, report)
        if run is None:
            chosen = model or settings.encoder.model
            maps = model_plan(session, chosen, pair, epsilon or EPSILON)
        else:
            folder = RunFolder.open(Path(settings.runs.folder), run)
            if layer is not None and epsilon is None:
                epsilon = EPSILON
            maps = run_plans(session, folder, pair, epsilon=epsilon)
    if output is not None and not save_figure(maps, Path(output)):
        screen.note(f"note: no font here has every character of {output}; Noto Sans has")
    if json:
        return screen.json([dataclasses.asdict(one) for one in maps])
    screen.result(render_maps(maps, screen.console().width).plain)
