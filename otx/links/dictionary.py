"""Word links by a bilingual dictionary, where it leaves no choice."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from otx.data.lines import read_lines
from otx.errors import DataError
from otx.types import Links

LONGEST = 1_000
"""Characters of a line."""

Dictionary = Mapping[str, frozenset[str]]
"""The translations of each source word, both folded."""


def read_dictionary(path: Path) -> Dictionary:
    """A file with a source word and a pivot word in each line, with a tab or spaces between (MUSE, Facebook), or gz.

    Words are compared folded (case, compatibility forms). Raises DataError, naming file and line, for a line that is
    not two words.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for number, line in enumerate(read_lines(path, LONGEST), start=1):
        words = line.text.split()
        if not words and {fault.kind for fault in line.faults} <= {"empty"}:
            continue
        if len(words) != 2:
            raise DataError(
                f"{path}:{number}: {len(words)} words instead of 2",
                "write a source word and a pivot word in each line, with a tab between",
            )
        found[fold(words[0])].add(fold(words[1]))
    return {word: frozenset(others) for word, others in found.items()}


def dictionary_links(source: Sequence[str], pivot: Sequence[str], dictionary: Dictionary) -> Links:
    """Links between words that translate each other, where either is there once and has no second translation.

    AlignFreeze (Bakos et al. 2025), after Gaschi et al. 2023: a word form that occurs twice in its sentence, or that
    the dictionary links to two forms of the other sentence, could be either's, and is left out.
    """
    ours, theirs = _once(source), _once(pivot)
    everything = {fold(word) for word in pivot}
    backwards: dict[str, set[str]] = defaultdict(set)
    forwards: dict[str, set[str]] = {}
    for word in {fold(word) for word in source}:
        forwards[word] = set(dictionary.get(word, frozenset())) & everything
        for other in forwards[word]:
            backwards[other].add(word)
    links = []
    for word, i in ours.items():
        if len(forwards[word]) == 1:
            (other,) = forwards[word]
            if other in theirs and len(backwards[other]) == 1:
                links.append((i, theirs[other]))
    return frozenset(links)


def fold(word: str) -> str:
    """A word without the differences of case and of compatibility forms."""
    return unicodedata.normalize("NFKC", word).casefold()


def _once(words: Sequence[str]) -> dict[str, int]:
    """The place of each folded form that occurs once."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(words):
        places[fold(word)].append(place)
    return {word: found[0] for word, found in places.items() if len(found) == 1}
