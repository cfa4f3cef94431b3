"""Draw distractors: training sentences that held-out retrieval searches besides the held-out translations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from otx.data.arrow import BLOCK
from otx.data.normalise import sentence_hash
from otx.data.permutation import Permutation
from otx.data.subset import Subset, pick
from otx.interfaces import Corpus
from otx.types import Pair


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
    order = Permutation(int(ends[-1]), seed)
    for start in range(0, order.count if count else 0, BLOCK):
        places = order.take(np.arange(start, min(start + BLOCK, order.count)))
        numbers = np.searchsorted(ends, places, side="right")
        indices = places - np.concatenate([[0], ends])[numbers]
        for number, index, pair in _read(corpora, numbers, indices):
            source, pivot = sentence_hash(pair.source), sentence_hash(pair.pivot)
            if source not in sources and pivot not in pivots:
                sources.add(source)
                pivots.add(pivot)
                drawn[number].append(index)
            if len(sources) == count:
                return drawn
    return drawn


def _read(
    corpora: Sequence[Corpus], numbers: np.ndarray, indices: np.ndarray
) -> Iterator[tuple[int, int, Pair]]:
    """Yield corpus, index and text of some pairs, in their order; each corpus is read once."""
    texts: dict[int, Iterator[Pair]] = {
        number: iter(pick(corpora[number], indices[numbers == number]))
        for number in set(numbers.tolist())
    }
    for number, index in zip(numbers.tolist(), indices.tolist(), strict=True):
        yield number, index, next(texts[number])
