"""`otx compare`: run folders -> paired statistics -> tables, as data that any renderer can show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from otx.did_you_mean import remedy
from otx.errors import DataError, UsageError
from otx.runs.cells import adjusted, floor_row, system_row
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

EXACT = "p within a language is McNemar's exact one: one seed each, every example by itself, right or wrong"
SAMPLES_PER_TEST = 200
"""With 200 samples a test, the smallest p that can be is .01 after Holm's adjustment."""


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
    """Tables of every task (or of ``task``) that the runs have results of, with paired differences.

    Without ``baseline``, each run is compared with the untouched encoder that it began as. A task
    shows its first metric, or those of ``metrics`` that it has. ``samples``: bootstrap samples, at
    least; a table that tests much draws more. Holm's adjustment counts every difference of a table.

    Raises UsageError for an unknown metric or no runs, DataError where there are no results, or
    where data, options, training or task version differ.
    """
    systems = systems_of(runs, baseline, tasks)
    held: dict[str, list[Result]] = {
        system.label: [(run, unit) for run in system.runs for unit in read_units(run)]
        for system in systems
    }
    found = {unit.task for results in held.values() for _, unit in results}
    # What only a baseline has results of compares nothing.
    named = {run.path.resolve() for run in runs}
    compared = {
        unit.task
        for results in held.values()
        for run, unit in results
        if run.path.resolve() in named
    }
    wanted = compared if task is None else compared & {task}
    if not wanted:
        names = ", ".join(run.name for run in runs)
        flags = " ".join(f"--run {run.name}" for run in runs if run.record["kind"] == "align")
        raise DataError(
            f"no results{f' of {task}' if task else ''} in {names}",
            f"evaluate first: otx eval {task or 'TASK'} {flags}".rstrip(),
        )
    infos = sorted((tasks[name] for name in wanted if name in tasks), key=_place)
    _refuse_unknown(metrics, infos)
    tables = [
        table
        for info in infos
        for table in _tables(held, _floors(runs), systems, info, metrics, samples, seed)
    ]
    return Comparison(
        {system.label: tuple(run.name for run in system.runs) for system in systems},
        tuple(tables),
        tuple(guard for system in systems for guard in _guards(system)),
        (
            *added_terms(systems),
            *_only_baselines(found - compared if task is None else set()),
            *alignment_notes(systems),
            *(
                f"results of {name} are left out: no plugin that is loaded registers this task (otx plugins list)"
                for name in sorted(wanted - set(tasks))
            ),
        ),
        CONFIDENCE,
    )


def _only_baselines(tasks: Collection[str]) -> list[str]:
    if not tasks:
        return []
    return [f"only a baseline has results of {', '.join(sorted(tasks))}"]


def _place(info: TaskInfo) -> tuple[float, str]:
    """In the order of the task's first suite; those of none come last, by name."""
    return next(iter(info.suites.values()), float("inf")), info.name


def _floors(runs: Sequence[RunFolder]) -> list[EvalUnit]:
    """What was measured without an encoder: it lies with the untouched encoders beside the runs."""
    beside = [r for root in sorted({run.path.parent for run in runs}) for r in untouched_runs(root)]
    return [unit for run in beside for unit in read_units(run) if unit.floor]


def runs_to_compare(root: Path, names: Sequence[str]) -> list[RunFolder]:
    """The runs of these names, or every run in ``root`` that has results.

    Raises UsageError for an unknown name, DataError if nothing in ``root`` has results.
    """
    if names:
        return [RunFolder.open(root, name) for name in names]
    found = [run for run in all_runs(root) if evaluated_tasks(run)]
    if not found:
        raise DataError(f"no run in {root} has results", "make some with: otx eval TASK")
    return found


def _refuse_unknown(metrics: Sequence[str], infos: Sequence[TaskInfo]) -> None:
    known = sorted({metric.name for info in infos for metric in info.metrics})
    for name in metrics:
        if name not in known:
            where = ", ".join(info.name for info in infos)
            raise UsageError(f"no metric '{name}' in {where}", remedy(name, known))


