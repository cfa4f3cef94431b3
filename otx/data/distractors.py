"""Draw distractors: training sentences that held-out retrieval searches besides the held-out translations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from otx.data.normalise import sentence_hash
from otx.data.subset import Subset
from otx.interfaces import Corpus


def draw_distractors(
    train: Sequence[Corpus], held_out: Sequence[int], candidates: int, seed: int
) -> list[Subset]:
    """Draw training pairs until each language has enough candidates.

    Corpora of one source language are searched together, so they share one draw. Sentences of the same normal form are
    drawn at most once. ``split`` keeps held-out sentences and all their translations out of ``train``, so no distractor
    is a correct answer.

    Args:
        train: Training part of every corpus, from ``split``.
        held_out: Number of held-out pairs of each corpus that are searched together. A language without held-out pairs
            gets no distractors.
        candidates: Sentences on one side of a language, held-out sentences included.
        seed: Seed of the draw.

    Returns:
        The pairs drawn from each corpus, in random order, so that a prefix is a random sample too.
    """
    languages: dict[str, list[int]] = defaultdict(list)
    for number, corpus in enumerate(train):
        languages[corpus.source_language].append(number)
    drawn: dict[int, Subset] = {}
    for numbers in languages.values():
        queries = sum(held_out[number] for number in numbers)
        missing = max(0, candidates - queries) if queries else 0
        indices = _draw([train[number] for number in numbers], missing, seed)
        drawn |= {
            number: Subset(train[number], np.array(chosen, dtype=np.int64))
            for number, chosen in zip(numbers, indices, strict=True)
        }
    return [drawn[number] for number in range(len(train))]


def _draw(corpora: Sequence[Corpus], count: int, seed: int) -> list[list[int]]:
    """Return the indices of at most ``count`` pairs in all, no sentence twice on its side."""
    ends = np.cumsum([len(corpus) for corpus in corpora])
    drawn: list[list[int]] = [[] for _ in corpora]
    sources: set[int] = set()
    pivots: set[int] = set()
    for place in np.random.default_rng(seed).permutation(int(ends[-1])):
        if len(sources) == count:
            break
        number = int(np.searchsorted(ends, place, side="right"))
        index = int(place) - (int(ends[number - 1]) if number else 0)
        pair = corpora[number][index]
        source, pivot = sentence_hash(pair.source), sentence_hash(pair.pivot)
        if source not in sources and pivot not in pivots:
            sources.add(source)
            pivots.add(pivot)
            drawn[number].append(index)
    return drawn
