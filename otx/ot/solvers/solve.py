"""Entropic transport from cost matrices: cheap iterations first, then Newton steps for what they leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from otx.ot.precision import no_autocast, to_solver_dtype
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.problems.length_grouping import Group, group_by_length
from otx.ot.problems.marginals import Optimum
from otx.ot.problems.problem import Problem
from otx.ot.solvers import in_chunks, on_chip, sinkhorn_kernel, sinkhorn_log
from otx.ot.solvers.newton import Ascent, ascend
from otx.ot.stopping import DEFAULT, Stopping
from otx.ot.transport import Transport, attach_slopes, defer_plan

SWEEPS = 12
"""Log-domain iterations before Newton: nearly enough where the cost's range is ten epsilons. Beyond, Newton is
cheaper."""
SCALINGS = 36
"""Kernel-domain iterations before Newton, for sentences: a Newton step costs as much as seven iterations up to 16
words, as thirty at 64. Problems with more columns than this get as many iterations as they have columns."""


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
    if initial is None and on_chip.can_solve(problem, stopping):
        return on_chip.solve_matrices(problem, stopping, rest=iterate)
    if initial is None and in_chunks.can_solve(problem, stopping):
        solved = in_chunks.solve_in_chunks(problem, None, stopping)
        if solved is not None:
            return solved
    return iterate(problem, stopping, initial=initial)


def iterate(problem: Problem, stopping: Stopping, *, initial: Tensor | None = None) -> Transport:
    """Solve a batch as ``solve`` does, but by operations that check as they go: on a CPU, and what a GPU's path left.

    Args:
        problem: The problems.
        stopping: When to stop working on a problem.
        initial: Target potentials g ``[B, M]`` to start from, in the cost's unit. Default: zero.

    Returns:
        Value, potentials, plan and convergence of every problem.

    Raises:
        ProblemError: If a problem has no solution, naming its index.
    """
    with no_autocast(problem.cost):
        problem = problem.at_least_float32()
        fixed = problem.detach()
        scheme = _AVERAGING if problem.symmetric else _ALTERNATING
        solution = _Solution.empty(fixed)
        for group in group_by_length(fixed.a, fixed.b):
            part = replace(
                fixed,
                cost=group.take(fixed.cost, group.n, group.m),
                a=group.take(fixed.a, group.n),
                b=group.take(fixed.b, group.m),
            )
            valid = validate(part, group.index)
            start = None
            if initial is not None:
                start = group.take(initial.detach(), group.m) / problem.epsilon
            solution.put(group, valid, _climb(valid, scheme, start, stopping), problem.epsilon)
        optimum = solution.optimum
        plan = defer_plan(fixed.cost, optimum.log_p, optimum.log_q, problem.epsilon)
        value = attach_slopes(
            optimum.value,
            (problem.cost, problem.a, problem.b),
            lambda: (plan(), optimum.slope_a, optimum.slope_b),
        )
        return Transport.from_potentials(
            fixed,
            optimum.f,
            optimum.g,
            value=value,
            plan=plan,
            iterations=solution.iterations,
            error=solution.error,
            converged=solution.error <= stopping.tolerance,
            mass=optimum.mass,
        )


@dataclass(frozen=True, eq=False)
class _Solution:
    """The solution of the whole batch, written group by group; 0 where there is no mass, -inf in the logarithms."""

    optimum: Optimum
    iterations: Tensor
    error: Tensor

    @classmethod
    def empty(cls, problem: Problem) -> _Solution:
        cost, a, b = problem.cost, problem.a, problem.b
        optimum = Optimum(
            value=cost.new_zeros(len(cost)),
            f=cost.new_zeros(a.shape),
            g=cost.new_zeros(b.shape),
            log_p=torch.full_like(to_solver_dtype(a), -torch.inf),
            log_q=torch.full_like(to_solver_dtype(b), -torch.inf),
            slope_a=torch.zeros_like(a),
            slope_b=torch.zeros_like(b),
            mass=cost.new_zeros(len(cost)),
        )
        iterations = torch.zeros(len(cost), dtype=torch.long, device=cost.device)
        return cls(optimum, iterations, to_solver_dtype(cost.new_zeros(len(cost))))

    def put(self, group: Group, problem: EntropicProblem, ascent: Ascent, epsilon: float) -> None:
        part = problem.optimum(ascent.u, ascent.v, epsilon)
        for field in fields(Optimum):
            group.put(getattr(part, field.name), getattr(self.optimum, field.name))
        group.put(ascent.steps, self.iterations)
        group.put(ascent.error, self.error)


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
    _, _, m = problem.exponent.shape
    limit = stopping.max_iterations
    v = torch.zeros_like(problem.b) if start is None else start.to(problem.b)
    scalings = stopping.with_limit(min(max(SCALINGS, m), limit // 2))
    safe = sinkhorn_kernel.is_safe(problem)
    if bool(safe.all()):
        return scheme.scale(problem, v, scalings)
    count = min(SWEEPS, limit) if start is None else 0
    ascent = Ascent.at(problem, scheme.sweep(problem, v, count), count)
    if bool(safe.any()):
        ascent.put(safe, scheme.scale(problem.select(safe), v[safe], scalings))
    return ascent
