"""Measurements of one peer in one case, and tables of them."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

FORWARD, BACKWARD = "forward", "backward"


@dataclass
class Measurement:
    """The measurements of one peer in one case.

    Attributes:
        problems: Kind of the problems.
        epsilon: Regularisation strength.
        batch: Number of sentences.
        peer: Name of the peer.
        forward: Milliseconds of the forward pass.
        backward: Milliseconds of the forward and the backward pass.
        ratio_forward: ``forward`` over that of otx.
        ratio_backward: ``backward`` over that of otx.
        error: L1 error of the marginals, worst problem.
        knob: Position of the peer's knob.
        at: The position as shown in the table.
        over_bound_forward: Time over the least that the iterations could take; known for otx only.
        over_bound_backward: The same, forward and backward.
        iterations: Mean iterations; known for otx only.
        note: Reason why something is missing.
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
    """Fill in the ratios of one case's rows, a peer's time over ours.

    Args:
        rows: The measurements of all peers in one case, modified in place.
        ours: Name of the peer to compare with; without it nothing changes.
    """
    known = {row.peer: row for row in rows}
    if ours not in known:
        return
    for row in rows:
        for way in (FORWARD, BACKWARD):
            theirs, baseline = getattr(row, way), getattr(known[ours], way)
            if theirs and baseline:
                setattr(row, f"ratio_{way}", theirs / baseline)


def table(title: str, cases: list[list[Measurement]]) -> Table:
    """Build a table with one section per case.

    Args:
        title: Title of the table.
        cases: The measurements of every case.

    Returns:
        A rich table.
    """
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
    """Format a number with three significant digits, or none after the point from 100."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
