"""Small problems solved on chip, one program each, where Triton runs.

A problem whose tile fits stays in a streaming multiprocessor's registers from its cost to its potentials: no iteration
reads or writes memory, and none launches anything. Nothing here imports triton before ``is_available`` has found that
it is needed.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

from torch import Tensor

LARGEST_TILE = 128 * 128
"""Entries that 16 warps hold twice, cost and plan, in 64 of their 128 registers each."""


def is_available(tensor: Tensor) -> bool:
    """Return True if kernels run on the tensor's device: an NVIDIA GPU with triton, or its interpreter.

    Args:
        tensor: A tensor on the device in question.

    Returns:
        True on CUDA devices, or everywhere if ``TRITON_INTERPRET=1`` is set; False without triton.
    """
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    return (tensor.is_cuda or interpreted) and _is_installed()


def fits(n: int, m: int) -> bool:
    """Return True if a problem fits on chip.

    Args:
        n: Number of source words.
        m: Number of target words.

    Returns:
        True if its tile has at most ``LARGEST_TILE`` entries.

    Example:
        >>> fits(128, 128), fits(1, 1024), fits(129, 65)
        (True, True, False)
    """
    return tile_side(n) * tile_side(m) <= LARGEST_TILE


def tile_side(length: int) -> int:
    """Return the side of the tile that holds a number of words.

    Args:
        length: Number of words.

    Returns:
        The smallest power of two of at least ``length`` that matrix products accept, 16 at least.

    Example:
        >>> tile_side(3), tile_side(17), tile_side(64)
        (16, 32, 64)
    """
    return max(16, 1 << (length - 1).bit_length())


@cache
def _is_installed() -> bool:
    return find_spec("triton") is not None
