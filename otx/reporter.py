"""How the engine speaks while it works: the command line draws it, tests and libraries may stay silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Reporter(Protocol):
    """Receives stages, progress and notices; never raises."""

    def stage(self, text: str) -> None:
        """A new piece of work has begun."""
        ...

    def progress(self, label: str, done: int, total: int, fields: Mapping[str, float]) -> None:
        """``done`` of ``total`` steps; ``fields`` are the numbers of the newest one."""
        ...

    def notice(self, text: str) -> None:
        """Something that the user should know, in one line."""
        ...


class Silent:
    """A reporter that says nothing."""

    def stage(self, text: str) -> None:
        """Say nothing."""

    def progress(self, label: str, done: int, total: int, fields: Mapping[str, float]) -> None:
        """Say nothing."""

    def notice(self, text: str) -> None:
        """Say nothing."""
