"""The error of a run whose processes were lost: it names the last checkpoint, and how to resume."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

from otx.errors import OTXError
from otx.printable import printable
from otx.runs.folder import RunFolder
from otx.training import checkpoint
from otx.training.processes import ProcessLost

Failure = TypeVar("Failure", bound=BaseException)


def resume_remedy(run: RunFolder, count: int) -> str:
    """Return how an interrupted run is resumed.

    Args:
        run: The run.
        count: Number of its processes.

    Example:
        >>> from pathlib import Path
        >>> resume_remedy(RunFolder(Path("runs/first"), {}), 2)
        'resume with: otx align --resume first --nproc 2 (or under torchrun, without --nproc)'
    """
    command = f"resume with: otx align --resume {run.name}"
    if count == 1:
        return command
    return f"{command} --nproc {count} (or under torchrun, without --nproc)"


class LastWords:
    """Records and prints the error of a process that cannot end in order, because it waits for one that was lost.

    Args:
        run: The run.
        count: Number of its processes.
    """

    def __init__(self, run: RunFolder, count: int) -> None:
        self._run, self._count = run, count

    def __call__(self, error: OTXError) -> None:
        """Record the error in run.json, and print it.

        Args:
            error: The error, before ``with_checkpoint``.
        """
        full = self.with_checkpoint(error)
        try:
            self.record(full)
        finally:
            text = f"error: {full.message}\nhint: {full.remedy}"
            print(printable(text), file=sys.stderr, flush=True)

    def record(self, error: OTXError) -> None:
        """Record the error in run.json.

        Args:
            error: The error.
        """
        self._run.update(status="failed", error=f"{type(error).__name__}: {error}")

    def with_checkpoint(self, error: Failure) -> Failure:
        """Return the error; for a lost process, one that also names the run, its last checkpoint, and the remedy.

        Args:
            error: The error that ends the run.
        """
        if not isinstance(error, ProcessLost):
            return error
        newest, _ = checkpoint.newest(self._run.checkpoints)
        saved = (
            "it has no checkpoint yet"
            if newest is None
            else f"its last checkpoint is {newest.path}"
        )
        full: Any = ProcessLost(
            f"run {self._run.name} ended: {error.message}; {saved}",
            error.remedy or resume_remedy(self._run, self._count),
            exit_code=error.exit_code,
            first_is_lost=error.first_is_lost,
        )
        named: Failure = full
        return named
