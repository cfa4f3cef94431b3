"""Rows of a comparison's table, computed from replicated numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from statistics import fmean, stdev
from typing import Any

from otx.runs.grouping import System
from otx.runs.results import EvalUnit
from otx.runs.statistics import Replicated, Seed, holm, interval
from otx.runs.table import Cell, Column, Row


@dataclass(frozen=True, slots=True)
class SystemNumbers:
    """One metric of one system, by language.

    Attributes:
        values: Language -> seed -> metric as stored with the result, a fraction.
        replicated: Language -> replicated metric ``[1 + samples]``, averaged over seeds.
        exact: Language -> p of an exact test against the baseline, where one applies; it replaces the bootstrap's p.
    """

    values: Mapping[str, Mapping[Seed, float]] = field(default_factory=dict)
    replicated: Mapping[str, Replicated] = field(default_factory=dict)
    exact: Mapping[str, float] = field(default_factory=dict)


NO_NUMBERS = SystemNumbers()
"""The numbers of a baseline that does not exist."""


def system_row(
    system: System,
    columns: Sequence[Column],
    numbers: SystemNumbers,
    base: SystemNumbers = NO_NUMBERS,
    *,
    is_baseline: bool = False,
) -> Row:
    """Compute the row of a system.

    Args:
        system: The system.
        columns: The table's columns.
        numbers: The system's numbers.
        base: The numbers of its baseline, replicated by the same draws; empty if it has none.
        is_baseline: True if another system of the table is compared with this one.

    Returns:
        The row, without Holm's adjustment (see ``adjusted``). A column that lacks a language has no cell.
    """
    seeds = {seed for by_seed in numbers.values.values() for seed in by_seed}
    return Row(
        system=system.label,
        role="baseline" if is_baseline else "system",
        baseline=system.baseline,
        alignments=len({alignment for alignment, _ in seeds} - {None}),
        heads=len({head for _, head in seeds} - {None}),
        cells=tuple(_cell(column, numbers, base) for column in columns),
    )


def floor_row(
    name: str, units: Mapping[str, EvalUnit], columns: Sequence[Column], metric: str
) -> Row:
    """Compute the row of a baseline without an encoder (a "floor").

    Args:
        name: Name of the floor.
        units: Its result in each language.
        columns: The table's columns.
        metric: Name of the metric.

    Returns:
        A row of values only: a floor is compared with nothing.
    """
    numbers = {language: unit.metrics[metric] for language, unit in units.items()}
    values = [None if c.kind == "change" else _number(c, numbers) for c in columns]
    cells = tuple(None if value is None else Cell(float(value)) for value in values)
    return Row(system=name, role="floor", baseline=None, alignments=0, heads=0, cells=cells)


def adjusted(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with Holm's adjustment over all their tested cells.

    Args:
        rows: All rows of one table; a cell without p was not tested.
    """
    cells = [cell for row in rows for cell in row.cells]
    ps = holm([float("nan") if c is None or c.p is None else c.p for c in cells])
    adjusted_cells = iter(
        cell if cell is None or isnan(p) else replace(cell, p_holm=p)
        for cell, p in zip(cells, ps, strict=True)
    )
    return [replace(row, cells=tuple(next(adjusted_cells) for _ in row.cells)) for row in rows]


def _cell(column: Column, numbers: SystemNumbers, base: SystemNumbers) -> Cell | None:
    value, other = _number(column, numbers.replicated), _number(column, base.replicated)
    if value is None:
        return None
    if column.kind == "change":
        return None if other is None else Cell(interval(value - other).difference)
    deviation, seeds = _deviation(_by_seed(column, numbers.values))
    cell = Cell(float(value[0]), deviation, seeds)
    if other is None:
        return cell
    bootstrap = interval(value - other)
    low, high, p = (None if isnan(x) else x for x in (bootstrap.low, bootstrap.high, bootstrap.p))
    is_exact = column.kind == "language" and column.name in numbers.exact
    p = numbers.exact[column.name] if is_exact else p
    return replace(cell, difference=bootstrap.difference, low=low, high=high, p=p, exact=is_exact)


def _number(column: Column, numbers: Mapping[str, Any]) -> Any:
    """Compute the column's number from its languages' (floats or arrays); None if one is missing."""
    if any(language not in numbers for language in column.languages):
        return None
    first, *rest = (numbers[language] for language in column.languages)
    if column.kind == "gap":
        return first - sum(rest) / len(rest)
    return sum(rest, first) / len(column.languages)


def _by_seed(column: Column, values: Mapping[str, Mapping[Seed, float]]) -> dict[Seed, float]:
    """Compute the column's number for each seed that all its languages have."""
    if any(language not in values for language in column.languages):
        return {}
    common = set.intersection(*(set(values[language]) for language in column.languages))
    return {
        seed: _number(column, {name: values[name][seed] for name in column.languages})
        for seed in common
    }


def _deviation(by_seed: Mapping[Seed, float]) -> tuple[float | None, int]:
    """Return the standard deviation over alignments, heads averaged, and their number; of one alignment, over heads."""
    alignments: dict[int | None, list[float]] = {}
    for (alignment, _), value in by_seed.items():
        alignments.setdefault(alignment, []).append(value)
    values = [fmean(heads) for heads in alignments.values()]
    if len(values) == 1:
        values = next(iter(alignments.values()))
    return (stdev(values) if len(values) > 1 else None), len(values)
