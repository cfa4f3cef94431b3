"""Faults of evaluation data, collected so that one task or test set does not end the others."""

from __future__ import annotations

from collections.abc import Sequence

from otx.errors import DataError
from otx.interfaces import Task
from otx.reporter import Reporter


class Faults:
    """Errors in the data of tasks, each reported once, when it is found.

    Args:
        reporter: Receives a line for each fault.

    Attributes:
        errors: The faults, in the order in which they were found.
    """

    def __init__(self, reporter: Reporter) -> None:
        self.errors: list[DataError] = []
        self._reporter = reporter

    def add(self, error: DataError) -> None:
        """Keep and report an error, unless an equal one is known.

        Every target meets the same files.

        Args:
            error: The error.
        """
        if str(error) not in map(str, self.errors):
            self.errors.append(error)
            self._reporter.stage("Skipped unusable data; its error is shown at the end")

    def has_data(self, task: Task) -> bool:
        """Return True if a task finds its files; otherwise this is a fault.

        Args:
            task: The task.
        """
        try:
            task.languages()
        except DataError as error:
            self.add(error)
            return False
        return True

    def readable(self, task: Task, languages: Sequence[str], *, strict: bool) -> list[str]:
        """Return the languages whose test sets can be read; the others are faults.

        Args:
            task: The task.
            languages: The languages to evaluate.
            strict: True makes a test set a fault if the task leaves out any part of it.
        """
        return [language for language in languages if self._is_readable(task, language, strict)]

    def _is_readable(self, task: Task, language: str, strict: bool) -> bool:
        try:
            task.fingerprint(language)
            if not task.examples(language):
                raise DataError(
                    f"{task.info.name} {language}: the test set has no examples",
                    "correct its files, or name the other languages with --languages",
                )
            left_out = getattr(task, "left_out", None)
            part = left_out(language) if strict and left_out is not None else None
            if part is not None:
                raise DataError(
                    f"{task.info.name} {language}: {part}",
                    "correct the files, or evaluate without --strict",
                )
        except DataError as error:
            self.add(error)
            return False
        return True
