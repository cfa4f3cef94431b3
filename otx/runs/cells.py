"""From replicated numbers to the cells of a table's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan
from statistics import fmean, stdev
from typing import Any

from otx.runs.grouping import System
from otx.runs.matching import Result
from otx.runs.results import EvalUnit
from otx.runs.statistics import Replicated, Seed, holm, interval
from otx.runs.table import Cell, Column, Row

Held = Mapping[str, Mapping[Seed, Result]]
"""Language -> seed -> result of one system."""
Numbers = Mapping[str, Replicated]
"""Language -> replicated metric of one system."""


def system_row(
    system: System,
    is_baseline: bool,
    columns: Sequence[Column],
    held: Held,
    own: Numbers,
    base: Numbers,
    metric: str,
    exact: Mapping[str, float],
) -> Row:
    """The row of a system; ``base``: its baseline's numbers, empty where it has none.

    ``exact``: p of an exact test by language, where there is one; it takes the place of the bootstrap's.
    """
    seeds = {seed for by_seed in held.values() for seed in by_seed}
    return Row(
        system.label,
        "baseline" if is_baseline else "system",
        system.baseline,
        len({alignment for alignment, _ in seeds} - {None}),
        len({head for _, head in seeds} - {None}),
        tuple(
            _cell(column, own, base, _by_seed(column, held, metric), exact) for column in columns
        ),
    )


def floor_row(
    name: str, units: Mapping[str, EvalUnit], columns: Sequence[Column], metric: str
) -> Row:
    """The row of a baseline without an encoder, whose unit of each language is given."""
    numbers = {language: unit.metrics[metric] for language, unit in units.items()}
    values = [None if c.kind == "change" else _number(c, numbers) for c in columns]
    cells = tuple(None if value is None else Cell(float(value)) for value in values)
    return Row(name, "floor", None, 0, 0, cells)


def adjusted(rows: Sequence[Row]) -> list[Row]:
    """The rows with Holm's adjustment over all their tested cells."""
    cells = [cell for row in rows for cell in row.cells]
    ps = holm([float("nan") if c is None or c.p is None else c.p for c in cells])
    done = iter(
        cell if cell is None or isnan(p) else replace(cell, p_holm=p)
        for cell, p in zip(cells, ps, strict=True)
    )
    return [replace(row, cells=tuple(next(done) for _ in row.cells)) for row in rows]


def _cell(
    column: Column,
    own: Numbers,
    base: Numbers,
    by_seed: Mapping[Seed, float],
    exact: Mapping[str, float],
) -> Cell | None:
    value, other = _number(column, own), _number(column, base)
    if value is None:
        return None
    if column.kind == "change":
        return None if other is None else Cell(interval(value - other).difference)
    deviation, seeds = _deviation(by_seed)
    cell = Cell(float(value[0]), deviation, seeds)
    if other is None:
        return cell
    found = interval(value - other)
    low, high, p = (None if isnan(x) else x for x in (found.low, found.high, found.p))
    is_exact = column.kind == "language" and column.name in exact
    p = exact[column.name] if is_exact else p
    return replace(cell, difference=found.difference, low=low, high=high, p=p, exact=is_exact)


def _number(column: Column, numbers: Mapping[str, Any]) -> Any:
    """The column's number from its languages' (floats or arrays); None if one is missing."""
    if any(language not in numbers for language in column.languages):
        return None
    first, *rest = (numbers[language] for language in column.languages)
    if column.kind == "gap":
        return first - sum(rest) / len(rest)
    return sum(rest, first) / len(column.languages)


def _by_seed(column: Column, held: Held, metric: str) -> dict[Seed, float]:
    """The column's number for each seed that all its languages have."""
    if any(language not in held for language in column.languages):
        return {}
    common = set.intersection(*(set(held[language]) for language in column.languages))
    return {
        seed: _number(
            column, {name: held[name][seed][1].metrics[metric] for name in column.languages}
        )
        for seed in common
    }


def _deviation(by_seed: Mapping[Seed, float]) -> tuple[float | None, int]:
    """Standard deviation and number of alignments, heads averaged; of heads if it is one."""
    alignments: dict[int | None, list[float]] = {}
    for (alignment, _), value in by_seed.items():
        alignments.setdefault(alignment, []).append(value)
    values = [fmean(heads) for heads in alignments.values()]
    if len(values) == 1:
        values = next(iter(alignments.values()))
    return (stdev(values) if len(values) > 1 else None), len(values)
