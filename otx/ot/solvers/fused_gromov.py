"""Transport that also keeps the structure within each sentence: fused Gromov-Wasserstein, entropic."""

from __future__ import annotations

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import at_least_float32, no_autocast, to_solver_dtype
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.transport import Transport, envelope


def fused_gromov(
    cost: Tensor,
    first: Tensor,
    second: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    alpha: float,
    tolerance: float = 1e-6,
    max_iterations: int = 100,
) -> Transport:
    """``min (1 - alpha) <P, C> + alpha sum_ijkl (D_ik - E_jl)^2 P_ij P_kl + epsilon KL(P | a b^T)``.

    P has the marginals a and b. ``cost [B, N, M]``; ``first [B, N, N]`` = D and ``second [B, M, M]`` = E are
    the symmetric distances within each side, in units of their own; ``a [B, N]`` and ``b [B, M]`` each
    sum to 1 and are 0 at padding, where the others may hold anything. ``alpha`` is from 0
    (``sinkhorn``) to 1 (Gromov-Wasserstein alone).

    The problem is not convex. From ``a b^T`` on, the quadratic part is replaced by its slope at the last plan
    and the balanced problem solved (Peyre, Cuturi, Solomon, ICML 2016; Vayer et al., ICML 2019):
    POT's ``ot.gromov.entropic_fused_gromov_wasserstein(solver="PGD")``. ``iterations`` counts these outer
    steps; ``converged`` says that the last moved no more than ``tolerance`` (L1, in mass) and was itself
    solved; ``f`` and ``g`` are the potentials of the last. ``value``'s gradient is the envelope's at the plan
    reached, by the cost and both structures; the masses are constants to it.

    Raises ProblemError as ``otx.ot.problems.entropic.validate`` says, and for an alpha out of range.
    """
    if not 0 <= alpha <= 1:
        raise ProblemError(f"alpha is {alpha:g}", "it must be from 0 to 1")
    with no_autocast(cost):
        cost, first, second = (
            at_least_float32(cost),
            at_least_float32(first),
            at_least_float32(second),
        )
        real_a, real_b = a > 0, b > 0
        c = _known(cost, real_a, real_b)
        d, e = _known(first, real_a, real_a), _known(second, real_b, real_b)
        p, q = to_solver_dtype(a), to_solver_dtype(b)
        constant = (d.square() @ p[:, :, None]) + (e.square() @ q[:, :, None]).mT
        plan = _product(p, q)
        steps = torch.full_like(p[:, 0], max_iterations, dtype=torch.long)
        moving = torch.ones_like(steps, dtype=torch.bool)
        last: Transport | None = None
        for step in range(1, max_iterations + 1):
            slope = (1 - alpha) * c + 2 * alpha * (constant - 2 * d @ plan @ e)
            start = None if last is None else last.g
            last = sinkhorn(slope, p, q, epsilon=epsilon, tolerance=tolerance / 10, initial=start)
            moved = (last.plan - plan).abs().sum((1, 2))
            plan = torch.where(moving[:, None, None], last.plan, plan)
            steps = torch.where(moving & (moved <= tolerance), step, steps)
            moving = moving & ~(moved <= tolerance)
            if not bool(moving.any()):
                break
        assert last is not None
        misfit = constant - 2 * d @ plan @ e
        independent = _product(p, q).masked_fill(plan == 0, 1)
        divergence = torch.special.xlogy(plan, plan / independent).sum((1, 2))
        value = (plan * ((1 - alpha) * c + alpha * misfit)).sum((1, 2)) + epsilon * divergence
        rows, columns = plan.sum(2), plan.sum(1)
        to_first = 2 * alpha * (d * _product(rows, rows) - plan @ e @ plan.mT)
        to_second = 2 * alpha * (e * _product(columns, columns) - plan.mT @ d @ plan)
        slopes = tuple(slope.to(cost) for slope in ((1 - alpha) * plan, to_first, to_second))
        known = plan.to(cost)
        return Transport(
            value=envelope(value.to(cost), (cost, first, second), lambda: slopes),
            f=last.f.to(cost),
            g=last.g.to(cost),
            entries=lambda: known,
            iterations=steps,
            marginal_error=last.marginal_error.to(cost),
            converged=~moving & last.converged,
            mass=plan.sum((1, 2)).to(cost),
        )


def _known(matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The matrix as a constant, 0 where a row or a column is padding."""
    return to_solver_dtype(matrix).masked_fill(~(rows[:, :, None] & columns[:, None, :]), 0)


def _product(p: Tensor, q: Tensor) -> Tensor:
    return p[:, :, None] * q[:, None, :]
