"""Transport between points of any number: one interface for sentences and for whole batches."""

from __future__ import annotations

from torch import Tensor

from otx.ot.costs.ground import CostFunction
from otx.ot.problems.problem import BALANCED, PointCloudProblem, Taus
from otx.ot.solvers import on_chip
from otx.ot.solvers.solve import solve, solve_with_torch
from otx.ot.solvers.tiled import solve_tiled
from otx.ot.stopping import DEFAULT, Stopping
from otx.ot.transport import Transport

LARGEST_COST = 2**24
"""Entries of one problem's cost, 4,096 x 4,096, up to which it is held as a whole. The solver then takes some eight
times the cost's float64 size, 1 GiB. Above, tiles take 0.2 GiB and compute the costs at each iteration."""


def transport_between_points(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    cost: CostFunction,
    epsilon: float,
    tau: float | Taus = BALANCED,
    symmetric: bool = False,
    tolerance: float = DEFAULT.tolerance,
    max_iterations: int = DEFAULT.max_iterations,
) -> Transport:
    """Solve entropic transport between points, differentiable by the points and the masses.

    The problems are those of ``sinkhorn(cost(x, y), a, b)``, or with a finite tau those of ``unbalanced``. Problems of
    more than ``LARGEST_COST`` entries are solved in bounded memory, by iterations alone: those that need more than
    ``max_iterations`` are returned with ``converged=False``.

    Args:
        x: Source points ``[B, N, D]``.
        y: Target points ``[B, M, D]``.
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        cost: Cost between points, for example ``cosine``.
        epsilon: Regularisation strength, in the unit of ``cost``.
        tau: Price of missing a marginal, in the unit of ``cost``: one number, or a pair (source, target). Infinite
            makes a marginal a constraint, as both are by default.
        symmetric: True if ``y`` is ``x`` and ``b`` is ``a``, which takes fewer iterations.
        tolerance: Stop a problem when the L1 error of its marginals, in mass, is within this.
        max_iterations: Upper limit per problem; unconverged problems are returned with ``converged=False``.

    Returns:
        Value, potentials, plan and convergence of every problem.

    Raises:
        ProblemError: If a problem has no solution, naming its index: see ``otx.ot.problems.entropic.validate``.

    Example:
        >>> import torch
        >>> from otx.ot import cosine
        >>> x, y = torch.eye(3)[None], torch.eye(3)[None, [2, 0, 1]]
        >>> mass = torch.full((1, 3), 1 / 3)
        >>> result = transport_between_points(x, y, mass, mass, cost=cosine, epsilon=0.02)
        >>> result.plan[0].argmax(1)
        tensor([1, 2, 0])
    """
    problem = PointCloudProblem(
        x, y, a, b, cost=cost, epsilon=epsilon, tau=tau, symmetric=symmetric
    )
    return solve_points(problem, Stopping(tolerance, max_iterations))


def solve_points(problem: PointCloudProblem, stopping: Stopping = DEFAULT) -> Transport:
    """Solve entropic transport between points: on chip, whole, or in tiles.

    Args:
        problem: The problems.
        stopping: When to stop working on a problem.

    Returns:
        Value, potentials, plan and convergence of every problem.

    Raises:
        ProblemError: If a problem has no solution, naming its index: see ``otx.ot.problems.entropic.validate``.

    Example:
        >>> import torch
        >>> from otx.ot import euclidean
        >>> x, y, one = torch.zeros(1, 1, 2), torch.tensor([[[3.0, 4.0]]]), torch.ones(1, 1)
        >>> solve_points(PointCloudProblem(x, y, one, one, cost=euclidean, epsilon=0.1)).value
        tensor([5.])
    """
    if problem.x.shape[1] * problem.y.shape[1] > LARGEST_COST:
        return solve_tiled(problem, stopping)
    if on_chip.can_solve(problem, stopping):
        return on_chip.solve_clouds(problem, stopping, rest=solve_with_torch)
    return solve(problem.to_problem(), stopping)