def _tables(
    held: Mapping[str, Sequence[Result]],
    floors: Sequence[EvalUnit],
    systems: Sequence[System],
    info: TaskInfo,
    metrics: Sequence[str],
    samples: int,
    seed: int,
) -> list[Table]:
    found = [match for match in matches(systems, held, floors, info) if match.results]
    options = [match.options for match in found]
    telling = [
        name
        for name in sorted({name for held_options in options for name in held_options})
        if len({repr(held_options.get(name)) for held_options in options}) > 1
    ]
    chosen = [metric for metric in info.metrics if metric.name in metrics] if metrics else []
    return [
        _table(
            replace(match, options={name: match.options.get(name) for name in telling}),
            systems,
            info,
            str(match.options.get("source", info.source_language)),
            metric,
            samples,
            seed,
        )
        for match in found
        for metric in (chosen if metrics else info.metrics[:1])
    ]


def _table(
    match: Match,
    systems: Sequence[System],
    info: TaskInfo,
    source: str,
    metric: Metric,
    samples: int,
    seed: int,
) -> Table:
    present = [system for system in systems if system.label in match.results]
    bitext = frozenset[str]().union(*(system.bitext for system in present))
    languages = tuple(sorted(match.languages, key=lambda name: (name != source, name)))
    columns = columns_of(languages, source, bitext, metric.higher_is_better)
    examples = {language: clusters_of(_any_scores(match, language)) for language in languages}
    tests = sum(_is_tested(match, system, column) for system in present for column in columns)
    draws = Resampling(examples, samples=max(samples, SAMPLES_PER_TEST * tests), seed=seed)
    numbers, exact = _replicated(match, present, draws, metric)
    baselines = {system.baseline for system in present}
    rows = [
        system_row(
            system,
            system.label in baselines,
            columns,
            match.results[system.label],
            numbers[system.label],
            numbers.get(system.baseline or "", {}),
            metric.name,
            exact[system.label],
        )
        for system in present
    ]
    floors = [floor_row(name, units, columns, metric.name) for name, units in match.floors.items()]
    return Table(
        info.name,
        info.version,
        match.data,
        match.options,
        metric.name,
        metric.percent,
        metric.higher_is_better,
        columns,
        (*adjusted(rows), *floors),
        {language: len(clusters) for language, clusters in examples.items()},
        tests,
        draws.samples,
        (
            *table_notes(
                match, systems, {name: len(held) for name, held in draws.clusters.items()}
            ),
            *([EXACT] if any(exact.values()) else []),
        ),
    )


def _any_scores(match: Match, language: str) -> list[Score]:
    held = next(held[language] for held in match.results.values() if language in held)
    return read_scores(*next(iter(held.values())))


def _is_tested(match: Match, system: System, column: Column) -> bool:
    own, base = match.results[system.label], match.results.get(system.baseline or "", {})
    # The change in a language is that language's own difference, which is tested there.
    return column.kind != "change" and all(n in own and n in base for n in column.languages)


def _replicated(
    match: Match, present: Sequence[System], draws: Resampling, metric: Metric
) -> tuple[dict[str, dict[str, Replicated]], dict[str, dict[str, float]]]:
    """By system and language: the replicated metric, and p of McNemar's test where that applies.

    Language by language, to draw but once.
    """
    numbers: dict[str, dict[str, Replicated]] = {label: {} for label in match.results}
    exact: dict[str, dict[str, float]] = {label: {} for label in match.results}
    for language in match.languages:
        scores = {
            label: {seed: read_scores(*result) for seed, result in held[language].items()}
            for label, held in match.results.items()
            if language in held
        }
        for label, number in draws.replicate(language, scores, metric).items():
            numbers[label][language] = number
        for system in present:
            own, base = (scores.get(name or "", {}) for name in (system.label, system.baseline))
            if len(own) == len(base) == 1:
                p = exact_p(next(iter(own.values())), next(iter(base.values())), metric)
                if p is not None:
                    exact[system.label][language] = p
    return numbers, exact


def _guards(system: System) -> list[Guard]:
    found = []
    for run in system.runs:
        guards = run.record.get("guards", {})
        if "after" in guards:
            verdict = tuple(run.record.get("verdict", ()))
            report = run.record.get("diagnostics", {}).get("report", {})
            found.append(
                Guard(
                    run.name,
                    system.label,
                    guards["before"],
                    guards["after"],
                    verdict,
                    report.get("candidates", {}),
                    report.get("ceilings", {}),
                )
            )
    return found
