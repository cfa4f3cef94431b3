"""Draw batches of pairs: a pure function of lengths, settings, seed and step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from otx.data.length_order import LengthOrder
from otx.data.permutation import LISTED, Permutation
from otx.errors import DataError, UsageError
from otx.files.arrays import release

SIMILAR = 1.25
"""Lengths within this factor may share a batch."""
MIXED = 4
"""Minimum number of batches whose pairs each epoch mixes anew."""

MicroBatch = tuple[int, np.ndarray]
"""Number of a corpus, and the indices of pairs in it."""


class BatchSampler:
    """Draws the micro-batches of every optimiser step, in memory that does not grow with the corpora.

    A micro-batch consists of pairs of one corpus, of similar length. Within a corpus, every pair with a word on both
    sides is drawn exactly once per epoch. If ``accumulate`` does not divide an epoch, its last step continues in the
    next epoch.

    Args:
        lengths: For each corpus, its pairs by length, or the sub-words of both sides of its pairs ``[N, 2]``; 0 on a
            side excludes a pair.
        batch_tokens: Maximum number of sub-words in a micro-batch, both sides padded to the longest of both. A single
            longer pair is a batch of its own.
        seed: Seed of the order.
        sampling: With ``proportional``, an epoch is every pair of every corpus once. With ``equal``, every corpus gives
            as many micro-batches to an epoch as the one with most; the others start again in another order.
        every_pair: Whether each step draws ``accumulate`` micro-batches from every corpus, and so from every language
            pair, whatever ``sampling`` is. An epoch is then one pass over the corpus with most micro-batches.
        accumulate: Micro-batches per optimiser step.

    Attributes:
        steps_per_epoch: Optimiser steps of one epoch, rounded up.

    Raises:
        UsageError: If ``batch_tokens`` or ``accumulate`` is below 1.
        DataError: If a corpus has no pair to train on.
    """

    def __init__(
        self,
        lengths: Sequence[np.ndarray | LengthOrder],
        *,
        batch_tokens: int,
        seed: int,
        sampling: Literal["proportional", "equal"] = "proportional",
        every_pair: bool = False,
        accumulate: int = 1,
    ) -> None:
        if batch_tokens < 1 or accumulate < 1:
            raise UsageError(
                f"batch_tokens is {batch_tokens} and accumulate {accumulate}", "give 1 or more"
            )
        self._draws = [
            _Draws(own, batch_tokens, seed, number) for number, own in enumerate(lengths)
        ]
        self._seed, self._every_pair, self._accumulate = seed, every_pair, accumulate
        counts = np.array([draws.count for draws in self._draws])
        even = every_pair or sampling == "equal"
        self._shares = np.full_like(counts, counts.max()) if even else counts
        self._turns = (-1, np.empty(0, np.int64), np.empty(0, np.int64))
        epoch = int(counts.max() if every_pair else self._shares.sum())
        self.steps_per_epoch = -(-epoch // accumulate)

    def micro_batches(self, step: int) -> list[MicroBatch]:
        """Return the micro-batches of an optimiser step.

        Args:
            step: Number of the step, from 0, counted over all epochs.
        """
        rounds = range(step * self._accumulate, (step + 1) * self._accumulate)
        if self._every_pair:
            turns = [(number, turn) for turn in rounds for number in range(len(self._draws))]
        else:
            turns = [self._turn(draw) for draw in rounds]
        return [(number, self._draws[number].batch(turn)) for number, turn in turns]

    def _turn(self, draw: int) -> tuple[int, int]:
        """Return the corpus of a draw, and how many draws that corpus had before."""
        if len(self._draws) == 1:
            return 0, draw
        epoch, place = divmod(draw, int(self._shares.sum()))
        if self._turns[0] != epoch:
            generator = np.random.default_rng([self._seed, 0, epoch])
            numbers = generator.permutation(np.repeat(np.arange(len(self._shares)), self._shares))
            earlier = np.empty_like(numbers)
            for number, share in enumerate(self._shares):
                earlier[numbers == number] = share * epoch + np.arange(share)
            self._turns = epoch, numbers, earlier
        _, numbers, earlier = self._turns
        return int(numbers[place]), int(earlier[place])


class _Draws:
    """The endless sequence of one corpus's micro-batches, ``count`` per epoch.

    The batches of an epoch are listed for a corpus of up to ``LISTED`` pairs. For a larger one, each is computed when
    it is drawn.
    """

    def __init__(
        self, lengths: np.ndarray | LengthOrder, batch_tokens: int, seed: int, number: int
    ) -> None:
        order = lengths if isinstance(lengths, LengthOrder) else LengthOrder.of(lengths)
        self._seed, self._number = seed, number
        self._pairs, self._buckets = order.pairs, _buckets(order.counts, batch_tokens)
        self._ends = np.cumsum([parts for _, _, parts in self._buckets], dtype=np.int64)
        if not self._buckets:
            raise DataError(
                f"corpus {number + 1} of the run has no pair to train on",
                "give more pairs, or lower data.heldout",
            )
        self.count = int(self._ends[-1])
        self._epoch: tuple[int, Callable[[int], np.ndarray]] | None = None

    def batch(self, turn: int) -> np.ndarray:
        epoch, place = divmod(turn, self.count)
        if self._epoch is None or self._epoch[0] != epoch:
            key = self._seed, 1 + self._number, epoch
            draw = self._listed(key) if len(self._pairs) <= LISTED else self._computed(key)
            self._epoch = epoch, draw
        return self._epoch[1](place)

    def _listed(self, key: tuple[int, int, int]) -> Callable[[int], np.ndarray]:
        generator = np.random.default_rng(key)
        batches = [
            part
            for start, end, parts in self._buckets
            for part in np.array_split(generator.permutation(self._pairs[start:end]), parts)
        ]
        order = generator.permutation(len(batches))
        release(self._pairs)
        return lambda place: batches[order[place]]

    def _computed(self, key: tuple[int, int, int]) -> Callable[[int], np.ndarray]:
        order = Permutation(self.count, [*key, 0])

        def draw(place: int) -> np.ndarray:
            number = int(order.take(np.array([place]))[0])
            bucket = int(np.searchsorted(self._ends, number, side="right"))
            start, end, parts = self._buckets[bucket]
            part, size = number - int(self._ends[bucket]) + parts, end - start
            # The bounds of numpy.array_split.
            bounds = [size // parts * p + min(p, size % parts) for p in (part, part + 1)]
            mixed = Permutation(size, [*key, 1 + bucket], listed=0)
            batch: np.ndarray = self._pairs[start + mixed.take(np.arange(*bounds))]
            release(self._pairs)
            return batch

        return draw


def _buckets(counts: np.ndarray, batch_tokens: int) -> list[tuple[int, int, int]]:
    """Divide pairs, longest first, into buckets of similar length.

    Args:
        counts: Number of pairs by length.
        batch_tokens: Maximum number of sub-words in a batch.

    Returns:
        First place, end and number of batches of each bucket.
    """
    # Number of pairs that are at least so long.
    reaching = np.cumsum(counts[::-1])[::-1]
    total = int(counts.sum())
    buckets = []
    start = 0
    while start < total:
        longest = int(np.flatnonzero(reaching > start)[-1])
        capacity = max(1, batch_tokens // (2 * longest))
        similar = int(reaching[math.ceil(longest / SIMILAR)])
        end = min(max(similar, start + MIXED * capacity), total)
        buckets.append((start, end, -(-(end - start) // capacity)))
        start = end
    return buckets
