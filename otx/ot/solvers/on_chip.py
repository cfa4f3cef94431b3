"""Small problems on a GPU: one kernel solves a batch, one wait tells whether all converged, one kernel pulls back.

Problems that do not converge on chip go to ``rest``, the solver of all others; ``Transport.left_over`` counts them.
Those that have no solution raise an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Protocol

import torch
from torch import Tensor

from otx.ot.kernels import fits, is_available
from otx.ot.kernels.on_chip import (
    COST_CODES,
    FEWEST_ITERATIONS,
    OnChip,
    pull_costs,
    pull_points,
    solve_costs,
    solve_points,
)
from otx.ot.problems.entropic import validate
from otx.ot.problems.marginals import require_regularisation, validate_marginals
from otx.ot.problems.problem import PointCloudProblem, Problem
from otx.ot.stopping import Stopping
from otx.ot.transport import Transport, attach_gradient, defer_plan, watch


class Solver(Protocol):
    """A solver of problems that do not converge on chip: ``otx.ot.solvers.solve.solve_with_torch``."""

    def __call__(self, problem: Problem, stopping: Stopping, initial: Tensor) -> Transport:
        """Solve problems from given potentials.

        Args:
            problem: The problems, in float64.
            stopping: Tolerance and what is left of the iterations.
            initial: Target potentials ``[B, M]``, in the cost's unit.
        """


def can_solve(problem: Problem | PointCloudProblem, stopping: Stopping) -> bool:
    """Return True if a batch can be solved on chip.

    Args:
        problem: The problems; as points, they must have a cost that the kernels compute, and no float64.
        stopping: Its limit must leave iterations for the kernel and for what it leaves over.

    Returns:
        False where no kernel runs, also without triton.
    """
    n, m = problem.a.shape[1], problem.b.shape[1]
    known = not isinstance(problem, PointCloudProblem) or (
        problem.cost in COST_CODES
        and torch.float64 not in (problem.x.dtype, problem.y.dtype)
        and problem.x.shape[2] > 0
    )
    enough = _share(stopping).max_iterations >= FEWEST_ITERATIONS
    return known and enough and is_available(problem.a) and fits(n, m)


def solve_matrices(problem: Problem, stopping: Stopping, rest: Solver) -> Transport:
    """Solve problems given by costs.

    Args:
        problem: Problems that ``can_solve`` accepts, in float32 or float64.
        stopping: When to stop working on a problem.
        rest: Solver of problems that do not converge on chip.

    Returns:
        Value, potentials, plan and convergence of every problem.

    Raises:
        ProblemError: If a problem has no solution, naming its index.
    """
    fixed = problem.detach()
    require_regularisation(fixed.epsilon, fixed.taus)
    solved = solve_costs(fixed, _share(stopping))
    left_over = _finish([(lambda: fixed, lambda: solved)], solved.converged, stopping, rest)

    require_unchanged = watch(fixed.cost)

    def pull(gradient: Tensor) -> tuple[Tensor, ...]:
        require_unchanged()
        weights = gradient.to(torch.float64)[:, None]
        slopes = (solved.slope_a, solved.slope_b) if masses else ()
        to_masses = ((slope * weights).to(fixed.a) for slope in slopes)
        return pull_costs(fixed, solved, gradient), *to_masses

    masses = _differentiable(problem.a, problem.b)
    value = attach_gradient(solved.value, (problem.cost, *masses), pull)
    plan = defer_plan(fixed.cost, solved.log_p, solved.log_q, fixed.epsilon)
    return _transport(value, solved, plan, left_over)


def solve_clouds(problem: PointCloudProblem, stopping: Stopping, rest: Solver) -> Transport:
    """Solve problems given by points, whose costs are never in memory unless one is left over.

    Args:
        problem: Problems that ``can_solve`` accepts.
        stopping: When to stop working on a problem.
        rest: Solver of problems that do not converge on chip.

    Returns:
        Value, potentials, plan and convergence of every problem.

    Raises:
        ProblemError: If a problem has no solution, naming its index.
    """
    (transport,) = _solve_clouds(problem, stopping, rest, sides=False)
    return transport


def solve_with_sides(
    problem: PointCloudProblem, stopping: Stopping, rest: Solver
) -> tuple[Transport, Transport, Transport]:
    """Solve problems given by points, and those of each side with itself, in one launch.

    Args:
        problem: Problems that ``can_solve`` accepts, also with the longer side in place of the shorter one.
        stopping: When to stop working on a problem.
        rest: Solver of problems that do not converge on chip.

    Returns:
        The transports between the sides, of the source with itself, and of the target with itself.

    Raises:
        ProblemError: If a problem has no solution, naming its index.
    """
    cross, left, right = _solve_clouds(problem, stopping, rest, sides=True)
    return cross, left, right


def _solve_clouds(
    problem: PointCloudProblem, stopping: Stopping, rest: Solver, *, sides: bool
) -> list[Transport]:
    fixed = problem.detach()
    require_regularisation(fixed.epsilon, fixed.taus)
    solved = solve_points(fixed, _share(stopping), sides=sides)
    x, y, a, b = fixed.x, fixed.y, fixed.a, fixed.b
    pairs = [fixed]
    if sides:
        pairs += [replace(fixed, y=x, b=a), replace(fixed, x=y, a=b)]

    def part(kind: int) -> OnChip:
        return solved.select(kind) if sides else solved

    states = [(pair.to_problem, partial(part, kind)) for kind, pair in enumerate(pairs)]
    left_over = _finish(states, solved.converged, stopping, rest)

    require_unchanged = watch(x, y)

    def pull(gradient: Tensor) -> tuple[Tensor, ...]:
        require_unchanged()
        to_x, to_y = pull_points(fixed, solved, gradient, sides=sides)
        return to_x, to_y, *(_pull_masses(fixed, solved, gradient) if masses else ())

    masses = _differentiable(problem.a, problem.b)
    value = attach_gradient(solved.value, (problem.x, problem.y, *masses), pull)
    plans = [
        _defer_plan_of_points(pair, state) for pair, (_, state) in zip(pairs, states, strict=True)
    ]
    if not sides:
        return [_transport(value, solved, plans[0], left_over)]
    names = ("iterations", "error", "mass", "converged", "f", "g")
    columns = (getattr(solved, name).unbind(0) for name in names)
    return [
        Transport(
            value=of_kind,
            f=f.narrow(1, 0, pair.a.shape[1]),
            g=g.narrow(1, 0, pair.b.shape[1]),
            entries=plan,
            iterations=iterations,
            marginal_error=error,
            converged=converged,
            mass=mass,
            left_over=left_over,
        )
        for of_kind, pair, plan, iterations, error, mass, converged, f, g in zip(
            value.unbind(0), pairs, plans, *columns, strict=True
        )
    ]


def _finish(
    states: Sequence[tuple[Callable[[], Problem], Callable[[], OnChip]]],
    converged: Tensor,
    stopping: Stopping,
    rest: Solver,
) -> int:
    """Solve what is left over, in place, and return how many problems that were: the one wait for the device."""
    if bool(converged.all()):
        return 0
    parts = [(problem(), solved()) for problem, solved in states]
    for problem, _ in parts:
        validate(problem)
    return sum(_solve_rest(problem, solved, stopping, rest) for problem, solved in parts)


def _solve_rest(problem: Problem, solved: OnChip, stopping: Stopping, rest: Solver) -> int:
    index = (~solved.converged).nonzero()[:, 0]
    if not len(index):
        return 0
    n, m = problem.a.shape[1], problem.b.shape[1]
    a, b = problem.a[index], problem.b[index]
    spent = int(solved.iterations[index].max())
    again = rest(
        replace(problem, cost=problem.cost[index].double(), a=a.double(), b=b.double()),
        stopping.with_limit(stopping.max_iterations - spent),
        solved.g[index, :m].double().nan_to_num(0, 0, 0),
    )
    sides = validate_marginals(a, b, epsilon=problem.epsilon, tau=problem.taus, index=index)
    optimum = sides.optimum(again.f / problem.epsilon, again.g / problem.epsilon, problem.epsilon)
    solved.value[index] = optimum.value.to(solved.value)
    solved.mass[index] = optimum.mass.to(solved.mass)
    solved.f[index, :n] = again.f.to(solved.f)
    solved.g[index, :m] = again.g.to(solved.g)
    solved.log_p[index, :n], solved.log_q[index, :m] = optimum.log_p, optimum.log_q
    solved.slope_a[index, :n], solved.slope_b[index, :m] = optimum.slope_a, optimum.slope_b
    solved.iterations[index] += again.iterations
    solved.error[index] = again.marginal_error.to(solved.error)
    solved.converged[index] = again.converged
    return len(index)


def _share(stopping: Stopping) -> Stopping:
    """Leave a quarter of the iterations to the solver of what is left over."""
    return stopping.with_limit(stopping.max_iterations * 3 // 4)


def _differentiable(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    return (a, b) if a.requires_grad or b.requires_grad else ()


def _pull_masses(
    problem: PointCloudProblem, solved: OnChip, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    to_a = solved.slope_a * gradient[..., None]
    to_b = solved.slope_b * gradient[..., None]
    if gradient.ndim == 2:  # of three kinds: both sides of a side with itself are its masses
        to_a, to_b = to_a[0] + to_a[1] + to_b[1], to_b[0] + to_a[2] + to_b[2]
    n, m = problem.a.shape[1], problem.b.shape[1]
    return to_a[:, :n].to(problem.a), to_b[:, :m].to(problem.b)


def _defer_plan_of_points(
    problem: PointCloudProblem, solved: Callable[[], OnChip]
) -> Callable[[], Tensor]:
    require_unchanged = watch(problem.x, problem.y)

    @cache
    def plan() -> Tensor:
        require_unchanged()
        part, (n, m) = solved(), (problem.a.shape[1], problem.b.shape[1])
        cost = problem.cost(problem.x, problem.y)
        return defer_plan(cost, part.log_p[:, :n], part.log_q[:, :m], problem.epsilon)()

    return plan


def _transport(
    value: Tensor, solved: OnChip, plan: Callable[[], Tensor], left_over: int
) -> Transport:
    return Transport(
        value=value,
        f=solved.f,
        g=solved.g,
        entries=plan,
        iterations=solved.iterations,
        marginal_error=solved.error,
        converged=solved.converged,
        mass=solved.mass,
        left_over=left_over,
    )
