"""Which pairs go into which batch: a pure function of lengths, settings, seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from otx.errors import DataError, UsageError

SIMILAR = 1.25
"""Lengths within this factor may share a batch."""
MIXED = 4
"""Batches' worth of pairs, at least, among which each epoch draws anew who shares a batch."""

MicroBatch = tuple[int, np.ndarray]
"""The corpus's number and the pairs' indices in it."""


class BatchSampler:
    """Micro-batches of every optimiser step, ``accumulate`` of them a step.

    A micro-batch holds pairs of one corpus, of similar length; both sides padded to the longest of
    both have no more than ``batch_tokens`` sub-words together, unless the batch is a single longer
    pair. Within its corpus every pair (with a word on both sides) is drawn exactly once an epoch.

    ``sampling``: ``proportional``, an epoch is every pair of every corpus once; ``equal``, every
    corpus gives as many micro-batches to an epoch as the one that has most, the others beginning
    anew in another order. ``every_pair``: each step draws ``accumulate`` micro-batches from every
    corpus, so from every language pair, whatever ``sampling`` says; an epoch is then the one that
    has most, once. Draws follow one another without a gap: where ``accumulate`` does not divide an
    epoch, its last step goes on into the next.
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
            _Draws(own, batch_tokens, seed, number) for number, own in enumerate(lengths)
        ]
        self._seed, self._every_pair, self._accumulate = seed, every_pair, accumulate
        counts = np.array([draws.count for draws in self._draws])
        even = every_pair or sampling == "equal"
        self._shares = np.full_like(counts, counts.max()) if even else counts
        self._turns: tuple[int, list[tuple[int, int]]] = (-1, [])
        epoch = int(counts.max() if every_pair else self._shares.sum())
        self.steps_per_epoch = -(-epoch // accumulate)

    def micro_batches(self, step: int) -> list[MicroBatch]:
        """The micro-batches of optimiser step ``step`` (from 0, in the first epoch and on)."""
        rounds = range(step * self._accumulate, (step + 1) * self._accumulate)
        if self._every_pair:
            turns = [(number, turn) for turn in rounds for number in range(len(self._draws))]
        else:
            turns = [self._turn(draw) for draw in rounds]
        return [(number, self._draws[number].batch(turn)) for number, turn in turns]

    def _turn(self, draw: int) -> tuple[int, int]:
        """Draw number ``draw`` of all: whose turn it is, and how many it had before."""
        epoch, place = divmod(draw, int(self._shares.sum()))
        if self._turns[0] != epoch:
            generator = np.random.default_rng([self._seed, 0, epoch])
            numbers = np.repeat(np.arange(len(self._shares)), self._shares)
            had = self._shares * epoch
            turns = []
            for number in generator.permutation(numbers):
                turns.append((int(number), int(had[number])))
                had[number] += 1
            self._turns = epoch, turns
        return self._turns[1][place]


class _Draws:
    """The endless row of one corpus's micro-batches, ``count`` an epoch."""

    def __init__(self, lengths: np.ndarray, batch_tokens: int, seed: int, number: int) -> None:
        self._seed, self._number = seed, number
        self._buckets = _buckets(np.asarray(lengths), batch_tokens)
        self.count = sum(parts for _, parts in self._buckets)
        if self.count == 0:
            raise DataError(f"corpus {number + 1} of the run has no pair to train on")
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
    """Pairs of similar length, longest first, and into how many batches each such bucket goes."""
    drawn = np.flatnonzero((lengths > 0).all(axis=1))
    longest = lengths[drawn].max(axis=1, initial=0)
    order = np.argsort(-longest, kind="stable")
    drawn, longest = drawn[order], longest[order]
    buckets = []
    start = 0
    while start < len(drawn):
        capacity = max(1, batch_tokens // (2 * int(longest[start])))
        similar = int(np.searchsorted(-longest, -longest[start] / SIMILAR, side="right"))
        end = min(max(similar, start + MIXED * capacity), len(drawn))
        buckets.append((drawn[start:end], -(-(end - start) // capacity)))
        start = end
    return buckets
