"""What was measured of one peer in one case, and tables of it."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

FORWARD, BACKWARD = "forward", "backward"


@dataclass
class Measurement:
    """One peer in one case; times in milliseconds, ``backward`` meaning forward and backward.

    ``over_bound`` is known of ours alone: our time over the least that our iterations could take.
    ``note`` says why something is missing.
    """

    problems: str
    epsilon: float
    batch: int
    peer: str
    forward: float | None = None
    backward: float | None = None
    ratio_forward: float | None = None
    ratio_backward: float | None = None
    error: float | None = None
    knob: float | None = None
    at: str = ""
    over_bound_forward: float | None = None
    over_bound_backward: float | None = None
    iterations: float | None = None
    note: str = ""


def compared(rows: list[Measurement], ours: str) -> None:
    """Fill in the ratios of one case's rows: a peer's time over ours."""
    known = {row.peer: row for row in rows}
    if ours not in known:
        return
    for row in rows:
        for way in (FORWARD, BACKWARD):
            theirs, own = getattr(row, way), getattr(known[ours], way)
            if theirs and own:
                setattr(row, f"ratio_{way}", theirs / own)


def table(title: str, cases: list[list[Measurement]]) -> Table:
    """One section a case."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    columns = ("B", "peer", "ms", "x ours", "ms back", "x ours", "error", "at", "of the bound")
    for name in columns:
        shown.add_column(name, justify="left" if name in ("peer", "at") else "right", no_wrap=True)
    for case in cases:
        for place, row in enumerate(case):
            shown.add_row("" if place else str(row.batch), *_cells(row), style=_style(row))
        shown.add_section()
    return shown


def _cells(row: Measurement) -> tuple[str, ...]:
    bounds = (row.over_bound_forward, row.over_bound_backward)
    return (
        row.peer,
        _milliseconds(row.forward),
        _times(row.ratio_forward),
        _milliseconds(row.backward),
        _times(row.ratio_backward),
        "" if row.error is None else f"{row.error:.1e}",
        row.note or row.at,
        ", ".join(_times(bound) for bound in bounds if bound is not None),
    )


def _style(row: Measurement) -> str:
    if row.note:
        return "dim"
    return "bold" if row.over_bound_forward is not None else ""


def _milliseconds(value: float | None) -> str:
    return "" if value is None else _digits(value)


def _times(value: float | None) -> str:
    return "" if value is None else f"{_digits(value)}x"


def _digits(value: float) -> str:
    """Three digits, as far as they go."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
