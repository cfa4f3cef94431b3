"""A suite at a glance: a row a system, a column a task, each number the mean over the task's languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from otx.runs.layout import number
from otx.runs.results import EvalUnit
from otx.types import Metric

FLOOR = "(floor)"
"""The row of the best baseline without an encoder of each task."""
NONE = "-"


def summary(
    found: Sequence[tuple[str, EvalUnit]], metrics: Mapping[str, Metric]
) -> list[tuple[str, ...]]:
    """A heading, then rows of texts, from results by the name of their run.

    ``metrics``: the one that is shown of each task, in the order of the columns. Numbers are means over seeds, then
    over languages; the last column is their mean over tasks, where every task has one and more is better in all.
    """
    means: dict[str, dict[str, float]] = {}
    for task, metric in metrics.items():
        own = [(run, unit) for run, unit in found if unit.task == task]
        floors = {unit.floor for _, unit in own if unit.floor}
        if floors:
            best = max if metric.higher_is_better else min
            means.setdefault(FLOOR, {})[task] = best(
                _mean([unit for _, unit in own if unit.floor == floor], metric) for floor in floors
            )
        for run in dict.fromkeys(run for run, _ in own):
            units = [unit for name, unit in own if name == run and not unit.floor]
            if units:
                means.setdefault(run, {})[task] = _mean(units, metric)
    comparable = all(metric.percent and metric.higher_is_better for metric in metrics.values())
    heading = ("RUN", *(f"{task} {metric.name}" for task, metric in metrics.items()))
    rows = [
        (run, *(_shown(own.get(task), metric) for task, metric in metrics.items()))
        for run, own in means.items()
    ]
    if not comparable or len(metrics) < 2:
        return [heading, *rows]
    tails = [
        f"{100 * fmean(own.values()):.1f}" if len(own) == len(metrics) else NONE
        for own in means.values()
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
