"""Progress on stderr: a live bar on a terminal, one plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from otx.cli.console import screen
from otx.config.objective_term import COLUMNS
from otx.printable import printable
from otx.reporter import Reporter

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 10.0
"""Minimum time between two lines of progress where there is no terminal."""


def describe(fields: Mapping[str, float]) -> str:
    """Return the numbers of a step in one line: the loss and its terms, transport health, and speed.

    Args:
        fields: A row of metrics.jsonl.

    Example:
        >>> describe({"loss": 0.25, "seconds": 0.5, "tokens": 1000, "pairs": 10})
        'loss 0.25  2,000 tokens/s  20 pairs/s'
    """
    shown = [f"loss {fields['loss']:.3g}"] if "loss" in fields else []
    terms = [name for name in fields if "." not in name and name not in COLUMNS]
    if len(terms) > 1:
        shown += [f"{name} {fields[name]:.3g}" for name in terms]
    for name, value in fields.items():
        owner, _, quantity = name.rpartition(".")
        if quantity == "mass" and abs(value - fields.get(f"{owner}.expected_mass", value)) > 0.01:
            shown.append(f"mass {value:.3g}")
        elif quantity == "converged":
            shown.append(f"{value:.0%} converged")
        elif quantity == "marginal_error" and f"{owner}.converged" not in fields:
            shown.append(f"marginal error {value:.2g}")
    if fields.get("seconds"):
        shown.append(f"{fields['tokens'] / fields['seconds']:,.0f} tokens/s")
        shown.append(f"{fields['pairs'] / fields['seconds']:,.0f} pairs/s")
    return "  ".join(shown)


class PlainReporter(Reporter):
    """Prints one line per stage, and one line of progress every ten seconds."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._last = 0.0
        self._began: dict[str, tuple[float, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close nothing: this reporter holds nothing open."""

    def stage(self, text: str) -> None:
        """Print the stage."""
        self.console.print(
            printable(text), markup=False, emoji=False, highlight=False, soft_wrap=True
        )

    def progress(self, label: str, done: int, total: int, fields: Mapping[str, float]) -> None:
        """Print a line if the last one is ten seconds old, or at the end."""
        now = time.monotonic()
        began, first = self._began.setdefault(label, (now, done))
        if now - self._last < SECONDS_BETWEEN_LINES and done < total:
            return
        self._last = now
        left = (now - began) / max(1, done - first) * (total - done)
        self.stage(f"{label} {done}/{total}  {describe(fields)}  {left:.0f} s left")

    def notice(self, text: str) -> None:
        """Print the notice."""
        self.stage(f"note: {text}")


class LiveReporter(PlainReporter):
    """Draws a bar for progress; stages and notices scroll above it."""

    def __init__(self, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        super().__init__(console)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}", style="dim", markup=False),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def progress(self, label: str, done: int, total: int, fields: Mapping[str, float]) -> None:
        """Advance the bar of the label."""
        if label not in self._tasks:
            self._tasks[label] = self._bars.add_task(printable(label), total=total, numbers="")
        numbers = printable(describe(fields))
        self._bars.update(self._tasks[label], completed=done, total=total, numbers=numbers)


class QuietReporter(PlainReporter):
    """Prints notices only."""

    def progress(self, label: str, done: int, total: int, fields: Mapping[str, float]) -> None:
        """Print nothing."""

    def stage(self, text: str) -> None:
        """Print nothing."""

    def notice(self, text: str) -> None:
        """Print the notice."""
        super().stage(f"note: {text}")


def reporter() -> PlainReporter:
    """Return a live reporter on a terminal, otherwise a plain one; with ``--quiet`` one that prints notices only."""
    console = screen.console(stderr=True)
    if screen.silent:
        console.quiet = True
    if screen.quiet or screen.silent:
        return QuietReporter(console)
    return LiveReporter(console) if console.is_terminal else PlainReporter(console)
