"""Permutations as pure functions of a seed, in memory that does not grow with their length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LISTED = 2**20
"""Up to this length a permutation is listed as numpy draws it. A longer one is computed where it is read."""
ROUNDS = 6
"""Rounds of the cipher. Four suffice against a distinguisher; six are as cheap as reading what they point to."""


class Permutation:
    """A permutation of ``range(count)``.

    A long one is a Feistel cipher on the smallest range of 2 to the power of an even number that holds ``count``. A
    number beyond ``count`` is encrypted again until it is inside, so that every number below ``count`` occurs once.

    Args:
        count: Its length.
        seed: A seed of ``numpy.random.default_rng``.
        listed: Length up to which it is listed as numpy draws it, instead of computed.

    Example:
        >>> order = Permutation(2**21, seed=1)
        >>> len(np.unique(order.take(np.arange(2**21)))) == 2**21
        True

    References:
        Black & Rogaway (2002), "Ciphers with Arbitrary Finite Domains". https://doi.org/10.1007/3-540-45760-7_9
    """

    def __init__(self, count: int, seed: int | Sequence[int], *, listed: int | None = None) -> None:
        generator = np.random.default_rng(seed)
        self.count = count
        limit = LISTED if listed is None else listed
        self._listed = generator.permutation(count) if count <= limit else None
        self._half = np.uint64(-(-max(1, count - 1).bit_length() // 2))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        self._keys = generator.integers(2**63, size=ROUNDS, dtype=np.uint64)

    def take(self, places: np.ndarray) -> np.ndarray:
        """Return the numbers at some places.

        Args:
            places: Places ``[K]`` from 0, below ``count``.

        Returns:
            Numbers ``[K]`` (int64).
        """
        if self._listed is not None:
            listed: np.ndarray = self._listed[places]
            return listed
        numbers = self._encrypted(np.asarray(places).astype(np.uint64))
        while len(outside := np.flatnonzero(numbers >= self.count)):
            numbers[outside] = self._encrypted(numbers[outside])
        return numbers.astype(np.int64)

    def _encrypted(self, numbers: np.ndarray) -> np.ndarray:
        left, right = numbers >> self._half, numbers & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mixed(right + key) & self._mask)
        encrypted: np.ndarray = (left << self._half) | right
        return encrypted


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Return 64 bits of which each depends on all bits of a number: the end of splitmix64."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    numbers = numbers ^ (numbers >> np.uint64(31))
    return numbers
