"""`otx eval`: evaluate runs and their baseline models on tasks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otx.cli.completion import runs, tasks
from otx.cli.console import columns, screen
from otx.cli.context import open_project, warn_of_damaged
from otx.cli.flags import example
from otx.cli.progress import reporter
from otx.config.settings import overlaid
from otx.errors import UsageError
from otx.runs.result_rows import result_rows

if TYPE_CHECKING:
    from otx.api.results import Results


def register(app: typer.Typer) -> None:
    """Add the command.

    Args:
        app: The application.
    """
    app.command(
        "eval",
        epilog=example("otx eval retrieval --run first", "otx eval xnli --model mini --quick"),
    )(evaluate)


def evaluate(
    task: Annotated[
        list[str],
        typer.Argument(help="Tasks or suites (xtreme, paper, probes).", autocompletion=tasks),
    ],
    run: Annotated[
        list[str] | None,
        typer.Option(
            help="Runs, with their baseline models; the newest by default.", autocompletion=runs
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="An encoder that belongs to no run.")] = None,
    languages: Annotated[
        str | None, typer.Option(help="de,es,...; all that have data by default.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder with the tasks' files.")] = None,
    train: Annotated[str | None, typer.Option(help="Training file of a transfer task.")] = None,
    train_limit: Annotated[
        int | None, typer.Option(help="Maximum number of training examples.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Language of the training data (en).")] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="Further training file, such as a translation."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of the task heads: 1,2,3.")] = None,
    index_base: Annotated[
        int | None, typer.Option(help="First word index in gold links: 0 or 1.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a test set with unusable parts.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, for a first look.")] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, fp32, bf16 (autocast).")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every result as JSON.")] = False,
) -> None:
    """Evaluate runs on tasks. Results that exist already are not computed again.

    Data that cannot be used ends its own task or test set only: the other results are printed, and the exit code is 3.
    """
    if run and model is not None:
        raise UsageError(
            "--run and --model exclude one another", "a run is evaluated with its baseline model"
        )
    flags: dict[str, Any] = {
        "eval.languages": languages.split(",") if languages else None,
        "eval.seeds": _numbers(seeds) if seeds else None,
        "eval.strict": strict or None,
        "runtime.device": device,
        "runtime.dtype": dtype,
    }
    task_flags = {
        "data": data,
        "train": train,
        "train_limit": train_limit,
        "source": source,
        "also": also or None,
        "index_base": index_base,
    }
    settings, host = open_project(flags, sets or [], "quick" if quick else None)
    from pathlib import Path

    import otx
    from otx.evaluation.open_tasks import find_tasks, option_values
    from otx.runs.folder import RunFolder
    from otx.training.session import Session

    entries = find_tasks(task, host.registry)
    values = option_values(entries, task_flags, label=lambda key: f"--{key.replace('_', '-')}")
    settings = overlaid(settings, flags=values)
    for entry in entries:
        entry.read_options(settings.option_tables)
    root = Path(settings.runs.folder)
    if not run and model is None:
        warn_of_damaged(root)
    folders = [otx.Run(RunFolder.open(root, name)) for name in run or []]
    with reporter() as report:
        session = Session(settings, host, report)
        results = otx.evaluate(folders or None, tasks=task, model=model, session=session)
    if results.results or not results.faults:
        _show(results, json)
    for fault in results.faults[:-1]:
        screen.warn(f"error: {fault}")
    if results.faults:
        raise results.faults[-1]


def _show(results: Results, json: bool) -> None:
    """Print results: as JSON, or as a table with notes and, for several tasks, means over languages."""
    named = [(result.run, result.unit) for result in results]
    if json:
        return screen.json([{"run": run, **dataclasses.asdict(unit)} for run, unit in named])
    screen.result(columns(result_rows(named, results.registry)))
    from otx.runs.footnotes import chance_notes

    for line in chance_notes(named):
        screen.result(f"! {line}")
    if len(results.tasks) > 1:
        from otx.runs.summary import summary

        infos = [results.registry.find("task", name).info for name in results.tasks]
        metrics = {info.name: info.metrics[0] for info in infos if info is not None}
        screen.result("\nmeans over languages\n")
        screen.result(columns(summary(named, metrics)))


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds {text}: not whole numbers", "write --seeds 1,2,3") from error
