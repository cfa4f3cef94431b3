"""Word links by a bilingual dictionary, where it leaves no ambiguity."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from otx.data.lines import read_lines
from otx.errors import DataError
from otx.types import Links

LONGEST = 1_000
"""Maximum length of a line, in characters."""

Dictionary = Mapping[str, frozenset[str]]
"""The translations of each source word, both folded."""


def read_dictionary(path: Path) -> Dictionary:
    """Read a dictionary with a source word and a pivot word in each line.

    MUSE distributes dictionaries in this format.

    Args:
        path: The file, plain or gz; the words of a line are separated by a tab or spaces.

    Returns:
        The translations of each source word. Words are folded (``fold``).

    Raises:
        DataError: If a line is not two words, naming file and line.
    """
    translations: dict[str, set[str]] = defaultdict(set)
    for number, line in enumerate(read_lines(path, LONGEST), start=1):
        words = line.text.split()
        if not words and {fault.kind for fault in line.faults} <= {"empty"}:
            continue
        if len(words) != 2:
            raise DataError(
                f"{path}:{number}: {len(words)} words instead of 2",
                "write a source word and a pivot word in each line, with a tab between",
            )
        translations[fold(words[0])].add(fold(words[1]))
    return {word: frozenset(others) for word, others in translations.items()}


def dictionary_links(source: Sequence[str], pivot: Sequence[str], dictionary: Dictionary) -> Links:
    """Link words that unambiguously translate each other.

    Each must occur once and have one translation in the other sentence.

    A word form that occurs twice in its sentence, or that the dictionary links to two forms of the other sentence, is
    ambiguous and has no link.

    Args:
        source: Words of the source sentence.
        pivot: Words of the pivot sentence.
        dictionary: Translations of source words, folded.

    Returns:
        The links (source word, pivot word).

    Example:
        >>> dictionary = {"hund": frozenset({"dog"}), "katze": frozenset({"cat"})}
        >>> sorted(dictionary_links(["Hund", "und", "Katze"], ["cat", "and", "dog"], dictionary))
        [(0, 2), (2, 0)]

    References:
        Gaschi et al. (2023), "Exploring the Relationship between Alignment and Cross-lingual Transfer in Multilingual
        Transformers". https://arxiv.org/abs/2306.02790
        Bakos et al. (2025), "AlignFreeze". https://arxiv.org/abs/2502.12959
    """
    source_once, pivot_once = _once(source), _once(pivot)
    pivot_forms = {fold(word) for word in pivot}
    backwards: dict[str, set[str]] = defaultdict(set)
    forwards: dict[str, set[str]] = {}
    for word in {fold(word) for word in source}:
        forwards[word] = set(dictionary.get(word, frozenset())) & pivot_forms
        for other in forwards[word]:
            backwards[other].add(word)
    links = []
    for word, i in source_once.items():
        if len(forwards[word]) == 1:
            (other,) = forwards[word]
            if other in pivot_once and len(backwards[other]) == 1:
                links.append((i, pivot_once[other]))
    return frozenset(links)


def fold(word: str) -> str:
    """Return a word without differences of case and of compatibility forms (NFKC).

    Args:
        word: The word.

    Example:
        >>> fold("Straße")
        'strasse'
    """
    return unicodedata.normalize("NFKC", word).casefold()


def _once(words: Sequence[str]) -> dict[str, int]:
    """Return the position of each folded form that occurs once."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(words):
        places[fold(word)].append(place)
    return {word: positions[0] for word, positions in places.items() if len(positions) == 1}
