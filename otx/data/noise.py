"""A corpus in which some sentences stand beside another's translation: what an objective must not gain from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from otx.data.normalise import normal_form
from otx.errors import UsageError
from otx.interfaces import Corpus


@dataclass(frozen=True, slots=True)
class Noised:
    """How many pairs were written, how many got another's pivot, and how many of these read the same by chance."""

    pairs: int
    moved: int
    alike: int


def partners(count: int, wrong: float, seed: int) -> np.ndarray:
    """Whose pivot each of ``count`` pairs gets ``[N]``: its own, but for a share ``wrong``, drawn from ``seed``.

    The chosen exchange pivots in one ring, so that none keeps its own. Raises UsageError for a share that is none, and
    for one by which a single pair would have to exchange with itself.
    """
    if not 0 < wrong <= 1:
        raise UsageError(f"a share of {wrong:g} wrong pairs", "give one above 0 and at most 1")
    moved = round(wrong * count)
    if moved < 2:
        raise UsageError(
            f"{wrong:g} of {count:,} pairs is {moved}, and it takes two to exchange",
            "give a larger share, or a larger corpus",
        )
    ring = np.random.default_rng(seed).permutation(count)[:moved]
    found = np.arange(count)
    found[ring] = np.roll(ring, 1)
    return found


def write_noised(corpus: Corpus, prefix: Path, wrong: float, seed: int) -> Noised:
    """Write ``PREFIX.SOURCE`` and ``PREFIX.PIVOT`` of the corpus's pairs, in their order, a share of them wrong.

    Raises UsageError for a file that is there already.
    """
    languages = corpus.source_language, corpus.pivot_language
    files = [prefix.with_name(f"{prefix.name}.{language}") for language in languages]
    for file in files:
        if file.exists():
            raise UsageError(f"{file} is there already", "remove it, or give another prefix")
    whose = partners(len(corpus), wrong, seed)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    alike = 0
    with (
        files[0].open("w", encoding="utf-8", newline="\n") as sources,
        files[1].open("w", encoding="utf-8", newline="\n") as pivots,
    ):
        for index, other in enumerate(whose.tolist()):
            pair = corpus[index]
            pivot = pair.pivot if other == index else corpus[other].pivot
            alike += other != index and normal_form(pivot) == normal_form(pair.pivot)
            sources.write(pair.source + "\n")
            pivots.write(pivot + "\n")
    return Noised(len(corpus), int((whose != np.arange(len(corpus))).sum()), alike)
