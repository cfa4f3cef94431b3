"""Small problems solved on chip, one program each, where Triton runs.

A problem whose tile fits stays in a streaming multiprocessor's registers from its cost to its
potentials: no iteration reads or writes memory, and none launches anything. Nothing here imports
triton before ``available`` has found that it is needed.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

from torch import Tensor

LARGEST_TILE = 128 * 128
"""Entries that 16 warps hold twice, cost and plan, in 64 of their 128 registers each."""


def available(tensor: Tensor) -> bool:
    """Whether kernels run on the tensor's device: an NVIDIA GPU with triton, or its interpreter."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    return (tensor.is_cuda or interpreted) and _installed()


def fits(n: int, m: int) -> bool:
    """Whether a problem of n by m words is held on chip."""
    return side(n) * side(m) <= LARGEST_TILE


def side(length: int) -> int:
    """The side of the tile that holds so many words: a power of two that matrix products accept."""
    return max(16, 1 << (length - 1).bit_length())


@cache
def _installed() -> bool:
    return find_spec("triton") is not None
