"""Entropic transport from cost matrices: cheap iterations first, then Newton steps for what they leave.

On the CPU all of this is compiled, but for the Newton steps of large problems. On a GPU kernels or long chunks of
iterations come first. Elsewhere it is a sequence of torch operations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from otx.ot.compiled.batch import Array, Solved, solve_batch
from otx.ot.kernels import is_available
from otx.ot.precision import no_autocast
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.problems.problem import Problem
from otx.ot.solvers import in_chunks, on_chip, sinkhorn_kernel, sinkhorn_log
from otx.ot.solvers.newton import Ascent, ascend
from otx.ot.stopping import DEFAULT, Stopping
from otx.ot.transport import Transport, attach_slopes, defer_plan


@dataclass(frozen=True)
class _Scheme:
    """The iterations of one kind of problem, in the kernel domain (``scale``) and in the log domain (``sweep``)."""

    scale: Callable[[EntropicProblem, Tensor, Stopping], Ascent]
    sweep: Callable[[EntropicProblem, Tensor, int], Tensor]


_ALTERNATING = _Scheme(sinkhorn_kernel.alternate, sinkhorn_log.alternate)
_AVERAGING = _Scheme(sinkhorn_kernel.average, sinkhorn_log.average)


def solve(
    problem: Problem, stopping: Stopping = DEFAULT, *, initial: Tensor | None = None
) -> Transport:
    """Solve a batch of entropic transport problems, balanced or unbalanced.

    ``sinkhorn`` and ``unbalanced`` are this function with the problem's parts as arguments. Everything is computed in
    float64 (see ``otx.ot.precision``) and returned in the cost's dtype, float32 at least.

    Args:
        problem: The problems. With ``symmetric``, averaged updates replace alternating ones.
        stopping: When to stop working on a problem.
        initial: Target potentials g ``[B, M]`` to start from, in the cost's unit. Default: zero.

    Returns:
        Value, potentials, plan and convergence of every problem.

    Raises:
        ProblemError: If a problem has no solution, naming its index: see ``otx.ot.problems.entropic.validate``.

    Example:
        >>> half = torch.full((1, 2), 0.5)
        >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> solve(Problem(cost, half, half, epsilon=0.1), Stopping(tolerance=1e-9)).converged
        tensor([True])
    """
    problem = problem.at_least_float32()
    if problem.cost.device.type == "cpu" and not is_available(problem.cost):
        return solve_compiled(problem, stopping, initial)
    with no_autocast(problem.cost):
        if initial is None and on_chip.can_solve(problem, stopping):
            return on_chip.solve_matrices(problem, stopping, rest=solve_with_torch)
        if initial is None and in_chunks.can_solve(problem, stopping):
            solved = in_chunks.solve_in_chunks(problem, None, stopping)
            if solved is not None:
                return solved
        return solve_with_torch(problem, stopping, initial)


def solve_compiled(problem: Problem, stopping: Stopping, initial: Tensor | None) -> Transport:
    """Solve a batch on the CPU in machine code, one problem at a time: see ``otx.ot.compiled``.

    Args:
        problem: The problems, in float32 or float64.
        stopping: When to stop working on a problem.
        initial: Target potentials g ``[B, M]`` to start from, in the cost's unit; None is zero.

    Returns:
        Value, potentials, plan and convergence of every problem. The plan is ready if the cost needs a gradient.

    Raises:
        ProblemError: If a problem has no solution, naming its index.
    """
    with_plan = torch.is_grad_enabled() and problem.cost.requires_grad
    solved = solve_batch(problem, stopping, initial=initial, with_plan=with_plan)
    # An error that is not finite was not measured yet.
    allowed = (solved.steps < stopping.max_iterations) | ~np.isfinite(solved.error)
    unsolved = ~(solved.error <= stopping.tolerance) & allowed
    if unsolved.any():
        _finish(problem, stopping, solved, torch.from_numpy(np.flatnonzero(unsolved)))
    kind = np.float32 if problem.cost.dtype == torch.float32 else np.float64

    def to_torch(array: Array) -> Tensor:
        return torch.from_numpy(array.astype(kind, copy=False))

    if solved.plan is None:
        log_p, log_q = torch.from_numpy(solved.rows[2]), torch.from_numpy(solved.columns[2])
        entries = defer_plan(problem.cost, log_p, log_q, problem.epsilon)
    else:
        entries = partial(torch.from_numpy, solved.plan)
    slope_a, slope_b = to_torch(solved.rows[1]), to_torch(solved.columns[1])
    return Transport(
        value=attach_slopes(
            to_torch(solved.value),
            (problem.cost, problem.a, problem.b),
            lambda: (entries(), slope_a, slope_b),
        ),
        f=to_torch(solved.rows[0]),
        g=to_torch(solved.columns[0]),
        entries=entries,
        iterations=torch.from_numpy(solved.steps),
        marginal_error=to_torch(solved.error),
        converged=torch.from_numpy(solved.error <= stopping.tolerance),
        mass=to_torch(solved.mass),
    )


def _finish(problem: Problem, stopping: Stopping, solved: Solved, index: Tensor) -> None:
    """Take Newton steps on problems that are too large for compiled ones; overwrite their state."""
    cost, a, b = (side.detach()[index] for side in (problem.cost, problem.a, problem.b))
    part = Problem(cost, a, b, epsilon=problem.epsilon, tau=problem.tau)
    valid, at = validate(part, index), index.numpy()
    start = torch.from_numpy(solved.columns[0, at]) / problem.epsilon
    spent = int(solved.steps[at].max())
    ascent = ascend(valid, start, stopping.with_limit(stopping.max_iterations - spent))
    optimum = valid.optimum(ascent.u, ascent.v, problem.epsilon)
    massless = valid.a == 0, valid.b == 0
    solved.rows[:2, at] = torch.stack((optimum.f, optimum.slope_a)).masked_fill(massless[0], 0)
    solved.columns[:2, at] = torch.stack((optimum.g, optimum.slope_b)).masked_fill(massless[1], 0)
    solved.rows[2, at], solved.columns[2, at] = optimum.log_p, optimum.log_q
    solved.value[at], solved.mass[at] = optimum.value, optimum.mass
    solved.steps[at] += ascent.steps.numpy()
    solved.error[at] = ascent.error
    if solved.plan is not None:
        solved.plan[at] = defer_plan(cost, optimum.log_p, optimum.log_q, problem.epsilon)()


def solve_with_torch(problem: Problem, stopping: Stopping, initial: Tensor | None) -> Transport:
    """Solve a batch with operations of torch on all problems at once, on any device.

    Args:
        problem: The problems, in float32 or float64.
        stopping: When to stop working on a problem.
        initial: Target potentials g ``[B, M]`` to start from, in the cost's unit; None is zero.

    Returns:
        Value, potentials, plan and convergence of every problem.

    Raises:
        ProblemError: If a problem has no solution, naming its index.
    """
    fixed = problem.detach()
    valid = validate(fixed)
    scheme = _AVERAGING if problem.symmetric else _ALTERNATING
    start = None if initial is None else initial.detach() / problem.epsilon
    ascent = _climb(valid, scheme, start, stopping)
    optimum = valid.optimum(ascent.u, ascent.v, problem.epsilon)
    plan = defer_plan(fixed.cost, optimum.log_p, optimum.log_q, problem.epsilon)
    slope_a, slope_b = optimum.slope_a.to(fixed.a), optimum.slope_b.to(fixed.b)
    value = attach_slopes(
        optimum.value.to(fixed.cost),
        (problem.cost, problem.a, problem.b),
        lambda: (plan(), slope_a, slope_b),
    )
    return Transport.from_potentials(
        fixed,
        optimum.f,
        optimum.g,
        value=value,
        plan=plan,
        iterations=ascent.steps,
        error=ascent.error,
        converged=ascent.error <= stopping.tolerance,
        mass=optimum.mass,
    )


def _climb(
    problem: EntropicProblem, scheme: _Scheme, start: Tensor | None, stopping: Stopping
) -> Ascent:
    """Take cheap iterations from ``start``, then Newton steps on the problems that have not converged."""
    ascent = _begin(problem, scheme, start, stopping)
    left = ~(ascent.error <= stopping.tolerance)
    if bool(left.any()):
        spent = int(ascent.steps[left].max())
        limit = stopping.with_limit(stopping.max_iterations - spent)
        rest = ascend(problem.select(left), ascent.v[left], limit)
        ascent.put(left, replace(rest, steps=rest.steps + ascent.steps[left]))
    return ascent


def _begin(
    problem: EntropicProblem, scheme: _Scheme, start: Tensor | None, stopping: Stopping
) -> Ascent:
    """Take the cheapest iterations that are safe: in the kernel domain, or in the log domain."""
    limit, m = stopping.max_iterations, problem.b.shape[1]
    v = torch.zeros_like(problem.b) if start is None else start.to(problem.b)
    scalings = stopping.with_limit(min(max(sinkhorn_kernel.SCALINGS, m), limit // 2))
    safe = sinkhorn_kernel.is_safe(problem)
    if bool(safe.all()):
        return scheme.scale(problem, v, scalings)
    count = min(sinkhorn_log.SWEEPS, limit) if start is None else 0
    ascent = Ascent.at(problem, scheme.sweep(problem, v, count), count)
    if bool(safe.any()):
        ascent.put(safe, scheme.scale(problem.select(safe), v[safe], scalings))
    return ascent
