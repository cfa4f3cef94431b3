"""Transport between every sentence of one batch and every sentence of another, as a contrast needs.

128 sentences a side are 16,384 problems. Their costs come from one product of all words with all words, a block of
sentences at a time, and are computed again for the gradient instead of being kept. On an NVIDIA GPU the costs are
never written to memory at all (``otx.ot.kernels``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from otx.ot.costs.ground import CostFunction
from otx.ot.kernels.on_chip import solve_points
from otx.ot.precision import no_autocast, to_solver_dtype
from otx.ot.problems.marginals import Marginals, raise_for, validate_marginals
from otx.ot.problems.problem import BALANCED, PointCloudProblem, Problem, Taus
from otx.ot.solvers import on_chip
from otx.ot.solvers.newton import Ascent
from otx.ot.solvers.solve import solve
from otx.ot.stopping import Stopping
from otx.ot.transport import Transport, attach_gradient, defer_plan

BLOCK = 2**22
"""Entries of the costs that exist at a time: 32 MiB in float64, a few times over."""


def pairwise_sinkhorn(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    cost: CostFunction,
    epsilon: float,
    tau: float | Taus = BALANCED,
    tolerance: float = 1e-4,
    max_iterations: int = 200,
) -> Transport:
    """Solve entropic transport between each of S sentences and each of T sentences.

    These are S T problems. The gradient is the envelope's, by the vectors and the masses.

    Args:
        x: Source vectors ``[S, N, D]``. Padding may hold anything.
        y: Target vectors ``[T, M, D]``. Padding may hold anything.
        a: Source masses ``[S, N]``; 0 marks padding.
        b: Target masses ``[T, M]``; 0 marks padding.
        cost: Cost between vectors, for example ``cosine``.
        epsilon: Regularisation strength, in the unit of ``cost``.
        tau: Price of missing a marginal, in the unit of ``cost``: one number, or a pair (source, target). Infinite
            makes a marginal a constraint, as both are by default.
        tolerance: Stop a problem when the L1 error of its marginals, in mass, is within this.
        max_iterations: Upper limit per problem; unconverged problems are returned with ``converged=False``.

    Returns:
        Value, potentials, plan and convergence of every problem, with ``[S, T]`` in place of ``[B]``: ``value [S, T]``,
        ``f [S, T, N]``, ``plan [S, T, N, M]``.

    Raises:
        ProblemError: If a problem has no solution, naming it by the number ``s T + t``: see
            ``otx.ot.problems.entropic.validate``.

    Example:
        >>> from otx.ot import cosine
        >>> x = torch.eye(4).reshape(2, 2, 4)
        >>> mass = torch.full((2, 2), 0.5)
        >>> result = pairwise_sinkhorn(x, x, mass, mass, cost=cosine, epsilon=0.02)
        >>> result.value.round(decimals=2)
        tensor([[0.0100, 1.0000],
                [1.0000, 0.0100]])
    """
    problem = PointCloudProblem(x, y, a, b, cost=cost, epsilon=epsilon, tau=tau)
    return solve_pairs(problem, Stopping(tolerance, max_iterations))


def solve_pairs(problem: PointCloudProblem, stopping: Stopping) -> Transport:
    """Solve the problems between every source and every target.

    Args:
        problem: The sources ``[S, ...]`` and the targets ``[T, ...]``.
        stopping: When to stop working on a problem.

    Returns:
        The result of every problem, ``[S, T]`` in place of ``[B]``.

    Raises:
        ProblemError: If a problem has no solution, naming it by the number ``s T + t``.
    """
    with no_autocast(problem.x):
        problem = problem.at_least_float32()
        pairs = _Pairs.of(problem.detach())
        ascent = pairs.solve(stopping)
        optimum = pairs.sides.optimum(ascent.u, ascent.v, problem.epsilon)
        log_p, log_q = optimum.log_p, optimum.log_q
        shape = len(problem.x), len(problem.y)

        def shaped(tensor: Tensor) -> Tensor:
            return tensor.reshape(*shape, *tensor.shape[1:])

        def pull(gradient: Tensor) -> tuple[Tensor, ...]:
            weights = gradient.flatten()
            to_a = shaped(optimum.slope_a * weights[:, None]).sum(1)
            to_b = shaped(optimum.slope_b * weights[:, None]).sum(0)
            to_x, to_y = pairs.pull(weights, log_p, log_q)
            return to_x, to_y, to_a.to(problem.a), to_b.to(problem.b)

        inputs = (problem.x, problem.y, problem.a, problem.b)
        return Transport.from_potentials(
            pairs.sides,
            optimum.f,
            optimum.g,
            value=attach_gradient(shaped(optimum.value).to(problem.x), inputs, pull),
            plan=lambda: shaped(pairs.plan(log_p, log_q)),
            iterations=ascent.steps,
            error=ascent.error,
            converged=ascent.error <= stopping.tolerance,
            mass=optimum.mass,
        )


@dataclass(frozen=True, eq=False)
class _Pairs:
    """All pairs of sources and targets, whose vectors are 0 at padding; row s T + t of ``sides`` is pair (s, t)."""

    problem: PointCloudProblem
    sides: Marginals

    @classmethod
    def of(cls, problem: PointCloudProblem) -> _Pairs:
        x, y, a, b = problem.x, problem.y, problem.a, problem.b
        left, right = len(x), len(y)
        index = torch.arange(left * right, device=x.device)
        sides = validate_marginals(
            a.repeat_interleave(right, 0),
            b.repeat(left, 1),
            epsilon=problem.epsilon,
            tau=problem.taus,
            index=index,
        )
        x, y = (side.masked_fill((mass == 0)[:, :, None], 0) for side, mass in ((x, a), (y, b)))
        broken = ~torch.cartesian_prod(*(side.isfinite().all(2).all(1) for side in (x, y)))
        raise_for(
            index,
            broken.reshape(-1, 2).any(1),
            "a vector of a real word is not finite",
            "look for NaN or infinity in the encoder's output for the sentence",
        )
        return cls(replace(problem, x=x, y=y), sides)

    def solve(self, stopping: Stopping) -> Ascent:
        """Solve all pairs: on chip where possible, the rest block by block."""
        epsilon = self.problem.epsilon
        ascent = self._solve_on_chip(stopping)
        for pairs, rows in self._blocks():
            left = ~(ascent.error[pairs] <= stopping.tolerance)
            if bool(left.any()):
                index = pairs[left]
                cost = self._costs(self.problem.x[rows], self.problem.y)[left]
                a, b = self.sides.a[index], self.sides.b[index]
                part = solve(Problem(cost, a, b, epsilon=epsilon, tau=self.problem.tau), stopping)
                u, v = (to_solver_dtype(side) / epsilon for side in (part.f, part.g))
                error = to_solver_dtype(part.marginal_error)
                ascent.put(index, Ascent(u, v, part.iterations, error))
        return ascent

    def pull(self, weights: Tensor, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of both sides' vectors for the pairs' ``weights [P]``."""
        to_x, to_y = torch.zeros_like(self.problem.x), torch.zeros_like(self.problem.y)
        for pairs, rows in self._blocks():
            with torch.enable_grad():
                x = self.problem.x[rows].requires_grad_()
                y = self.problem.y.detach().requires_grad_()
                costs = self._costs(x, y)
            plan = defer_plan(costs, log_p[pairs], log_q[pairs], self.problem.epsilon)()
            pull = plan * weights[pairs, None, None].to(plan)
            by_x, by_y = torch.autograd.grad(costs, (x, y), pull)
            to_x[rows] = by_x
            to_y.add_(by_y)
        return to_x, to_y

    def plan(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """Return all plans ``[P, N, M]``, however many entries that are."""
        plans = []
        for pairs, rows in self._blocks():
            costs = self._costs(self.problem.x[rows], self.problem.y)
            plans.append(defer_plan(costs, log_p[pairs], log_q[pairs], self.problem.epsilon)())
        return torch.cat(plans)

    def _solve_on_chip(self, stopping: Stopping) -> Ascent:
        """Solve all pairs by the kernel that computes its costs itself; infinite errors where it cannot run."""
        sides, right = self.sides, max(len(self.problem.y), 1)
        problem = replace(self.problem, a=sides.a[::right], b=sides.b[:right])
        if not on_chip.can_solve(problem, stopping):
            return Ascent.at(sides, sides.b.new_zeros(sides.b.shape), 0)
        solved = solve_points(problem, stopping, grid=True)
        u = (solved.log_p - sides.log_a).masked_fill(sides.a == 0, 0)
        v = (solved.log_q - sides.log_b).masked_fill(sides.b == 0, 0)
        return Ascent(u, v, solved.iterations, to_solver_dtype(solved.error))

    def _blocks(self) -> Iterator[tuple[Tensor, slice]]:
        """Yield blocks of pairs ``[R T]`` and the R sources that they belong to."""
        x, y = self.problem.x, self.problem.y
        entries = x.shape[1] * y.shape[1] * len(y)
        height = max(1, BLOCK // max(entries, 1))
        for start in range(0, len(x), height):
            stop = min(start + height, len(x))
            pairs = torch.arange(start * len(y), stop * len(y), device=x.device)
            yield pairs, slice(start, stop)

    def _costs(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``[R T, N, M]`` of ``x [R, N, D]`` and ``y [T, M, D]``, by one product of all words with all words."""
        flat = self.problem.cost(x.reshape(1, -1, x.shape[2]), y.reshape(1, -1, y.shape[2]))[0]
        blocks = flat.reshape(*x.shape[:2], *y.shape[:2])
        return blocks.transpose(1, 2).flatten(0, 1)
