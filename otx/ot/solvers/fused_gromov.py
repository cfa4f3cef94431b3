"""Transport that also keeps the structure within each sentence: fused Gromov-Wasserstein, entropic."""

from __future__ import annotations

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import at_least_float32, no_autocast, to_solver_dtype
from otx.ot.problems.problem import Problem
from otx.ot.solvers.solve import solve
from otx.ot.stopping import Stopping
from otx.ot.transport import Transport, attach_slopes


def fused_gromov(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    distances_a: Tensor,
    distances_b: Tensor,
    epsilon: float,
    alpha: float,
    tolerance: float = 1e-6,
    max_iterations: int = 100,
) -> Transport:
    """Solve entropic fused Gromov-Wasserstein transport for a batch of problems.

    Minimises ``(1 - alpha) <P, C> + alpha sum_ijkl (D_ik - E_jl)^2 P_ij P_kl + epsilon KL(P | a b^T)`` over plans
    ``P >= 0`` with row sums ``a`` and column sums ``b``, with D and E the distances within each side.

    The problem is not convex. From ``a b^T`` on, each outer step replaces the quadratic part by its slope at the last
    plan and solves the balanced problem, as POT's ``ot.gromov.entropic_fused_gromov_wasserstein(solver="PGD")`` does.

    Args:
        cost: Cost matrices ``[B, N, M]`` between the sides, any unit. Entries without mass may hold anything.
        a: Source masses ``[B, N]``; each problem sums to 1; 0 marks padding. Constants to the gradient.
        b: Target masses ``[B, M]``; each problem sums to 1; 0 marks padding. Constants to the gradient.
        distances_a: Symmetric distances within the source ``[B, N, N]``, any unit.
        distances_b: Symmetric distances within the target ``[B, M, M]``, in the unit of ``distances_a``.
        epsilon: Regularisation strength, in the unit of ``cost``.
        alpha: Weight of the structure, from 0 (``sinkhorn``) to 1 (Gromov-Wasserstein alone).
        tolerance: Stop when a step moves the plan by at most this (L1, in mass).
        max_iterations: Upper limit of outer steps; problems beyond it are returned with ``converged=False``.

    Returns:
        Value, potentials, plan and convergence of every problem. ``iterations`` counts outer steps. ``converged`` is
        True if the last step moved the plan by no more than ``tolerance`` and was solved itself. ``f`` and ``g`` are
        the potentials of the last step. The gradient of ``value`` is the envelope's at the plan reached, by the cost
        and both distances.

    Raises:
        ProblemError: If alpha is not from 0 to 1, or a problem has no solution, naming its index: see
            ``otx.ot.problems.entropic.validate``.

    Example:
        Words without a cost are matched by their distances within each side:

        >>> distances = torch.tensor([[[0.0, 1.0, 4.0], [1.0, 0.0, 2.0], [4.0, 2.0, 0.0]]])
        >>> order, mass = [1, 2, 0], torch.full((1, 3), 1 / 3)
        >>> shuffled = distances[:, order][:, :, order]
        >>> cost = torch.zeros(1, 3, 3)
        >>> result = fused_gromov(
        ...     cost, mass, mass, distances_a=distances, distances_b=shuffled, epsilon=0.05, alpha=0.9
        ... )
        >>> result.plan[0].argmax(1)
        tensor([2, 0, 1])

    References:
        Peyré, Cuturi and Solomon (2016), "Gromov-Wasserstein Averaging of Kernel and Distance Matrices".
        https://proceedings.mlr.press/v48/peyre16.html
        Vayer et al. (2019), "Optimal Transport for structured data with application on graphs".
        https://arxiv.org/abs/1805.09114
    """
    if not 0 <= alpha <= 1:
        raise ProblemError(f"alpha is {alpha:g}", "it must be from 0 to 1")
    with no_autocast(cost):
        tensors = tuple(at_least_float32(each) for each in (cost, distances_a, distances_b))
        cost = tensors[0]
        real_a, real_b = a > 0, b > 0
        c = _clear_padding(tensors[0], real_a, real_b)
        d = _clear_padding(tensors[1], real_a, real_a)
        e = _clear_padding(tensors[2], real_b, real_b)
        p, q = to_solver_dtype(a), to_solver_dtype(b)
        constant = (d.square() @ p[:, :, None]) + (e.square() @ q[:, :, None]).mT
        plan = _outer(p, q)
        steps = torch.full_like(p[:, 0], max_iterations, dtype=torch.long)
        moving = torch.ones_like(steps, dtype=torch.bool)
        stopping = Stopping(tolerance / 10)
        last: Transport | None = None
        for step in range(1, max_iterations + 1):
            slope = (1 - alpha) * c + 2 * alpha * (constant - 2 * d @ plan @ e)
            linear = Problem(slope, p, q, epsilon=epsilon)
            last = solve(linear, stopping, initial=None if last is None else last.g)
            moved = (last.plan - plan).abs().sum((1, 2))
            plan = torch.where(moving[:, None, None], last.plan, plan)
            steps = torch.where(moving & (moved <= tolerance), step, steps)
            moving = moving & ~(moved <= tolerance)
            if not bool(moving.any()):
                break
        assert last is not None
        misfit = constant - 2 * d @ plan @ e
        independent = _outer(p, q).masked_fill(plan == 0, 1)
        kl = torch.special.xlogy(plan, plan / independent).sum((1, 2))
        value = (plan * ((1 - alpha) * c + alpha * misfit)).sum((1, 2)) + epsilon * kl
        rows, columns = plan.sum(2), plan.sum(1)
        slope_d = 2 * alpha * (d * _outer(rows, rows) - plan @ e @ plan.mT)
        slope_e = 2 * alpha * (e * _outer(columns, columns) - plan.mT @ d @ plan)
        slopes = tuple(slope.to(cost) for slope in ((1 - alpha) * plan, slope_d, slope_e))
        return Transport.from_potentials(
            linear,
            last.f,
            last.g,
            value=attach_slopes(value.to(cost), tensors, lambda: slopes),
            plan=plan,
            iterations=steps,
            error=last.marginal_error,
            converged=~moving & last.converged,
        )


def _clear_padding(matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the matrix as a constant, 0 where a row or a column is padding."""
    real = rows[:, :, None] & columns[:, None, :]
    return to_solver_dtype(matrix).masked_fill(~real, 0)


def _outer(p: Tensor, q: Tensor) -> Tensor:
    return p[:, :, None] * q[:, None, :]
