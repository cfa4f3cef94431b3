"""Calls of machine code on as many threads as PyTorch may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]

_one_at_a_time = Lock()
"""Where Numba finds no OpenMP, two threads must not start its own threads at once."""
_forked = False
"""Whether this process is a fork: OpenMP ends a fork of a process that has used its threads."""


def _after_fork() -> None:
    global _one_at_a_time, _forked
    _one_at_a_time, _forked = Lock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def thread_count(work: int, threaded: int) -> int:
    """Return how many threads share some work: 1 in a forked process.

    Args:
        work: The work.
        threaded: The work from which more than one thread pays.
    """
    return torch.get_num_threads() if work >= threaded and not _forked else 1


def equal_parts(ends: Array, threaded: int) -> Array:
    """Divide pieces of work into one part for each thread.

    Args:
        ends: The work up to the end of each piece, ascending.
        threaded: The work from which more than one thread pays.

    Returns:
        Where the pieces of each part start, and where the last ones end ``[parts + 1]``.
    """
    threads = thread_count(ends[-1], threaded)
    inner = np.searchsorted(ends, np.arange(1, threads) * (ends[-1] / threads))
    return np.unique(np.concatenate(([0], inner, [len(ends)])))


def launch(kernel: Callable[..., None], parts: Array, arguments: tuple[Any, ...]) -> None:
    """Call a kernel whose parts run on threads.

    Args:
        kernel: A function of ``machine_code`` that starts threads for more than one part only.
        parts: Where the work of each thread starts, and where the last one's ends ``[parts + 1]``.
        arguments: The kernel's arguments.
    """
    if len(parts) == 2:
        kernel(*arguments)
        return
    import numba

    with _one_at_a_time:
        before = numba.get_num_threads()
        numba.set_num_threads(min(len(parts) - 1, numba.config.NUMBA_NUM_THREADS))
        try:
            kernel(*arguments)
        finally:
            numba.set_num_threads(before)
