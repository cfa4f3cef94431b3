"""`otx eval`: evaluate runs and their baseline models on tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otx.cli.completion import runs, tasks
from otx.cli.console import columns, screen
from otx.cli.context import open_project, warn_of_damaged
from otx.cli.flags import example
from otx.cli.format_metrics import numbers_by
from otx.cli.progress import reporter
from otx.config.settings import overlaid
from otx.config.validation import field_types
from otx.errors import UsageError

if TYPE_CHECKING:
    from otx.plugin_host.registry import Entry, Registry
    from otx.runs.folder import RunFolder
    from otx.runs.results import EvalUnit


def register(app: typer.Typer) -> None:
    """Add the command to the app.

    Args:
        app: The app.
    """
    app.command(
        "eval",
        short_help="Evaluate runs on tasks.",
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

    from otx.evaluation.open_tasks import find_tasks, open_tasks
    from otx.runs.folder import RunFolder
    from otx.training.session import Session

    entries = find_tasks(task, host.registry)
    settings = overlaid(settings, flags=_task_options(entries, task_flags))
    for entry in entries:
        entry.read_options(settings.option_tables)
    root = Path(settings.runs.folder)
    for name in run or []:
        RunFolder.open(root, name)
    if not run and model is None:
        warn_of_damaged(root)
    from otx.evaluation.evaluate import evaluate as evaluate_tasks
    from otx.evaluation.targets import targets_of

    with reporter() as report:
        session = Session(settings, host, report)
        opened = open_tasks(session, task)
        targets = targets_of(settings.runs, run or [], model)
        evaluated = evaluate_tasks(session, opened, targets)
    faults = evaluated.faults
    if evaluated.units or not faults:
        _show(evaluated.units, [one.entry.name for one in opened], host.registry, json)
    for fault in faults[:-1]:
        screen.warn(f"error: {fault}")
    if faults:
        raise faults[-1]


def _show(
    units: list[tuple[RunFolder, EvalUnit]], tasks: Sequence[str], registry: Registry, json: bool
) -> None:
    """Print results: as JSON, or as a table with notes and, for several tasks, means over languages."""
    if json:
        return screen.json([{"run": run.name, **dataclasses.asdict(unit)} for run, unit in units])
    screen.result(_table(units, registry))
    from otx.runs.footnotes import chance_notes

    for line in chance_notes((run.name, unit) for run, unit in units):
        screen.result(f"! {line}")
    if len(tasks) > 1:
        from otx.runs.summary import summary

        infos = [registry.find("task", name).info for name in tasks]
        metrics = {info.name: info.metrics[0] for info in infos if info is not None}
        screen.result("\nmeans over languages\n")
        screen.result(columns(summary([(run.name, unit) for run, unit in units], metrics)))


def _task_options(entries: Sequence[Entry], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return each flag that was given as the option of every task that has it; raise UsageError if none has."""
    options: dict[str, Any] = {}
    for key, value in flags.items():
        if value is None:
            continue
        having = [e for e in entries if e.options is not None and key in field_types(e.options)]
        if not having:
            names = " or ".join(entry.name for entry in entries)
            raise UsageError(
                f"--{key.replace('_', '-')} is not an option of {names}",
                "leave it out; see otx list tasks --json",
            )
        options |= {f"{entry.name}.{key}": value for entry in having}
    return options


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds {text}: not whole numbers", "write --seeds 1,2,3") from error


def _table(units: list[tuple[RunFolder, EvalUnit]], registry: Registry) -> str:
    """Return one row per result; baselines without an encoder are in brackets."""
    write = numbers_by(registry)
    rows = [("TASK", "LANGUAGE", "RUN", "SEED", "N", "METRICS")]
    for run, unit in units:
        hits, size = unit.contamination["hits"], unit.contamination["size"]
        warning = f"  ! {hits} of {size} texts are in the bitext" if hits else ""
        name = f"({unit.floor})" if unit.floor else run.name
        seed = "-" if unit.head_seed is None else str(unit.head_seed)
        rows.append((unit.task, unit.language, name, seed, str(unit.count), write(unit) + warning))
    return columns(rows)
