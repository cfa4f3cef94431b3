"""Summary of a suite: a row per run and a column per task, each number the mean over the task's languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from otx.runs.layout import number
from otx.runs.results import EvalUnit
from otx.types import Metric

FLOOR = "(floor)"
"""Label of the row with each task's best baseline without an encoder."""
NONE = "-"
"""Shown where a run has no result."""


def summary(
    results: Sequence[tuple[str, EvalUnit]], metrics: Mapping[str, Metric]
) -> list[tuple[str, ...]]:
    """Return a heading and a row of texts for each run.

    Args:
        results: Results with the names of their runs.
        metrics: The metric that is shown of each task, in the order of the columns.

    Returns:
        Rows for ``otx.cli.console.columns``. Numbers are means over seeds, then over languages. A last column is the
        mean over tasks, if there are several and all metrics are shares of which more is better.
    """
    means: dict[str, dict[str, float]] = {}
    for task, metric in metrics.items():
        of_task = [(run, unit) for run, unit in results if unit.task == task]
        floors = {unit.floor for _, unit in of_task if unit.floor}
        if floors:
            best = max if metric.higher_is_better else min
            means.setdefault(FLOOR, {})[task] = best(
                _mean([unit for _, unit in of_task if unit.floor == floor], metric)
                for floor in floors
            )
        for run in dict.fromkeys(run for run, _ in of_task):
            units = [unit for name, unit in of_task if name == run and not unit.floor]
            if units:
                means.setdefault(run, {})[task] = _mean(units, metric)
    comparable = all(metric.percent and metric.higher_is_better for metric in metrics.values())
    heading = ("RUN", *(f"{task} {metric.name}" for task, metric in metrics.items()))
    rows = [
        (run, *(_shown(values.get(task), metric) for task, metric in metrics.items()))
        for run, values in means.items()
    ]
    if not comparable or len(metrics) < 2:
        return [heading, *rows]
    tails = [
        f"{100 * fmean(values.values()):.1f}" if len(values) == len(metrics) else NONE
        for values in means.values()
    ]
    return [(*heading, "mean"), *((*row, tail) for row, tail in zip(rows, tails, strict=True))]


def _mean(units: Sequence[EvalUnit], metric: Metric) -> float:
    by_language: dict[str, list[float]] = {}
    for unit in units:
        by_language.setdefault(unit.language, []).append(unit.metrics[metric.name])
    return fmean(fmean(values) for values in by_language.values())


def _shown(value: float | None, metric: Metric) -> str:
    if value is None:
        return NONE
    return number(value, metric.percent)
