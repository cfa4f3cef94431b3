"""`otx compare`: run folders -> paired statistics -> tables, as data that any renderer can show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otx.did_you_mean import remedy
from otx.errors import DataError, UsageError
from otx.runs.cells import NO_NUMBERS, SystemNumbers, adjusted, floor_row, system_row
from otx.runs.folder import RunFolder, all_runs, untouched_runs
from otx.runs.footnotes import added_terms, table_notes
from otx.runs.grouping import System, systems_of
from otx.runs.matching import Match, Result, matches
from otx.runs.mcnemar import exact_p
from otx.runs.plugin_notes import alignment_notes
from otx.runs.results import EvalUnit, evaluated_tasks, read_scores, read_units
from otx.runs.statistics import CONFIDENCE, Replicated, Resampling, clusters_of
from otx.runs.table import Column, Comparison, Guard, Table, columns_of
from otx.types import Metric, Score, TaskInfo

EXACT = "p within a language is McNemar's exact p: one seed each, independent examples, each right or wrong"
SAMPLES_PER_TEST = 200
"""With 200 samples for each test, the smallest possible p is .01 after Holm's adjustment."""


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Inputs of all tables: systems, their results, floors, metrics to show (none: the first), and the bootstrap's."""

    systems: Sequence[System]
    results: Mapping[str, Sequence[Result]]
    floors: Sequence[EvalUnit]
    metrics: Sequence[str]
    samples: int
    seed: int


def compare(
    runs: Sequence[RunFolder],
    baseline: RunFolder | None = None,
    *,
    tasks: Mapping[str, TaskInfo],
    task: str | None = None,
    metrics: Sequence[str] = (),
    samples: int = 2_000,
    seed: int = 1,
) -> Comparison:
    """Compare runs on every task that they have results of, with paired differences.

    Args:
        runs: Runs with results.
        baseline: The run to compare with; without it, each run is compared with the untouched encoder that it began
            as.
        tasks: Information about every known task, by name.
        task: Name of the only task to show; without it, every task with results.
        metrics: Names of the metrics to show; without any, the first metric of each task.
        samples: Bootstrap samples, at least: a table that tests many differences draws more.
        seed: Seed of the bootstrap.

    Returns:
        The tables with notes and diagnostics. Holm's adjustment counts every difference of a table.

    Raises:
        UsageError: If there are no runs, or a metric is unknown.
        DataError: If there are no results, or if data, options, training or task version differ.
    """
    systems = systems_of(runs, baseline, tasks)
    results: dict[str, list[Result]] = {
        system.label: [(run, unit) for run in system.runs for unit in read_units(run)]
        for system in systems
    }
    with_results = {unit.task for pairs in results.values() for _, unit in pairs}
    # A task that only a baseline has results of compares nothing.
    named = {run.path.resolve() for run in runs}
    compared = {
        unit.task
        for pairs in results.values()
        for run, unit in pairs
        if run.path.resolve() in named
    }
    shown = compared if task is None else compared & {task}
    if not shown:
        names = ", ".join(run.name for run in runs)
        flags = " ".join(f"--run {run.name}" for run in runs if run.record["kind"] == "align")
        raise DataError(
            f"no results{f' of {task}' if task else ''} in {names}",
            f"evaluate first: otx eval {task or 'TASK'} {flags}".rstrip(),
        )
    infos = sorted((tasks[name] for name in shown if name in tasks), key=_place)
    _refuse_unknown(metrics, infos)
    inputs = _Inputs(systems, results, _floors(runs), metrics, samples, seed)
    return Comparison(
        systems={system.label: tuple(run.name for run in system.runs) for system in systems},
        tables=tuple(table for info in infos for table in _tables(inputs, info)),
        guards=tuple(guard for system in systems for guard in _guards(system)),
        notes=(
            *added_terms(systems),
            *_only_baselines(with_results - compared if task is None else set()),
            *alignment_notes(systems),
            *(
                f"results of {name} are left out: no loaded plugin registers this task (otx plugins list)"
                for name in sorted(shown - set(tasks))
            ),
        ),
        confidence=CONFIDENCE,
    )


def runs_to_compare(root: Path, names: Sequence[str]) -> list[RunFolder]:
    """Open the runs of these names, or every run in ``root`` that has results.

    Args:
        root: Folder of the runs.
        names: Names of runs; none for all that have results.

    Returns:
        The runs.

    Raises:
        UsageError: If a name is unknown.
        DataError: If no run in ``root`` has results.
    """
    if names:
        return [RunFolder.open(root, name) for name in names]
    evaluated = [run for run in all_runs(root) if evaluated_tasks(run)]
    if not evaluated:
        raise DataError(f"no run in {root} has results", "evaluate a run first: otx eval TASK")
    return evaluated


def _only_baselines(tasks: Collection[str]) -> list[str]:
    if not tasks:
        return []
    return [f"only a baseline has results of {', '.join(sorted(tasks))}"]


def _place(info: TaskInfo) -> tuple[float, str]:
    """Order tasks as their first suite does; those of no suite come last, by name."""
    return next(iter(info.suites.values()), float("inf")), info.name


def _floors(runs: Sequence[RunFolder]) -> list[EvalUnit]:
    """Return the results without an encoder, which are stored with the untouched encoders of the same folder."""
    untouched = [
        run for root in sorted({run.path.parent for run in runs}) for run in untouched_runs(root)
    ]
    return [unit for run in untouched for unit in read_units(run) if unit.floor]


