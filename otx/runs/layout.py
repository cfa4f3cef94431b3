"""A comparison as grids of short texts, which each renderer draws in its own format.

A cell has up to three lines: the value with its spread; the difference to the baseline with its direction and
Holm-adjusted p; the interval of the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal

from otx.runs.ceilings import candidates_text
from otx.runs.measures import measure_text
from otx.runs.table import Cell, Column, Comparison, Row, Table

SIGNIFICANT = 0.05
"""A difference is significant if its p after Holm is below this."""
BETTER, WORSE = "▲", "▼"
MAYBE_BETTER, MAYBE_WORSE = "△", "▽"
NOTHING = "-"
"""Shown where there is no value."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell as text.

    Attributes:
        lines: Lines of the cell.
        best: True if the value is the best of its column.
        change: Direction of the difference, or None.
    """

    lines: tuple[str, ...]
    best: bool = False
    change: Literal["gain", "loss"] | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as text.

    Attributes:
        heading: Heading of the table.
        names: Names of the columns.
        fixed: Number of first columns that name the row.
        rows: The rows.
        sections: Indices of the rows that begin a section (a baseline, the floors).
    """

    heading: str
    names: tuple[str, ...]
    fixed: int
    rows: tuple[tuple[Shown, ...], ...]
    sections: tuple[int, ...]


def table_grid(table: Table) -> Grid:
    """Return a table as a grid: a row per system, a column per language and mean.

    Args:
        table: The table.
    """
    rows = []
    for row in table.rows:
        cells = [
            _cell(cell, column, table.percent, _is_best(table, row, place))
            if cell is not None
            else Shown(("",) if column.kind == "change" and row.role != "system" else (NOTHING,))
            for place, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True))
        ]
        rows.append((Shown((row.system,)), Shown((_seeds(row),)), *cells))
    names = ("", "seeds", *(column.name for column in table.columns))
    return Grid(_heading(table), names, 2, tuple(rows), _sections(table.rows))


def guard_grid(comparison: Comparison) -> Grid:
    """Return the diagnostics as a grid: a row per alignment, before and after it.

    Args:
        comparison: The comparison.
    """
    names = list(
        dict.fromkeys(
            name for guard in comparison.guards for name in guard.before if "." not in name
        )
    )
    rows = [
        (
            Shown((guard.run,)),
            *(
                Shown(
                    (
                        _before_after(name, guard.before.get(name), guard.after.get(name)),
                        *((guard.ceilings[name],) if name in guard.ceilings else ()),
                    )
                )
                for name in names
            ),
        )
        for guard in comparison.guards
    ]
    heading = "held-out pairs of each alignment, before and after"
    labels = ("", *(name.replace("_", " ") for name in names))
    return Grid(heading, labels, 1, tuple(rows), ())


def legend(comparison: Comparison) -> str:
    """Return an explanation of the cells.

    Args:
        comparison: The comparison.
    """
    share = f"{comparison.confidence:.0%}"
    return (
        f"Under each value: its difference to the baseline, {BETTER} better or {WORSE} worse "
        f"({MAYBE_BETTER} {MAYBE_WORSE} where p is not below {SIGNIFICANT}), with p after Holm; "
        f"then the difference's {share} interval, by paired bootstrap over clusters of examples "
        "and over seeds. "
        "± is the standard deviation over seeds. "
        f"Bold: the best of its column, with p below {SIGNIFICANT} against the baseline."
    )


def remarks(comparison: Comparison) -> list[str]:
    """Return the remarks on a comparison, one line each.

    These are verdicts of the diagnostics, notes, and the runs of each label.

    Args:
        comparison: The comparison.
    """
    runs_of_labels = [
        f"{label}: {'runs' if len(runs) > 1 else 'run'} {', '.join(runs)}"
        for label, runs in comparison.systems.items()
        if runs != (label,)
    ]
    verdicts = [f"{guard.run}: {line}" for guard in comparison.guards for line in guard.verdict]
    return [*verdicts, *_candidates(comparison), *comparison.notes, *runs_of_labels]


def _candidates(comparison: Comparison) -> list[str]:
    """Return the number of candidates of each alignment's retrieval, if they differ, so that it cannot be compared."""
    searched = {
        guard.run: candidates_text(guard.candidates) if guard.candidates else "held-out pairs only"
        for guard in comparison.guards
        if "retrieval" in guard.before
    }
    if len(set(searched.values())) < 2:
        return []
    return [f"{run}: held-out retrieval searches {text}" for run, text in searched.items()]


