"""What probes of words with gold links share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from otx.files.example_digest import digest
from otx.links.gold import GoldPair, outside_note
from otx.types import Example, TaskInfo
from otx_tasks.options import GoldOptions
from otx_tasks.probes.gold_sets import GoldSet, read_set, sets_of


class GoldTask:
    """A set's name stands where a language does. Sentences are split at white space, as the gold links count."""

    info: ClassVar[TaskInfo]

    def __init__(self, options: GoldOptions) -> None:
        self.options = options
        self._examples: dict[str, list[Example]] = {}
        self._left_out: dict[str, str | None] = {}

    def fields_of(self, pair: GoldPair) -> Mapping[str, Any]:
        """What of a pair is an example's: fields ``source`` and ``target`` (words), and more."""
        raise NotImplementedError

    def languages(self) -> list[str]:
        """The names of the sets."""
        return sorted(self._sets)

    def pairs(self, language: str) -> list[GoldPair]:
        """The sentence pairs of a set that are examples; raises what ``read_set`` raises."""
        pairs = read_set(self._sets, language, self.info.name)
        self._left_out[language] = outside_note(pairs)
        return pairs

    def examples(self, language: str) -> list[Example]:
        """Sentence pairs of a set, by their number in it."""
        if language not in self._examples:
            self._examples[language] = [
                Example(f"{language}:{number}", f"{language}:{number}", self.fields_of(pair))
                for number, pair in enumerate(self.pairs(language), start=1)
            ]
        return self._examples[language]

    def left_out(self, language: str) -> str | None:
        """Describe the links of a set that are left out, or return None: what ``otx eval --strict`` refuses."""
        self.examples(language)
        return self._left_out[language]

    def set_notes(self, language: str) -> list[str]:
        """Return what the words of a set are counted from, and which of its links were left out."""
        gold = self._sets[language]
        left_out = self.left_out(language)
        base = f"indices count from {gold.index_base or 0} ({gold.told_by})"
        return [base] if left_out is None else [base, left_out]

    def fingerprint(self, language: str) -> str:
        """A hash of words and links."""
        return digest(self.examples(language))

    def sentences(self, language: str) -> list[str]:
        """Both sides of every pair, their words joined."""
        sides = ("source", "target")
        return [" ".join(e.fields[side]) for e in self.examples(language) for side in sides]

    @cached_property
    def _sets(self) -> dict[str, GoldSet]:
        return sets_of(self.options.data, self.options.index_base)
