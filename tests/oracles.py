"""Check an oracle's answer before a test compares ours with it.

POT's solvers stop when their iterate no longer moves, or after a number of iterations, and neither makes the plan a
solution. Each function returns the plan if it satisfies the problem. Otherwise a hypothesis test discards the
example and draws another (hypothesis itself fails a test that discards most), and any other test fails. Assert what
needs no oracle first: a discarded example skips only what follows.

GeomLoss's annealing is a fixed schedule that claims no convergence: the tests that reproduce it have nothing to check.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, currently_in_test_context
from numpy.typing import NDArray

Array = NDArray[np.float64]
TOLERANCE = 1e-6
"""Largest error of a marginal or an entry, in mass; the tests compare plans within 1e-4 to 1e-8."""


def require(holds: bool, reason: str) -> None:
    """Discard the example of a hypothesis test, or fail any other test, unless ``holds``."""
    if currently_in_test_context():
        assume(holds)
    assert holds, f"the oracle's answer is no solution: {reason}"


def balanced(plan: Any, a: Array, b: Array, *, tolerance: float = TOLERANCE) -> Array:
    """Return a plan whose row sums are ``a`` and whose column sums are ``b``."""
    plan = _nonnegative(plan)
    rows, columns = np.abs(plan.sum(1) - a).max(), np.abs(plan.sum(0) - b).max()
    require(max(rows, columns) <= tolerance, f"its marginals are off by {rows:.1e}, {columns:.1e}")
    return plan


def partial(plan: Any, a: Array, b: Array, mass: float, *, tolerance: float = TOLERANCE) -> Array:
    """Return a plan of total ``mass`` whose row and column sums are at most ``a`` and ``b``."""
    plan = _nonnegative(plan)
    rows, columns = (plan.sum(1) - a).max(), (plan.sum(0) - b).max()
    require(max(rows, columns) <= tolerance, f"its marginals exceed by {rows:.1e}, {columns:.1e}")
    require(abs(plan.sum() - mass) <= tolerance, f"its mass is {plan.sum():.6f}, not {mass:.6f}")
    return plan


def relaxed(
    plan: Any, a: Array, b: Array, cost: Array, epsilon: float, tau: float | tuple[float, float],
    *, tolerance: float = TOLERANCE,
) -> Array:  # fmt: skip
    """Return a plan that is stationary for the unbalanced problem, or feasible where a tau is infinite.

    The only optimum is ``a b^T exp((f + g - cost) / epsilon)`` with ``f = -tau log(P 1 / a)``, likewise ``g``; an
    infinite tau constrains that side's marginal instead, which fixes its potential.
    """
    plan = _nonnegative(plan)
    taus = tau if isinstance(tau, tuple) else (tau, tau)
    rebuilt = np.outer(a, b) * np.exp(-cost / epsilon)
    for axis, (side, strength) in enumerate(zip((a, b), taus, strict=True)):
        if np.isfinite(strength):
            marginal = plan.sum(1 - axis)
            rebuilt *= np.expand_dims((marginal / side) ** (-strength / epsilon), 1 - axis)
    for axis, (side, strength) in enumerate(zip((a, b), taus, strict=True)):
        if not np.isfinite(strength):
            rebuilt *= np.expand_dims(side / rebuilt.sum(1 - axis), 1 - axis)
    off = np.abs(rebuilt - plan).max()
    require(off <= tolerance, f"its marginals ask for a plan {off:.1e} away")
    return plan


def _nonnegative(plan: Any) -> Array:
    plan = np.asarray(plan, dtype=np.float64)
    require(
        bool(np.isfinite(plan).all() and (plan >= 0).all()), "an entry is negative or no number"
    )
    return plan
