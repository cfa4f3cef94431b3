"""Reporters receive the progress of a call: the command line prints it, tests and libraries may stay silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Reporter(Protocol):
    """Receives stages, progress and notices. Its methods never raise."""

    def stage(self, text: str) -> None:
        """Report that a new stage has begun, as a verb and an object: ``Loading encoder mini``.

        Args:
            text: The stage.
        """
        ...

    def progress(self, label: str, done: int, total: int, fields: Mapping[str, float]) -> None:
        """Report progress.

        Args:
            label: The work.
            done: Number of steps that are done.
            total: Number of all steps.
            fields: Numbers of the newest step, by name.
        """
        ...

    def notice(self, text: str) -> None:
        """Report something that the user should know, in one line.

        Args:
            text: The notice.
        """
        ...


class Silent:
    """A reporter that ignores everything."""

    def stage(self, text: str) -> None:
        """Ignore the stage."""

    def progress(self, label: str, done: int, total: int, fields: Mapping[str, float]) -> None:
        """Ignore the progress."""

    def notice(self, text: str) -> None:
        """Ignore the notice."""