def _refuse_unknown(metrics: Sequence[str], infos: Sequence[TaskInfo]) -> None:
    known = sorted({metric.name for info in infos for metric in info.metrics})
    for name in metrics:
        if name not in known:
            names = ", ".join(info.name for info in infos)
            raise UsageError(f"no metric '{name}' in {names}", remedy(name, known))


def _tables(inputs: _Inputs, info: TaskInfo) -> list[Table]:
    groups = matches(inputs.systems, inputs.results, inputs.floors, info)
    matched = [match for match in groups if match.results]
    options = [match.options for match in matched]
    # A table names only the options in which it differs from the task's other tables.
    differing = [
        name
        for name in sorted({name for match_options in options for name in match_options})
        if len({repr(match_options.get(name)) for match_options in options}) > 1
    ]
    metrics = info.metrics[:1]
    if inputs.metrics:
        metrics = tuple(metric for metric in info.metrics if metric.name in inputs.metrics)
    return [
        _table(inputs, match, info, metric, differing=differing)
        for match in matched
        for metric in metrics
    ]


def _table(
    inputs: _Inputs, match: Match, info: TaskInfo, metric: Metric, *, differing: Sequence[str]
) -> Table:
    present = [system for system in inputs.systems if system.label in match.results]
    bitext = frozenset[str]().union(*(system.bitext for system in present))
    source = str(match.options.get("source", info.source_language))
    languages = tuple(sorted(match.languages, key=lambda name: (name != source, name)))
    columns = columns_of(languages, source, bitext, metric.higher_is_better)
    examples = {language: clusters_of(_any_scores(match, language)) for language in languages}
    tests = sum(_is_tested(match, system, column) for system in present for column in columns)
    samples = max(inputs.samples, SAMPLES_PER_TEST * tests)
    draws = Resampling(examples, samples=samples, seed=inputs.seed)
    numbers = _numbers(match, present, draws, metric)
    baselines = {system.baseline for system in present}
    rows = [
        system_row(
            system,
            columns,
            numbers[system.label],
            numbers.get(system.baseline or "", NO_NUMBERS),
            is_baseline=system.label in baselines,
        )
        for system in present
    ]
    floors = [floor_row(name, units, columns, metric.name) for name, units in match.floors.items()]
    clusters = {name: len(members) for name, members in draws.clusters.items()}
    is_exact = any(system_numbers.exact for system_numbers in numbers.values())
    return Table(
        task=info.name,
        version=info.version,
        data=match.data,
        options={name: match.options.get(name) for name in differing},
        metric=metric.name,
        percent=metric.percent,
        higher_is_better=metric.higher_is_better,
        columns=columns,
        rows=(*adjusted(rows), *floors),
        examples={language: len(members) for language, members in examples.items()},
        tests=tests,
        samples=draws.samples,
        notes=(*table_notes(match, inputs.systems, clusters), *([EXACT] if is_exact else [])),
    )


def _any_scores(match: Match, language: str) -> list[Score]:
    by_seed = next(by[language] for by in match.results.values() if language in by)
    return read_scores(*next(iter(by_seed.values())))


def _is_tested(match: Match, system: System, column: Column) -> bool:
    results = match.results[system.label]
    base = match.results.get(system.baseline or "", {})
    # The change in a language is that language's own difference, which is tested in its column.
    return column.kind != "change" and all(n in results and n in base for n in column.languages)


def _numbers(
    match: Match, present: Sequence[System], draws: Resampling, metric: Metric
) -> dict[str, SystemNumbers]:
    """Compute every system's numbers, language by language so that each is drawn once."""
    replicated: dict[str, dict[str, Replicated]] = {label: {} for label in match.results}
    exact: dict[str, dict[str, float]] = {label: {} for label in match.results}
    for language in match.languages:
        scores = {
            label: {seed: read_scores(*result) for seed, result in by_language[language].items()}
            for label, by_language in match.results.items()
            if language in by_language
        }
        for label, number in draws.replicate(language, scores, metric).items():
            replicated[label][language] = number
        for system in present:
            by_seed, base = (scores.get(name or "", {}) for name in (system.label, system.baseline))
            if len(by_seed) == len(base) == 1:
                p = exact_p(next(iter(by_seed.values())), next(iter(base.values())), metric)
                if p is not None:
                    exact[system.label][language] = p
    return {
        label: SystemNumbers(
            {
                language: {seed: unit.metrics[metric.name] for seed, (_, unit) in by_seed.items()}
                for language, by_seed in by_language.items()
            },
            replicated[label],
            exact[label],
        )
        for label, by_language in match.results.items()
    }


def _guards(system: System) -> list[Guard]:
    guards = []
    for run in system.runs:
        measured = run.record.get("guards", {})
        if "after" in measured:
            report = run.record.get("diagnostics", {}).get("report", {})
            guards.append(
                Guard(
                    run=run.name,
                    system=system.label,
                    before=measured["before"],
                    after=measured["after"],
                    verdict=tuple(run.record.get("verdict", ())),
                    candidates=report.get("candidates", {}),
                    ceilings=report.get("ceilings", {}),
                )
            )
    return guards
