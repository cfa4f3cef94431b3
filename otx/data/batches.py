"""Draw batches of pairs: a pure function of lengths, settings, seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from otx.errors import DataError, UsageError

MIXED = 4
"""Minimum number of batches whose pairs each epoch mixes anew."""

MicroBatch = tuple[int, np.ndarray]
"""Number of a corpus, and the indices of pairs in it."""


class BatchSampler:
    """Draws the micro-batches of every optimiser step.

    A micro-batch consists of pairs of one corpus, of similar length. Within a corpus, every pair with a word on both
    sides is drawn exactly once per epoch. If ``accumulate`` does not divide an epoch, its last step continues in the
    next epoch.

    Args:
        lengths: For each corpus, the sub-words of both sides of its pairs ``[N, 2]``; 0 on a side excludes a pair.
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
        lengths: Sequence[np.ndarray],
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
            _Draws(sizes, batch_tokens, seed, number) for number, sizes in enumerate(lengths)
        ]
        self._seed, self._every_pair, self._accumulate = seed, every_pair, accumulate
        counts = np.array([draws.count for draws in self._draws])
        even = every_pair or sampling == "equal"
        self._shares = np.full_like(counts, counts.max()) if even else counts
        self._turns: tuple[int, list[tuple[int, int]]] = (-1, [])
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
        epoch, place = divmod(draw, int(self._shares.sum()))
        if self._turns[0] != epoch:
            generator = np.random.default_rng([self._seed, 0, epoch])
            numbers = np.repeat(np.arange(len(self._shares)), self._shares)
            earlier = self._shares * epoch
            turns = []
            for number in generator.permutation(numbers):
                turns.append((int(number), int(earlier[number])))
                earlier[number] += 1
            self._turns = epoch, turns
        return self._turns[1][place]


class _Draws:
    """The endless sequence of one corpus's micro-batches, ``count`` per epoch."""

    def __init__(self, lengths: np.ndarray, batch_tokens: int, seed: int, number: int) -> None:
        self._seed, self._number = seed, number
        self._buckets = _buckets(np.asarray(lengths), batch_tokens)
        self.count = sum(parts for _, parts in self._buckets)
        if self.count == 0:
            raise DataError(
                f"corpus {number + 1} of the run has no pair to train on",
                "give more pairs, or lower data.heldout",
            )
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])

    def batch(self, turn: int) -> np.ndarray:
        epoch, place = divmod(turn, self.count)
        if self._epoch[0] != epoch:
            generator = np.random.default_rng([self._seed, 1 + self._number, epoch])
            batches = [
                part
                for members, parts in self._buckets
                for part in np.array_split(generator.permutation(members), parts)
            ]
            order = generator.permutation(len(batches))
            self._epoch = epoch, [batches[i] for i in order]
        return self._epoch[1][place]


def _buckets(lengths: np.ndarray, batch_tokens: int) -> list[tuple[np.ndarray, int]]:
    """Return buckets of pairs of similar lengths, longest first, with the number of batches of each.

    Pairs whose longer sides are equal, or enough neighbours of them for ``MIXED`` batches, are cut into buckets of
    about ``MIXED`` batches by the difference of their sides.
    """
    drawn = np.flatnonzero((lengths > 0).all(axis=1))
    longest = lengths[drawn].max(axis=1, initial=0)
    order = np.argsort(-longest, kind="stable")
    drawn, longest = drawn[order], longest[order]
    difference = lengths[drawn, 0] - lengths[drawn, 1]
    buckets = []
    start = 0
    while start < len(drawn):
        capacity = max(1, batch_tokens // (2 * int(longest[start])))
        equal = int(np.searchsorted(-longest, -longest[start], side="right"))
        end = min(max(equal, start + MIXED * capacity), len(drawn))
        members = drawn[start:end][np.argsort(difference[start:end], kind="stable")]
        count = max(1, len(members) // (MIXED * capacity))
        for part in np.array_split(members, count):
            buckets.append((part, -(-len(part) // capacity)))
        start = end
    return buckets
