"""Printing: the result on stdout, everything else on stderr, and no error if the reader has gone."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from otx.printable import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDE = 10_000
"""Width in columns of output that goes to a file or a pipe."""
NARROWEST = 20
"""Minimum width in columns of a wrapped last column."""


@dataclass(slots=True)
class Screen:
    """The output of this process.

    Attributes:
        quiet: True to print no notes.
        debug: True to print tracebacks.
        silent: True to print no text at all: neither results nor notes nor errors. All but one of several processes are
            silent. What ``draw`` prints is not affected; no command of several processes draws.
        arguments: The arguments of the command, flags of otx itself first.
    """

    quiet: bool = False
    debug: bool = False
    silent: bool = False
    arguments: Sequence[str] = ()
    _command: ExitStack | None = None
    _kept: bool = False
    _stdout: TextIO | None = None

    @contextmanager
    def command(self) -> Iterator[None]:
        """Delimit one command; at its end ``keep_stdout`` is undone, and ``silent`` holds for its error."""
        self.silent = False
        try:
            with ExitStack() as self._command:
                yield
        finally:
            self._command, self._kept = None, False

    def keep_stdout(self) -> None:
        """Reserve stdout for results to the end of the command; other output goes to stderr.

        Call this before code of plugins runs, and not earlier: click prints help and completion to stdout.
        """
        if self._command is not None and not self._kept:
            self._kept, self._stdout = True, sys.stdout
            self._command.enter_context(redirect_stdout(sys.stderr))

    @property
    def stdout(self) -> TextIO | None:
        """The stream of results."""
        return self._stdout if self._kept else sys.stdout

    def result(self, text: str) -> None:
        """Print to stdout.

        Args:
            text: The text.
        """
        if not self.silent:
            _write(self.stdout, text)

    def draw(self, render: Callable[[int], RenderableType]) -> None:
        """Print what rich draws to stdout.

        Args:
            render: Returns what to draw, for a width in columns. Its foreign text is already escaped.
        """
        console = self.console()
        with console.capture() as captured:
            console.print(render(console.width))
        _print(self.stdout, captured.get().rstrip("\n"))

    def json(self, value: Any) -> None:
        """Print as JSON to stdout.

        Args:
            value: A value that JSON can hold.
        """
        self.result(json.dumps(value, indent=2, ensure_ascii=False))

    def note(self, text: str) -> None:
        """Print to stderr, unless quiet.

        Args:
            text: The text.
        """
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print to stderr.

        Args:
            text: The text.
        """
        if not self.silent:
            _write(sys.stderr, text)

    def console(self, *, stderr: bool = False) -> Console:
        """Return a rich console; output to a file or a pipe is as wide as it needs to be.

        Args:
            stderr: Print to stderr instead of stdout.
        """
        from rich.console import Console

        console = Console(file=None if stderr else self.stdout, stderr=stderr)
        if not console.is_terminal:
            console.width = WIDE
        return console


screen = Screen()
"""The output of this process."""


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns; on a terminal the last column is wrapped.

    Args:
        rows: Rows of as many cells each.

    Example:
        >>> print(columns([("a", "first"), ("long", "second")]))
        a     first
        long  second
    """
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    indent = sum(widths) + 2 * len(widths)
    width_left = WIDE
    if screen.stdout is not None and screen.stdout.isatty():
        width_left = max(shutil.get_terminal_size().columns - indent, NARROWEST)
    lines = []
    for *first, last in rows:
        start = "".join(f"{cell:<{width}}  " for cell, width in zip(first, widths, strict=True))
        wrapped = textwrap.wrap(last, width_left) or [""]
        lines.append((start + wrapped[0]).rstrip())
        lines += [" " * indent + line for line in wrapped[1:]]
    return "\n".join(lines)


def hush(stream: TextIO) -> None:
    """Discard all further output of a stream whose reader has gone.

    Args:
        stream: The stream.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _write(stream: TextIO | None, text: str) -> None:
    _print(stream, printable(text))


def _print(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        hush(stream)
