"""Base class of probes of words with gold links."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from otx.interfaces import BaseProbeTask
from otx.links.gold import GoldPair, outside_note
from otx.types import Example
from otx_tasks.probes.gold_sets import GoldSet, read_set, sets_of
from otx_tasks.probes.options import GoldOptions


class GoldTask(BaseProbeTask):
    """A probe of the words of gold-aligned sentences; the name of a gold set takes the place of a language.

    Sentences are split at white space, as the gold links count. A subclass has ``info`` and implements ``fields_of``,
    ``probe`` and ``score``.

    Args:
        options: Options of the task.
    """

    options: GoldOptions

    def __init__(self, options: GoldOptions) -> None:
        super().__init__(options)
        self._pairs: dict[str, list[GoldPair]] = {}

    @abstractmethod
    def fields_of(self, pair: GoldPair) -> Mapping[str, Any]:
        """Return the fields of an example: the words ``source`` and ``target``, and more.

        Args:
            pair: A sentence pair with its links.
        """

    def languages(self) -> list[str]:
        """Return the names of the sets."""
        return sorted(self._sets)

    def pairs(self, language: str) -> list[GoldPair]:
        """Return the sentence pairs of a set that are examples.

        Args:
            language: Name of the set.

        Raises:
            DataError: If the set does not exist or cannot be read.
        """
        return self._all_pairs(language)

    def load_examples(self, language: str) -> list[Example]:
        """Return the sentence pairs of a set; an id is the pair's number in it."""
        return [
            Example(f"{language}:{number}", f"{language}:{number}", self.fields_of(pair))
            for number, pair in enumerate(self.pairs(language), start=1)
        ]

    def left_out(self, language: str) -> str | None:
        """Describe the links of a set that are out of range; None if there are none."""
        return outside_note(self._all_pairs(language))

    def set_notes(self, language: str) -> list[str]:
        """Return the index base of a set, and which of its links are left out.

        Args:
            language: Name of the set.
        """
        gold = self._sets[language]
        left_out = self.left_out(language)
        base = f"indices count from {gold.index_base or 0} ({gold.base_origin})"
        return [base] if left_out is None else [base, left_out]

    def sentences(self, language: str) -> list[str]:
        """Return both sides of every pair, their words joined."""
        sides = ("source", "target")
        return [" ".join(e.fields[side]) for e in self.examples(language) for side in sides]

    def _all_pairs(self, language: str) -> list[GoldPair]:
        if language not in self._pairs:
            self._pairs[language] = read_set(self._sets, language, self.info.name)
        return self._pairs[language]

    @cached_property
    def _sets(self) -> dict[str, GoldSet]:
        return sets_of(self.options.data, self.options.index_base)
