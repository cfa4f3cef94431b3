"""Dropout in machine code."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from otx.files.machine_code import machine_code
from otx_encoders.compiled.random_bits import bits

_ZERO = np.float32(0)


@njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _drop_some(values, seed, threshold, kept_scale, begin, end, result):
    source, target = values[begin:end], result[begin:end]
    for index in range(len(source)):
        kept = bits(begin + index, seed) >= threshold
        # A product, so that NaN stays NaN.
        target[index] = source[index] * (kept_scale if kept else _ZERO)


@machine_code(
    "void(float32[::1], UniTuple(uint32, 2), uint32, float32, int64[::1], float32[::1])",
    parallel=True,
)
def drop_numbers(values, seed, threshold, kept_scale, parts, result):
    """Set numbers to 0 with a probability, and scale the others. Holds no lock of the interpreter.

    Args:
        values: Numbers ``[N]``.
        seed: Seed: the same one drops the same places.
        threshold: The probability in units of 2^-32.
        kept_scale: Factor of the numbers that are kept.
        parts: Where the numbers of each thread start, and where the last ones end ``[threads + 1]``.
        result: Receives the numbers ``[N]``.
    """
    if len(parts) == 2:  # starts no thread
        _drop_some(values, seed, threshold, kept_scale, parts[0], parts[1], result)
        return
    for part in prange(len(parts) - 1):
        _drop_some(values, seed, threshold, kept_scale, parts[part], parts[part + 1], result)
