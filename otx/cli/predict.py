"""`otx predict`: what a fine-tuned model says of lines of text."""

from __future__ import annotations

import json as plain_json
import sys
from typing import Annotated, Any

import typer

from otx.cli.complete import runs, tasks
from otx.cli.output import screen
from otx.cli.progress import reporter
from otx.cli.project import open_project
from otx.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict")(predict)


def predict(
    task: Annotated[str, typer.Argument(help="The task.", autocompletion=tasks)],
    run: Annotated[
        str | None,
        typer.Option(help="Run on which the task was fitted.", autocompletion=runs),
    ] = None,
    model: Annotated[str | None, typer.Option(help="A model with a head of this kind.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the head; the lowest.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """Read lines from standard input and print a prediction for each: otx predict xnli --run NAME < pairs.tsv.

    A line holds a text, or two with a tab between them (premise and hypothesis; question and context), or a sentence
    whose words are tagged.
    """
    if (run is None) == (model is None):
        raise UsageError("give one of --run and --model", "--run NAME or --model FOLDER")
    flags: dict[str, Any] = {"align.device": device}
    settings, host = open_project(flags, sets or [])
    from pathlib import Path

    from otx.engine.predict import predict as made
    from otx.runs.folder import RunFolder

    source = RunFolder.open(Path(settings.runs.folder), run) if run is not None else model
    assert source is not None
    for prediction, line in made(settings, host, reporter(), task, source, seed, sys.stdin.buffer):
        if json:
            line = plain_json.dumps({"prediction": prediction}, ensure_ascii=False)
        screen.result(line)
