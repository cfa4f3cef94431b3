"""The tree of errors: each has a message, a remedy, and an exit code that states its kind."""

from __future__ import annotations


class OTXError(Exception):
    """Base of every error that otx raises on purpose.

    The exit codes of the command line are 1 failed, 2 usage or settings, 3 data, 4 plugin, 5 interrupted and resumable.

    Args:
        message: What is wrong and where, in one line.
        remedy: What to do.

    Attributes:
        message: What is wrong and where.
        remedy: What to do; None if nothing can be said.
        exit_code: Exit code of the command line.
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
    """A file, or a line in it, that cannot be used."""

    exit_code = 3


class MissingDataError(DataError):
    """Files that do not exist. A suite skips the task; damaged files are a fault."""


class PluginError(OTXError):
    """A plugin that could not be loaded, or that broke its interface."""

    exit_code = 4


class Interrupted(OTXError):
    """A signal stopped the work after everything was saved; it can be resumed."""

    exit_code = 5


class TrainingError(OTXError):
    """Training that stopped itself: a loss is not finite, or transport lost its mass or does not converge."""


class ProblemError(OTXError):
    """A transport problem without a solution (zero mass, infinite cost); the message names its index."""


class CheckpointError(DataError):
    """A checkpoint that is damaged or incomplete, or that belongs to other settings or data."""
