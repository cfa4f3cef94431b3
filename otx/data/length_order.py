"""The pairs of a corpus by length: what batches of similar length are drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from otx.files.arrays import create_array, open_array, release, scan

BLOCK = 2**20
"""Pairs in memory at a time."""
_PAIRS, _COUNTS = "by-length.npy", "length-counts.npy"


@dataclass(frozen=True, slots=True)
class LengthOrder:
    """The pairs that can be drawn, longest first, and those of one length in their order.

    Attributes:
        pairs: Numbers of the pairs ``[K]``; may be mapped.
        counts: Number of pairs ``[L + 1]`` whose longer side has 0 to L sub-words.
    """

    pairs: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, lengths: np.ndarray) -> LengthOrder:
        """Order pairs in memory.

        Args:
            lengths: Sub-words of both sides ``[N, 2]``; 0 on a side excludes a pair.
        """
        counts = _count(lengths)
        pairs = np.empty(counts.sum(), dtype=np.int64)
        _fill(pairs, lengths, counts)
        return cls(pairs, counts)

    @classmethod
    def write(cls, lengths: np.ndarray, folder: Path) -> None:
        """Order pairs into files that ``read`` maps.

        Args:
            lengths: Sub-words of both sides ``[N, 2]``; may be mapped.
            folder: Folder of the files.
        """
        counts = _count(lengths)
        np.save(folder / _COUNTS, counts)
        pairs = create_array(folder / _PAIRS, np.int64, (int(counts.sum()),))
        _fill(pairs, lengths, counts)

    @classmethod
    def read(cls, folder: Path) -> LengthOrder:
        """Map what ``write`` wrote.

        Args:
            folder: Folder of the files.
        """
        return cls(open_array(folder / _PAIRS), np.load(folder / _COUNTS))


def _longest(lengths: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield blocks of the pairs' longer sides, 0 for a pair that is not drawn, each with the number of its first."""
    for start, block in scan(lengths, BLOCK):
        yield start, np.where((block > 0).all(axis=1), block.max(axis=1), 0)


def _count(lengths: np.ndarray) -> np.ndarray:
    counts = np.zeros(1, dtype=np.int64)
    for _, longest in _longest(lengths):
        block = np.bincount(longest, minlength=len(counts))
        counts = np.pad(counts, (0, len(block) - len(counts))) + block
    counts[0] = 0
    return counts


def _fill(pairs: np.ndarray, lengths: np.ndarray, counts: np.ndarray) -> None:
    """Sort by counting: the next pair of a length goes behind all longer ones and the earlier ones of its length."""
    places = np.cumsum(counts[::-1])[::-1] - counts
    for start, longest in _longest(lengths):
        drawn = np.flatnonzero(longest)
        drawn = drawn[np.argsort(-longest[drawn], kind="stable")]
        length = longest[drawn]
        _, first, among = np.unique(-length, return_index=True, return_inverse=True)
        pairs[places[length] + np.arange(len(drawn)) - first[among]] = start + drawn
        places = places + np.bincount(length, minlength=len(counts))
        release(pairs)
