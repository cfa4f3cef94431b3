"""Transport between vectors, whatever their number: one problem for sentences and for whole batches."""

from __future__ import annotations

from torch import Tensor

from otx.ot.costs.ground import CostFunction
from otx.ot.problems.marginals import BALANCED, Taus
from otx.ot.solvers.solve import ALTERNATING, AVERAGING, solve
from otx.ot.solvers.tiled import solve_tiled
from otx.ot.transport import Transport

LARGEST_COST = 2**24
"""Entries of one problem's cost, 4,096 x 4,096, up to which it is made whole. The solver then takes some
eight times the cost's float64 size, 1 GiB; above, tiles take 0.2 GiB and make the costs at each iteration."""


def transport_between_points(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    cost: CostFunction,
    epsilon: float,
    tau: Taus = BALANCED,
    symmetric: bool = False,
    tolerance: float = 1e-6,
    max_iterations: int = 200,
) -> Transport:
    """Entropic transport between ``x [B, N, D]`` and ``y [B, M, D]``, differentiable by them and the masses.

    Masses ``a [B, N]`` and ``b [B, M]``, 0 at padding; ``tau`` as for ``unbalanced``, both infinite for
    ``sinkhorn``, whose value, plan and potentials these are. ``itself`` says that y is x and b is a.
    Problems of more than ``LARGEST_COST`` entries are solved in bounded memory, by iterations alone:
    those that need more than ``max_iterations`` come back with ``converged`` False.

    Raises ProblemError as ``otx.ot.problems.entropic.validate`` says.
    """
    if x.shape[1] * y.shape[1] > LARGEST_COST:
        return solve_tiled(
            x,
            y,
            a,
            b,
            cost=cost,
            epsilon=epsilon,
            tau=tau,
            symmetric=symmetric,
            tolerance=tolerance,
            max_iterations=max_iterations,
        )
    return solve(
        cost(x, y),
        a,
        b,
        epsilon=epsilon,
        tau=tau,
        scheme=AVERAGING if symmetric else ALTERNATING,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
