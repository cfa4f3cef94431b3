"""What probes of sentences beside their English translations share."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from otx.errors import DataError
from otx.files.example_digest import digest
from otx.types import Example, TaskInfo
from otx_tasks.options import SentenceOptions
from otx_tasks.probes.parallel_files import ParallelFiles, files_of, read_parallel


class ParallelTask:
    """A language is one that has files beside English; a subclass says what is read off its pairs."""

    info: ClassVar[TaskInfo]

    def __init__(self, options: SentenceOptions) -> None:
        self.options = options

    def languages(self) -> list[str]:
        """Every language that has files."""
        return sorted(self._files)

    def examples(self, language: str) -> list[Example]:
        """Sentence pairs, with fields ``source`` and ``pivot``; DataError for a language without files."""
        if language not in self._files:
            there = ", ".join(self.languages())
            raise DataError(f"{self.info.name}: no files for {language}", f"there are {there}")
        return read_parallel(self._files[language])

    def fingerprint(self, language: str) -> str:
        """A hash of the sentences."""
        return digest(self.examples(language))

    def sentences(self, language: str) -> list[str]:
        """Both sides of every pair."""
        return [e.fields[side] for e in self.examples(language) for side in ("source", "pivot")]

    @cached_property
    def _files(self) -> dict[str, ParallelFiles]:
        return files_of(self.options.data)
