"""Base class of probes of sentences and their English translations."""

from __future__ import annotations

from functools import cached_property

from otx.errors import DataError
from otx.interfaces import BaseProbeTask
from otx.types import Example
from otx_tasks.probes.options import SentenceOptions
from otx_tasks.probes.parallel_files import ParallelFiles, files_of, read_parallel


class ParallelTask(BaseProbeTask):
    """A probe of sentence pairs; a language is one that has files in parallel with English.

    A subclass has ``info`` and implements ``probe`` and ``score``.

    Args:
        options: Options of the task.
    """

    options: SentenceOptions

    def languages(self) -> list[str]:
        """Return every language that has files."""
        return sorted(self._files)

    def load_examples(self, language: str) -> list[Example]:
        """Read the sentence pairs of a language, with fields ``source`` and ``pivot``."""
        if language not in self._files:
            raise DataError(
                f"{self.info.name}: no files for {language}",
                f"available languages: {', '.join(self.languages())}",
            )
        return read_parallel(self._files[language])

    def sentences(self, language: str) -> list[str]:
        """Return both sides of every pair."""
        return [e.fields[side] for e in self.examples(language) for side in ("source", "pivot")]

    @cached_property
    def _files(self) -> dict[str, ParallelFiles]:
        return files_of(self.options.data)
