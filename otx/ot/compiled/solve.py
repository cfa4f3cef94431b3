"""Batches of transport problems handed to the compiled solver, on as many threads as torch may use."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otx.ot.solvers.sinkhorn_kernel import CHECK_EVERY, GROWTH, OMEGA, OMEGA_MOST, SAFE_EXPONENT

NOTHING32, NOTHING64 = np.empty((0, 1, 1), np.float32), np.empty((0, 1, 1))
NO_START = np.empty((0, 1))


def run(cost, a, b, epsilon, taus, symmetric, tolerance, limit, initial, want_plan):
    from otx.ot.compiled import kernel

    rules = np.array([SAFE_EXPONENT, CHECK_EVERY, OMEGA, OMEGA_MOST, GROWTH, 36, 12, 256.0])
    c = cost.detach().numpy()
    single = c.dtype == np.float32
    B, N, M = c.shape
    aa, bb = (np.ascontiguousarray(t.detach().numpy(), np.float64) for t in (a, b))
    of_rows, of_columns = np.zeros((3, B, N)), np.zeros((3, B, M))
    of_rows[2], of_columns[2] = -np.inf, -np.inf
    numbers, steps = np.empty((3, B)), np.empty(B, np.int64)
    plan = np.zeros(c.shape, c.dtype) if want_plan else (NOTHING32 if single else NOTHING64)
    start = NO_START if initial is None else np.ascontiguousarray(initial.detach().numpy(), np.float64)
    fault = kernel.solve_range(
        c if single else NOTHING32, NOTHING64 if single else c, aa, bb, start, epsilon, taus, symmetric,
        tolerance, limit, rules, 0, B, of_rows, of_columns, numbers, steps,
        plan if single else NOTHING32, NOTHING64 if single else plan,
    )
    return fault, of_rows, of_columns, numbers, steps, plan
