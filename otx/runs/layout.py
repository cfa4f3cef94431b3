"""A comparison as grids of short texts, which every renderer draws in its own way.

A cell has up to three lines: the value with its spread; the difference to the baseline with its
direction and Holm-adjusted p; the interval of the difference.
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
BETTER, WORSE = "▲", "▼"
MAYBE_BETTER, MAYBE_WORSE = "△", "▽"
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell as text. ``best``: of its column. ``change``: what the difference says, if any."""

    lines: tuple[str, ...]
    best: bool = False
    change: Literal["gain", "loss"] | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A heading, column names (the first columns, ``fixed`` of them, name the row) and rows.

    A row that begins a section (a baseline, the floors) is in ``sections``.
    """

    heading: str
    names: tuple[str, ...]
    fixed: int
    rows: tuple[tuple[Shown, ...], ...]
    sections: tuple[int, ...]


def table_grid(table: Table) -> Grid:
    """A table with a row for each system and a column for each language and mean."""
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
    """What each alignment did to the numbers that were measured before and after it."""
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
    """How to read a cell."""
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
    """What the guards found, and whom a label stands for, in one line each."""
    made_of = [
        f"{label} stands for {', '.join(runs)}"
        for label, runs in comparison.systems.items()
        if runs != (label,)
    ]
    verdicts = [f"{guard.run}: {line}" for guard in comparison.guards for line in guard.verdict]
    return [*verdicts, *_candidates(comparison), *comparison.notes, *made_of]


def _candidates(comparison: Comparison) -> list[str]:
    """How many candidates each alignment's retrieval searched, where they differ and its numbers do not compare."""
    searched = {
        guard.run: candidates_text(guard.candidates) if guard.candidates else "held-out pairs only"
        for guard in comparison.guards
        if "retrieval" in guard.before
    }
    if len(set(searched.values())) < 2:
        return []
    return [f"{run}: held-out retrieval searches {text}" for run, text in searched.items()]


def number(value: float, percent: bool, *, signed: bool = False) -> str:
    """A fraction as it is shown: times 100 with one decimal, or with three decimals as it is."""
    if isnan(value):
        return "nan"
    sign = "+" if signed else ""
    text = f"{100 * value:{sign}.1f}" if percent else f"{value:{sign}.3f}"
    return text.lstrip("+-") if float(text) == 0 else text


def probability(p: float) -> str:
    """A p in four characters."""
    if p < 0.001:
        return "<.001"
    return "1.00" if p >= 0.9995 else f"{p:.3f}".removeprefix("0")


def _heading(table: Table) -> str:
    data = [table.data] if table.data not in (None, table.task) else []
    options = [f"{name}={value}" for name, value in table.options.items()]
    less = "" if table.higher_is_better else ", less is better"
    unit = " in %" if table.percent else ""
    sizes = sorted(set(table.examples.values()))
    size = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    each = " each" if len(table.examples) > 1 else ""
    what = f"{table.metric}{unit}{less}"
    return " · ".join([table.task, *map(str, data), *options, what, f"{size} examples{each}"])


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
    """Return whether the row's value is the best of its column, by a difference that is significant.

    A system's is if its gain over its baseline is significant; a baseline's is if every loss against it is.
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
    """What a difference says; nothing if it is shown as zero."""
    if difference[0] not in "+-":
        return None
    more = difference[0] == "+"
    return "gain" if more == (column.better > 0) else "loss"


def _before_after(name: str, before: float | None, after: float | None) -> str:
    texts = (NOTHING if value is None else measure_text(name, value) for value in (before, after))
    return " → ".join(texts)
