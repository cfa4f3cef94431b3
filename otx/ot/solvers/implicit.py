"""Losses of the plan itself: its derivative by the implicit function theorem, not through the iterations.

At the optimum ``P = a b^T exp(u + v - C / eps)`` with row sums ``r = a exp(-j u)`` and column sums
``c = b exp(-k v)``, j and k being epsilon over each side's tau (0: that marginal is a constraint). A
change of C, a or b moves u and v so that this stays true, which is one linear system of the matrix
``[(1 + j) diag(r), P; P^T, (1 + k) diag(c)]``, solved here by its Schur complement on the columns.
(Cuturi, Teboul, Niles-Weed, Vert, "Supervised quantile normalization for low-rank matrix
factorization", 2020, and Luise et al., NeurIPS 2018, for the balanced case.)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from otx.ot.precision import at_least_float32, no_autocast, to_solver_dtype
from otx.ot.problems.marginals import BALANCED, Taus
from otx.ot.transport import Transport

RIDGE = 1e-12
"""Of a column's mass, added to it: balanced potentials share a constant, along which the matrix is singular."""


def differentiable_plan(
    transport: Transport,
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    tau: Taus = BALANCED,
) -> Tensor:
    """``transport.plan [B, N, M]`` with a gradient by ``cost``, ``a`` and ``b``: those that it was solved for.

    ``epsilon`` and ``tau`` (tau_a, tau_b) are also the problem's. The gradient is exact where the problem
    has converged; its memory and time do not depend on the iterations that took. It is of first order
    only, exactly 0 where there is no mass, and nothing about it is an approximation of the plan for a
    value: for losses of ``value`` the envelope's gradient is cheaper and the same.
    """
    with no_autocast(cost):
        loose = [epsilon / strength for strength in tau]
        plan: Tensor = _Plan.apply(  # type: ignore[no-untyped-call]
            at_least_float32(cost),
            at_least_float32(a),
            at_least_float32(b),
            transport.plan,
            epsilon,
            *loose,
        )
        return plan


class _Plan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, cost: Tensor, a: Tensor, b: Tensor, plan: Tensor, epsilon: float, *loose: float
    ) -> Tensor:
        ctx.save_for_backward(a, b, plan)
        ctx.epsilon, ctx.loose = epsilon, loose
        return plan.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        a, b, plan = ctx.saved_tensors
        exact, weight = to_solver_dtype(plan), to_solver_dtype(gradients[0])
        pull = (exact * weight).masked_fill(exact == 0, 0)
        to_rows, to_columns = pull.sum(2), pull.sum(1)
        x, y = _solved(exact, to_rows, to_columns, *ctx.loose)
        to_cost = (exact * (x[:, :, None] + y[:, None, :]) - pull) / ctx.epsilon
        left = to_rows - (exact @ y[:, :, None])[:, :, 0]
        right = to_columns - (exact.mT @ x[:, :, None])[:, :, 0]
        to_a = _over(left, to_solver_dtype(a))
        to_b = _over(right, to_solver_dtype(b))
        return to_cost.to(plan), to_a.to(a), to_b.to(b), None, None, None, None


def _solved(
    plan: Tensor,
    to_rows: Tensor,
    to_columns: Tensor,
    eps_over_tau_rows: float,
    eps_over_tau_columns: float,
) -> tuple[Tensor, Tensor]:
    rows, columns = (1 + eps_over_tau_rows) * plan.sum(2), (1 + eps_over_tau_columns) * plan.sum(1)
    scaled = _over(plan, rows[:, :, None])
    diagonal = (columns * (1 + RIDGE)).masked_fill(columns == 0, 1)
    matrix = torch.diag_embed(diagonal) - plan.mT @ scaled
    rest = to_columns - (scaled.mT @ to_rows[:, :, None])[:, :, 0]
    y = torch.linalg.solve(matrix, rest[:, :, None])[:, :, 0]
    return _over(to_rows - (plan @ y[:, :, None])[:, :, 0], rows), y


def _over(amount: Tensor, size: Tensor) -> Tensor:
    """``amount / size``, 0 where there is no size."""
    return amount / size.masked_fill(size == 0, torch.inf)
