"""From a problem to its Transport: a start by sweeps or on chip, then Newton's steps to the end."""

from __future__ import annotations

import torch
from torch import Tensor

from otx.ot.kernels import available, fits
from otx.ot.kernels.on_chip import solve_on_chip
from otx.ot.newton import ascend
from otx.ot.precision import full_precision, raised
from otx.ot.problem import EntropicProblem, Taus, pose
from otx.ot.sweeps import Sweep
from otx.ot.transport import Transport, envelope

SWEEPS = 12
"""Nearly enough where the cost's range is ten epsilons; where it is more, Newton is cheaper."""


def solve(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    tau: Taus,
    sweep: Sweep,
    tolerance: float,
    max_iterations: int,
    initial: Tensor | None = None,
) -> Transport:
    """Solve ``cost [B, N, M]`` between ``a [B, N]`` and ``b [B, M]``.

    The start is ``initial``, potentials g ``[B, M]``, or else what the kernel finds in float32
    where there is one (see kernels), or else what ``sweep`` makes of zero. All but the kernel
    computes in float64 (see precision); results are in the cost's dtype, float32 at least.
    """
    with full_precision(cost):
        cost, a, b = raised(cost), raised(a), raised(b)
        problem = pose(cost, a, b, epsilon, tau)
        if initial is None:
            start, steps, spent = _begun(problem, sweep, tolerance, max_iterations)
        else:
            start, steps, spent = initial.detach().to(problem.b) / epsilon, 0, 0
        ascent = ascend(problem, start, tolerance, max_iterations - spent)
        u, v = _centred(problem, ascent.v)
        plan = problem.plan(u, v)
        mass = plan.sum((1, 2))
        value = (epsilon * problem.dual(u, v, mass)).to(cost)
        to_a, to_b = (epsilon * slope for slope in problem.slopes(u, v))
        return Transport(
            value=envelope(value, (cost, plan.to(cost)), (a, to_a.to(a)), (b, to_b.to(b))),
            f=(epsilon * u).masked_fill(problem.a == 0, 0).to(cost),
            g=(epsilon * v).masked_fill(problem.b == 0, 0).to(cost),
            plan=plan.to(cost),
            iterations=ascent.steps + steps,
            marginal_error=ascent.error.to(cost),
            converged=ascent.error <= tolerance,
            mass=mass.to(cost),
        )


def _begun(
    problem: EntropicProblem, sweep: Sweep, tolerance: float, limit: int
) -> tuple[Tensor, Tensor | int, int]:
    """Potentials v ``[B, M]`` to ascend from, the iterations of each problem, and their bound."""
    _, n, m = problem.exponent.shape
    if limit >= 4 and available(problem.exponent) and fits(n, m):
        most = limit // 2  # the rest is for Newton, where these or float32 were not enough
        solved = solve_on_chip(problem, tolerance, most)
        return solved.v.to(problem.b).nan_to_num(0, 0, 0), solved.steps, most
    sweeps = min(SWEEPS, limit)
    return sweep(problem, torch.zeros_like(problem.b), sweeps), sweeps, sweeps


def _centred(problem: EntropicProblem, v: Tensor) -> tuple[Tensor, Tensor]:
    """Both potentials; if balanced, the constant that they share is such that <a, u> = <b, v>."""
    u = problem.rows(v)
    constrained = (problem.loose_rows == 0) & (problem.loose_columns == 0)
    half = ((problem.b * v).sum(1) - (problem.a * u).sum(1)) / problem.a.sum(1) / 2
    shift = half[:, None].masked_fill(~constrained, 0)
    return u + shift, v - shift
