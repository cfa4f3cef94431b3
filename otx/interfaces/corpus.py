"""The interface of a corpus, with defaults for optional members."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from otx.types import (
    Links,
    Pair,
    Problem,
)

if TYPE_CHECKING:
    pass


class Corpus(Protocol):
    """Base class of corpora: the sentence pairs of one language pair, with random access.

    ``Target(rest, options, pivot)`` returns a list of them. Inherit from it and implement the abstract methods, or
    write a class with all of these members. Memory must not grow with the number of pairs.

    Attributes:
        name: What the corpus is called in messages and records.
        source_language: Code of the source language, such as ``de``.
        pivot_language: Code of the pivot language.
        pretokenised: True if words are separated by white space.
        gold: Files of gold word links and of their sentences, if the corpus has them; indices count from 0.
    """

    name: str
    source_language: str
    pivot_language: str
    pretokenised: bool = False
    gold: tuple[Path, Path] | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of pairs."""
        ...

    @abstractmethod
    def __getitem__(self, index: int) -> Pair:
        """Return a pair.

        Args:
            index: Its number, from 0.

        Raises:
            IndexError: Beyond the last pair.
        """
        ...

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of the pairs, their line numbers and languages, but not of paths."""
        ...

    def problems(self) -> Sequence[Problem]:
        """Return every refused or repaired line; none by default."""
        return ()

    def links(self) -> Sequence[Links] | None:
        """Return the word links that come with the corpus.

        Returns:
            One set per pair, in the words of the pre-tokenised text; None (the default) if there are none.
        """
        return None
