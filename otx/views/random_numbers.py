"""Random numbers that a pair of a micro-batch has by itself, however the batch is padded or split over processes.

A generator hands out numbers in the order of the calls, so that a pair's numbers depend on all pairs before it. Here a
number is a hash of its row and column.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROW, _COLUMN, _STREAM = -0x61C8864680B583EB, 0x2545F4914F6CDD1D, -0x2B2AE2D6C3D3F8D5
_MIX = ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15))
_LAST = 31
_BITS = 24
"""Bits of a float32's fraction, so that every number is exact."""


def uniform(
    shape: torch.Size, *, seed: int, stream: int, first: int = 0, device: torch.device | None = None
) -> Tensor:
    """Draw numbers from [0, 1), each a pure function of the seed, the stream, its row and its column.

    Args:
        shape: Rows and columns.
        seed: Seed of the micro-batch.
        stream: Number of the stream; streams of one seed are independent.
        first: Number of the first row in the micro-batch.
        device: Device of the numbers.

    Returns:
        Numbers of this shape, in float32.

    Example:
        >>> whole = uniform(torch.Size([3, 4]), seed=1, stream=0)
        >>> part = uniform(torch.Size([1, 2]), seed=1, stream=0, first=2)
        >>> bool((part == whole[2:, :2]).all())
        True

    References:
        Steele, Lea & Flood (2014), "Fast Splittable Pseudorandom Number Generators" (SplitMix64).
        https://doi.org/10.1145/2660193.2660195
    """
    rows = torch.arange(first, first + shape[0], device=device)[:, None]
    columns = torch.arange(shape[1], device=device)
    # The sums and products wrap around: 64 bits of them are all that counts.
    key = (seed + stream * _STREAM + 2**63) % 2**64 - 2**63
    numbers = _mixed(_mixed(rows * _ROW + key) + columns * _COLUMN)
    return _shifted(numbers, 64 - _BITS).float() * 2.0**-_BITS


def _mixed(numbers: Tensor) -> Tensor:
    for shift, factor in _MIX:
        numbers = (numbers ^ _shifted(numbers, shift)) * factor
    return numbers ^ _shifted(numbers, _LAST)


def _shifted(numbers: Tensor, count: int) -> Tensor:
    """Shift right, zeros from the left."""
    return (numbers >> count) & ((1 << (64 - count)) - 1)
