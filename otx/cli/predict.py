"""`otx predict`: predict lines of text with a fine-tuned model."""

from __future__ import annotations

import json as plain_json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otx.cli.completion import runs, tasks
from otx.cli.console import screen
from otx.cli.context import open_project
from otx.cli.flags import example
from otx.cli.progress import reporter
from otx.errors import DataError, UsageError

if TYPE_CHECKING:
    from otx.evaluation.predict import Prediction


def register(app: typer.Typer) -> None:
    """Add the command.

    Args:
        app: The application.
    """
    app.command(
        "predict",
        epilog=example("otx predict xnli --run first < pairs.tsv"),
    )(predict)


def predict(
    task: Annotated[str, typer.Argument(help="The task.", autocompletion=tasks)],
    run: Annotated[
        str | None,
        typer.Option(help="Run on which the task was fine-tuned.", autocompletion=runs),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model with a head for the task.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the run's head; the lowest by default.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object per line.")] = False,
) -> None:
    """Print a prediction for each line of standard input.

    Example: otx predict xnli --run NAME < pairs.tsv

    A line is a text, or two with a tab between them (premise and hypothesis; question and context), or a sentence
    whose words are tagged. A line that cannot be used gives an empty line, or {"error": ...} with --json; the exit
    code is then 3. A line that is longer than the model reads gets a note.
    """
    if (run is None) == (model is None):
        raise UsageError("give one of --run and --model", "--run NAME or --model FOLDER")
    flags: dict[str, Any] = {"runtime.device": device}
    settings, host = open_project(flags, sets or [])
    from pathlib import Path

    import otx
    from otx.evaluation.predict import bounded_lines
    from otx.runs.folder import RunFolder
    from otx.training.session import Session

    opened = None
    if run is not None:
        opened = otx.Run(RunFolder.open(Path(settings.runs.folder), run))
    session = Session(settings, host, reporter())
    lines = bounded_lines(sys.stdin.buffer)
    total = refused = 0
    predictions = otx.predict(opened, task, lines, model=model, seed=seed, session=session)
    for prediction in predictions:
        total += 1
        refused += prediction.error is not None
        if prediction.error is not None:
            screen.warn(f"error: {prediction.error}")
        elif prediction.cut:
            screen.warn(
                f"note: line {prediction.number} is too long: its last {prediction.cut:,} words or sub-words "
                "were not read"
            )
        screen.result(_as_json(prediction) if json else prediction.text)
    if refused:
        raise DataError(
            f"{refused:,} of {total:,} lines have no prediction", "correct the lines named above"
        )


def _as_json(prediction: Prediction) -> str:
    """Return a prediction, with the number of words beyond the limit if there are any, or an error."""
    if prediction.error is not None:
        return plain_json.dumps({"error": str(prediction.error)}, ensure_ascii=False)
    row: dict[str, Any] = {"prediction": prediction.value}
    if prediction.cut:
        row["cut"] = prediction.cut
    return plain_json.dumps(row, ensure_ascii=False)
