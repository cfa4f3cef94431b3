"""Random bits that depend on a place and a seed only, and so on neither the order nor the number of threads.

They are compiled into the kernels of this folder, which must be compiled again (``touch``) when this file changes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_M1, _M2 = np.uint32(0x21F0AAAD), np.uint32(0x735A2D97)
_S15, _S16 = np.uint32(15), np.uint32(16)


@njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def bits(place, seed):
    """Return 32 random bits.

    They are a permutation of the numbers of 32 bits with two keys, by a multiplication after each of two shifts:
    https://github.com/skeeto/hash-prospector

    Args:
        place: Number of the bits.
        seed: Two numbers of 32 bits.
    """
    x = np.uint32(np.uint32(place) + np.uint32(seed[0]))
    x = np.uint32(np.uint32(x ^ (x >> _S16)) * _M1)
    x = np.uint32(x ^ np.uint32(seed[1]))
    x = np.uint32(np.uint32(x ^ (x >> _S15)) * _M2)
    return np.uint32(x ^ (x >> _S15))
