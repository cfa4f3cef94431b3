"""Calls of machine code on as many threads as PyTorch may use."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]

_ONE_AT_A_TIME = Lock()
"""Where Numba finds no OpenMP, two threads must not start its own threads at once."""


def equal_parts(ends: Array, threaded: int) -> Array:
    """Divide pieces of work into one part for each thread.

    Args:
        ends: The work up to the end of each piece, ascending.
        threaded: The work from which more than one thread pays.

    Returns:
        Where the pieces of each part start, and where the last ones end ``[parts + 1]``.
    """
    total = ends[-1]
    threads = torch.get_num_threads() if total >= threaded else 1
    inner = np.searchsorted(ends, np.arange(1, threads) * (total / threads))
    return np.unique(np.concatenate(([0], inner, [len(ends)])))


def launch(kernel: Callable[..., None], parts: int, arguments: tuple[Any, ...]) -> None:
    """Call a kernel whose parts run on threads.

    Args:
        kernel: A function of ``machine_code``.
        parts: Number of parts.
        arguments: Its arguments.
    """
    import numba

    with _ONE_AT_A_TIME:
        numba.set_num_threads(min(parts, numba.config.NUMBA_NUM_THREADS))
        kernel(*arguments)
