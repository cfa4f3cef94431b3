"""Evaluation results as rows of text: the same in `otx eval`, `otx show` and the Python API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from otx.runs.layout import number

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry
    from otx.runs.results import EvalUnit

NOTHING = "-"
"""Shown where a result has no head seed: nothing was fitted."""


def result_rows(
    results: Sequence[tuple[str, EvalUnit]], registry: Registry, *, show_runs: bool = True
) -> list[tuple[str, ...]]:
    """Return a heading and a row of texts for each result, in the order given.

    Args:
        results: Results with the names of their runs.
        registry: The registered plugins, which know the units of the metrics.
        show_runs: Include the column RUN. A baseline without an encoder (a floor) has its name in brackets there, or
            else in the column SEED.

    Returns:
        Rows of equally many texts.
    """
    write = numbers_by(registry)
    heading = ("TASK", "LANGUAGE", "RUN", "SEED", "N", "METRICS")
    rows: list[tuple[str, ...]] = [heading if show_runs else (*heading[:2], *heading[3:])]
    for run, unit in results:
        floor = f"({unit.floor})" if unit.floor else None
        seed = NOTHING if unit.head_seed is None else str(unit.head_seed)
        hits, size = unit.contamination["hits"], unit.contamination["size"]
        warning = f"  ! {hits} of {size} texts are in the bitext" if hits else ""
        middle = (floor or run, seed) if show_runs else (floor or seed,)
        rows.append((unit.task, unit.language, *middle, str(unit.count), f"{write(unit)}{warning}"))
    return rows


def numbers_by(registry: Registry) -> Callable[[EvalUnit], str]:
    """Return a function that formats a unit's metrics: ``accuracy 71.2  hubness 4.03``.

    Args:
        registry: States which metrics of a task are shares; those of an unknown task are taken for shares.
    """
    plain = {
        (entry.name, metric.name)
        for entry in registry.entries("task")
        if entry.info is not None
        for metric in entry.info.metrics
        if not metric.percent
    }

    def write(unit: EvalUnit) -> str:
        return "  ".join(
            f"{name} {number(value, (unit.task, name) not in plain)}"
            for name, value in unit.metrics.items()
        )

    return write
