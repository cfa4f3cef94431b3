"""The Sinkhorn divergence: entropic transport without its bias, so that equal sides are at 0."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from otx.ot.costs.ground import CostFunction
from otx.ot.precision import at_least_float32
from otx.ot.problems.problem import BALANCED, PointCloudProblem, Problem
from otx.ot.solvers import in_chunks, on_chip
from otx.ot.solvers.point_cloud import LARGEST_COST, solve_points
from otx.ot.solvers.solve import solve_with_torch
from otx.ot.stopping import DEFAULT, Stopping
from otx.ot.transport import Transport


@dataclass(frozen=True, eq=False)
class Divergence:
    """A batch of divergences and the three transports they consist of.

    Attributes:
        value: The divergences ``[B]``, differentiable.
        cross: Transport between the two sides.
        left: Transport between the source and itself.
        right: Transport between the target and itself.
    """

    value: Tensor
    cross: Transport
    left: Transport
    right: Transport


def divergence(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    cost: CostFunction,
    epsilon: float,
    tau: float | None = None,
    tolerance: float = DEFAULT.tolerance,
    max_iterations: int = DEFAULT.max_iterations,
) -> Divergence:
    """Compute the Sinkhorn divergence of a batch of problems.

    It is ``S = OT(x, y) - OT(x, x) / 2 - OT(y, y) / 2 + epsilon / 2 (m(a) - m(b))^2`` with m(a) and m(b) the total
    masses. OT is the value of ``sinkhorn``, or with ``tau`` that of ``unbalanced``. The last term is there because
    OT's KL is generalised, and is 0 where the masses are equal.

    S is 0 for equal sides. It is otherwise positive where ``exp(-cost / epsilon)`` is positive definite, which holds
    for ``half_squared_euclidean`` and ``euclidean``; ``cosine`` sees directions only. The gradient is that of all
    three values, the self terms through both of their arguments.

    Args:
        x: Source points ``[B, N, D]``.
        y: Target points ``[B, M, D]``.
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.
        cost: Cost between points.
        epsilon: Regularisation strength, in the unit of ``cost``.
        tau: Price of missing either marginal, in the unit of ``cost``. Default: both are constraints.
        tolerance: Stop a problem when the L1 error of its marginals, in mass, is within this.
        max_iterations: Upper limit per problem; unconverged problems are returned with ``converged=False``.

    Returns:
        The divergences and their three transports.

    Raises:
        ProblemError: If a problem has no solution, naming its index: see ``otx.ot.problems.entropic.validate``.

    Example:
        >>> import torch
        >>> from otx.ot import euclidean
        >>> x, y, one = torch.zeros(1, 1, 2), torch.tensor([[[3.0, 4.0]]]), torch.ones(1, 1)
        >>> divergence(x, y, one, one, cost=euclidean, epsilon=0.1).value
        tensor([5.])

    References:
        Feydy et al. (2019), "Interpolating between Optimal Transport and MMD using Sinkhorn Divergences".
        https://arxiv.org/abs/1810.08278
        Séjourné et al. (2019), "Sinkhorn Divergences for Unbalanced Optimal Transport", definition 6.
        https://arxiv.org/abs/1910.12958
    """
    taus = BALANCED if tau is None else (tau, tau)
    problem = PointCloudProblem(x, y, a, b, cost=cost, epsilon=epsilon, tau=taus)
    cross, left, right = _solve(problem, Stopping(tolerance, max_iterations))
    value = cross.value - (left.value + right.value) / 2
    if tau is not None:
        mass_gap = at_least_float32(a).sum(1) - at_least_float32(b).sum(1)
        value = value + epsilon / 2 * mass_gap.square()
    return Divergence(value, cross, left, right)


def _solve(
    problem: PointCloudProblem, stopping: Stopping
) -> tuple[Transport, Transport, Transport]:
    """Solve the three transports: by one kernel, as one batch, or one after the other."""
    x, y, a, b = problem.x, problem.y, problem.a, problem.b
    left = replace(problem, y=x, b=a, symmetric=True)
    right = replace(problem, x=y, a=b, symmetric=True)
    parts = (problem, left, right)
    if all(on_chip.can_solve(part, stopping) for part in parts):
        return on_chip.solve_with_sides(problem, stopping, rest=solve_with_torch)
    longest = max(x.shape[1], y.shape[1])
    if in_chunks.can_solve(problem, stopping) and longest**2 * len(x) <= LARGEST_COST:
        solved = in_chunks.solve_in_chunks(*_as_one_batch(problem, longest), stopping)
        if solved is not None:
            return _split(solved, (x.shape[1], y.shape[1]))
        matrices = (part.at_least_float32().to_problem() for part in parts)
        cross, of_left, of_right = (solve_with_torch(part, stopping, None) for part in matrices)
    else:
        cross, of_left, of_right = (solve_points(part, stopping) for part in parts)
    return cross, of_left, of_right


def _as_one_batch(problem: PointCloudProblem, longest: int) -> tuple[Problem, Tensor]:
    """Return the three batches of problems after one another, and where they are sides against themselves."""
    x, y = (_pad(side, longest) for side in (problem.x, problem.y))
    a, b = (_pad(side[..., None], longest)[..., 0] for side in (problem.a, problem.b))
    batch = replace(
        problem,
        x=torch.cat([x, x, y]),
        y=torch.cat([y, x, y]),
        a=torch.cat([a, a, b]),
        b=torch.cat([b, a, b]),
    )
    return batch.to_problem(), torch.arange(3 * len(x), device=x.device) >= len(x)


def _pad(points: Tensor, longest: int) -> Tensor:
    missing = longest - points.shape[1]
    return functional.pad(points, (0, 0, 0, missing)) if missing else points


def _split(solved: Transport, lengths: tuple[int, int]) -> tuple[Transport, Transport, Transport]:
    n, m = lengths
    count = len(solved.value) // 3

    def part(kind: int, rows: int, columns: int) -> Transport:
        which = slice(kind * count, (kind + 1) * count)
        return Transport(
            value=solved.value[which],
            f=solved.f[which, :rows],
            g=solved.g[which, :columns],
            entries=lambda: solved.entries()[which, :rows, :columns],
            iterations=solved.iterations[which],
            marginal_error=solved.marginal_error[which],
            converged=solved.converged[which],
            mass=solved.mass[which],
            left_over=solved.left_over if kind == 0 else 0,
        )

    return part(0, n, m), part(1, n, n), part(2, m, m)
