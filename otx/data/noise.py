"""Write a corpus with mismatched pairs, as a control: an objective must not profit from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from otx.data.normalise import normal_form
from otx.errors import UsageError
from otx.interfaces import Corpus


@dataclass(frozen=True, slots=True)
class Noised:
    """Counts of a corpus with mismatched pairs.

    Attributes:
        pairs: Pairs that were written.
        moved: Pairs that have the pivot sentence of another pair.
        alike: Of these, pairs whose new pivot sentence has the normal form of the old one.
    """

    pairs: int
    moved: int
    alike: int


def partners(count: int, wrong: float, seed: int) -> np.ndarray:
    """Draw the pair that each pair takes its pivot sentence from.

    The drawn pairs exchange pivot sentences in one ring, so that none of them keeps its own.

    Args:
        count: Number of pairs N.
        wrong: Share of pairs that take the pivot sentence of another pair, above 0 and at most 1.
        seed: Seed of the draw.

    Returns:
        Pair numbers ``[N]``; a pair that keeps its pivot sentence has its own number.

    Raises:
        UsageError: If the share is out of range, or so small that fewer than two pairs would exchange.

    Example:
        >>> sorted(partners(4, 0.5, seed=1).tolist())
        [0, 1, 2, 3]
    """
    if not 0 < wrong <= 1:
        raise UsageError(
            f"the share of wrong pairs is {wrong:g}", "give a share above 0 and at most 1"
        )
    moved = round(wrong * count)
    if moved < 2:
        raise UsageError(
            f"{wrong:g} of {count:,} pairs is {moved}, but at least 2 must exchange",
            "give a larger share, or a larger corpus",
        )
    ring = np.random.default_rng(seed).permutation(count)[:moved]
    numbers = np.arange(count)
    numbers[ring] = np.roll(ring, 1)
    return numbers


def write_noised(corpus: Corpus, prefix: Path, wrong: float, seed: int) -> Noised:
    """Write a corpus with a share of mismatched pairs.

    The files are ``PREFIX.SOURCE`` and ``PREFIX.PIVOT``; pairs keep their order.

    Args:
        corpus: The corpus.
        prefix: Prefix of the two files.
        wrong: Share of pairs that take the pivot sentence of another pair, above 0 and at most 1.
        seed: Seed of the draw.

    Returns:
        Counts of what was written.

    Raises:
        UsageError: If a file exists, or if the share does not fit the corpus.
    """
    languages = corpus.source_language, corpus.pivot_language
    files = [prefix.with_name(f"{prefix.name}.{language}") for language in languages]
    for file in files:
        if file.exists():
            raise UsageError(f"{file} already exists", "remove it, or give another prefix")
    donors = partners(len(corpus), wrong, seed)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    alike = 0
    with (
        files[0].open("w", encoding="utf-8", newline="\n") as sources,
        files[1].open("w", encoding="utf-8", newline="\n") as pivots,
    ):
        for index, other in enumerate(donors.tolist()):
            pair = corpus[index]
            pivot = pair.pivot if other == index else corpus[other].pivot
            alike += other != index and normal_form(pivot) == normal_form(pair.pivot)
            sources.write(pair.source + "\n")
            pivots.write(pivot + "\n")
    moved = int((donors != np.arange(len(corpus))).sum())
    return Noised(len(corpus), moved, alike)
