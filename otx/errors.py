"""One tree of errors: what went wrong, what to do about it, and the exit code that says which kind it was."""

from __future__ import annotations


class OTXError(Exception):
    """The base of every error that otx raises on purpose.

    ``message`` names the thing and the place in one line; ``remedy`` says what to do. ``exit_code`` is what the
    command line exits with: 1 failed, 2 usage or settings, 3 data, 4 plugin, 5 interrupted and resumable.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message if self.remedy is None else f"{self.message} ({self.remedy})"


class UsageError(OTXError):
    """A name, flag or setting that does not exist or does not fit."""

    exit_code = 2


class DataError(OTXError):
    """A file or a line in it that cannot be used as it is."""

    exit_code = 3


class MissingDataError(DataError):
    """Files that are not there: a suite skips the task, where a damaged file would be a fault."""


class PluginError(OTXError):
    """A plugin that could not be loaded, or that broke its contract."""

    exit_code = 4


class Interrupted(OTXError):
    """The run was stopped by a signal after everything was saved; it can be resumed."""

    exit_code = 5


class TrainingError(OTXError):
    """Training stopped itself: a non-finite loss or gradient, a dead or unconverged transport."""


class ProblemError(OTXError):
    """A transport problem without a solution (zero mass, non-finite cost); names the problem's index."""


class CheckpointError(DataError):
    """A checkpoint is damaged, incomplete, or belongs to other settings or data."""