def number(value: float, percent: bool, *, signed: bool = False) -> str:
    """Format a number: a share in % with one decimal, others with three decimals.

    Args:
        value: The number.
        percent: True for a share, which is a fraction.
        signed: Write a plus before a positive number.

    Example:
        >>> number(0.7125, True), number(4.03, False), number(0.01, True, signed=True)
        ('71.2', '4.030', '+1.0')
    """
    if isnan(value):
        return "nan"
    sign = "+" if signed else ""
    text = f"{100 * value:{sign}.1f}" if percent else f"{value:{sign}.3f}"
    return text.lstrip("+-") if float(text) == 0 else text


def probability(p: float) -> str:
    """Format a p-value in four characters.

    Args:
        p: The p-value.

    Example:
        >>> probability(0.0004), probability(0.038), probability(1.0)
        ('<.001', '.038', '1.00')
    """
    if p < 0.001:
        return "<.001"
    return "1.00" if p >= 0.9995 else f"{p:.3f}".removeprefix("0")


def _heading(table: Table) -> str:
    data = [table.data] if table.data not in (None, table.task) else []
    options = [f"{name}={value}" for name, value in table.options.items()]
    direction = "" if table.higher_is_better else ", less is better"
    unit = " in %" if table.percent else ""
    sizes = sorted(set(table.examples.values()))
    size = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    each = " each" if len(table.examples) > 1 else ""
    metric = f"{table.metric}{unit}{direction}"
    return " · ".join([table.task, *map(str, data), *options, metric, f"{size} examples{each}"])


def _seeds(row: Row) -> str:
    counts = [(row.alignments, "alignment"), (row.heads, "head")]
    return " x ".join(f"{n} {noun}{'s' if n > 1 else ''}" for n, noun in counts if n)


def _sections(rows: Sequence[Row]) -> tuple[int, ...]:
    begins = []
    for place, row in enumerate(rows[1:], start=1):
        before = rows[place - 1]
        floors_begin = row.role == "floor" and before.role != "floor"
        if floors_begin or (row.role == "baseline" and row.baseline is None):
            begins.append(place)
    return tuple(begins)


def _is_best(table: Table, row: Row, place: int) -> bool:
    """Return whether the row's value is the best of its column, with a significant difference.

    For a system, its gain over its baseline must be significant; for a baseline, every loss against it.
    """
    column = table.columns[place]
    values = {
        id(other): cell.value
        for other in table.rows
        if other.role != "floor"
        and (cell := other.cells[place]) is not None
        and not isnan(cell.value)
    }
    if id(row) not in values or column.kind == "change":
        return False
    best = max(values.values(), key=lambda value: value * column.better)
    if number(values[id(row)], table.percent) != number(best, table.percent):
        return False
    rivals = [row] if row.baseline is not None else _followers(table, row)
    return bool(rivals) and all(_is_sure(rival.cells[place]) for rival in rivals)


def _followers(table: Table, row: Row) -> list[Row]:
    return [other for other in table.rows if other.baseline == row.system]


def _is_sure(cell: Cell | None) -> bool:
    return cell is not None and cell.p_holm is not None and cell.p_holm < SIGNIFICANT


def _cell(cell: Cell, column: Column, percent: bool, is_best: bool) -> Shown:
    if column.kind == "change":
        text = number(cell.value, percent, signed=True)
        return Shown((text,), change=_change(text, column))
    value = number(cell.value, percent)
    spread = "" if cell.deviation is None else f"±{number(cell.deviation, percent)}"
    if cell.difference is None:
        return Shown((value + spread,), is_best)
    difference = number(cell.difference, percent, signed=True)
    change = _change(difference, column)
    arrow = {
        "gain": BETTER if _is_sure(cell) else MAYBE_BETTER,
        "loss": WORSE if _is_sure(cell) else MAYBE_WORSE,
        None: "",
    }[change]
    lines = [value + spread, difference + arrow]
    if cell.p_holm is not None and cell.low is not None and cell.high is not None:
        lines[1] += f" p{probability(cell.p_holm)}"
        ends = (number(end, percent, signed=True) for end in (cell.low, cell.high))
        lines.append("..".join(ends))
    return Shown(tuple(lines), is_best, change)


def _change(difference: str, column: Column) -> Literal["gain", "loss"] | None:
    """Return the direction of a difference; None if it is shown as zero."""
    if difference[0] not in "+-":
        return None
    more = difference[0] == "+"
    return "gain" if more == (column.better > 0) else "loss"


def _before_after(name: str, before: float | None, after: float | None) -> str:
    texts = (NOTHING if value is None else measure_text(name, value) for value in (before, after))
    return " → ".join(texts)
