"""`otx eval`: measure runs, and the untouched encoder behind them, on tasks."""

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
from otx.config.settings import load_settings
from otx.config.validation import field_types
from otx.errors import DataError, MissingDataError, UsageError

if TYPE_CHECKING:
    from otx.config.settings import Settings
    from otx.plugin_host.registry import Entry, Registry
    from otx.runs.folder import RunFolder
    from otx.runs.results import EvalUnit


def register(app: typer.Typer) -> None:
    """Add the command."""
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
            help="Runs, with their untouched encoders; without it, the newest.", autocompletion=runs
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="An encoder as it is, instead of a run.")
    ] = None,
    languages: Annotated[
        str | None, typer.Option(help="de,es,...; without it, all there are.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder with the tasks' files.")] = None,
    train: Annotated[str | None, typer.Option(help="Training file of a transfer task.")] = None,
    train_limit: Annotated[
        int | None, typer.Option(help="Train on this many examples only.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Language that a transfer task is trained in (en).")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="A training file of another language, beside the task's own."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of the task heads: 1,2,3.")] = None,
    index_base: Annotated[
        int | None, typer.Option(help="What gold word links count from: 0 or 1.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a test set of which a part cannot be used.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes, for a look: see otx list recipes.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, fp32, bf16 (autocast).")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every result as JSON.")] = False,
) -> None:
    """Evaluate runs on tasks; what was computed before is not computed again.

    Data that cannot be used ends its own task or test set only: the other results are printed, and the exit code is 3.
    """
    if run and model is not None:
        raise UsageError(
            "--run and --model exclude one another", "a run brings its untouched encoder"
        )
    flags: dict[str, Any] = {
        "eval.languages": languages.split(",") if languages else None,
        "eval.seeds": _numbers(seeds) if seeds else None,
        "eval.strict": strict or None,
        "runtime.device": device,
        "runtime.dtype": dtype,
    }
    wanted = {
        "data": data,
        "train": train,
        "train_limit": train_limit,
        "source": source,
        "also": also or None,
        "index_base": index_base,
    }
    recipe = "quick" if quick else None
    settings, host = open_project(flags, sets or [], recipe)
    asked, task = task, _named(task, host.registry)
    entries = [host.registry.find("task", name) for name in task]
    settings = load_settings(
        flags=flags | _options_of(entries, wanted),
        sets=sets or [],
        recipe=host.registry.find("recipe", recipe).path if recipe else None,
    )
    for entry in entries:
        entry.read_options(settings)
    if asked != task:
        entries = _with_files(entries, settings, asked)
        task = [entry.name for entry in entries]
    from pathlib import Path

    from otx.runs.folder import RunFolder

    root = Path(settings.runs.folder)
    for name in run or []:
        RunFolder.open(root, name)
    if not run and model is None:
        warn_of_damaged(root)
    from otx.evaluation.evaluate import evaluate as run_tasks
    from otx.evaluation.targets import targets_of

    with reporter() as report:
        targets = targets_of(settings, run or [], model)
        evaluated = run_tasks(settings, host, report, task, targets)
    faults = evaluated.faults
    if evaluated.units or not faults:
        _show(evaluated.units, task, host.registry, json)
    for fault in faults[:-1]:
        screen.warn(f"error: {fault}")
    if faults:
        raise faults[-1]


def _show(
    found: list[tuple[RunFolder, EvalUnit]], task: Sequence[str], registry: Registry, json: bool
) -> None:
    """Print results: as JSON, or as a table with notes and, for several tasks, means over languages."""
    if json:
        return screen.json([{"run": at.name, **dataclasses.asdict(unit)} for at, unit in found])
    screen.result(_table(found, registry))
    from otx.runs.footnotes import chance_notes

    for line in chance_notes((at.name, unit) for at, unit in found):
        screen.result(f"! {line}")
    if len(task) > 1:
        from otx.runs.summary import summary

        infos = [registry.find("task", name).info for name in task]
        metrics = {info.name: info.metrics[0] for info in infos if info is not None}
        screen.result("\nmeans over languages\n")
        screen.result(columns(summary([(at.name, unit) for at, unit in found], metrics)))


def _named(names: Sequence[str], registry: Registry) -> list[str]:
    """The tasks of these names, each suite in its own order; the registry refuses a name that is neither."""
    found: list[str] = []
    for name in names:
        places = {
            entry.name: entry.info.suites[name]
            for entry in registry.entries("task")
            if entry.info is not None and name in entry.info.suites
        }
        found += sorted(places, key=lambda own: places[own]) or [name]
    return list(dict.fromkeys(found))


def _with_files(entries: Sequence[Entry], settings: Settings, asked: Sequence[str]) -> list[Entry]:
    """The tasks that can be run: of a suite, those that have their files; the others are skipped with a warning.

    A task that was named by itself stays: without its files it is a fault. Raises DataError where nothing is left.
    """
    left = []
    for entry in entries:
        if entry.name in asked:
            left.append(entry)
            continue
        task = entry.make(entry.read_options(settings))
        try:
            task.languages()
            if task.info.kind == "transfer":
                task.training(1)
        except MissingDataError as error:
            screen.warn(f"Skipped {entry.name}: {error.message}")
            continue
        except DataError:
            # Damaged: it is evaluated as far as it can be, and its fault reported.
            pass
        left.append(entry)
    if not left:
        raise DataError(
            f"{', '.join(asked)}: none of its tasks has its files", "give their folder with --data"
        )
    return left


def _options_of(entries: Sequence[Entry], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Each flag that was given, as the option of every task that has it. Raises UsageError if none has."""
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        if value is None:
            continue
        having = [e for e in entries if e.options is not None and key in field_types(e.options)]
        if not having:
            names = " or ".join(entry.name for entry in entries)
            raise UsageError(
                f"--{key.replace('_', '-')} means nothing to {names}",
                "leave it out; see otx list tasks --json",
            )
        found |= {f"{entry.name}.{key}": value for entry in having}
    return found


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds {text}: not whole numbers", "write --seeds 1,2,3") from error


def _table(found: list[tuple[RunFolder, EvalUnit]], registry: Registry) -> str:
    """A row a result; floors stand in brackets."""
    write = numbers_by(registry)
    rows = [("TASK", "LANGUAGE", "RUN", "SEED", "N", "METRICS")]
    for run, unit in found:
        hits, size = unit.contamination["hits"], unit.contamination["size"]
        warned = f"  ! {hits} of {size} texts are in the bitext" if hits else ""
        name = f"({unit.floor})" if unit.floor else run.name
        seed = "-" if unit.head_seed is None else str(unit.head_seed)
        rows.append((unit.task, unit.language, name, seed, str(unit.count), write(unit) + warned))
    return columns(rows)
