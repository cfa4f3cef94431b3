"""From a problem to its Transport: cheap iterations first, then Newton's steps for what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from otx.ot.kernels import available, fits
from otx.ot.kernels.on_chip import solve_on_chip
from otx.ot.precision import at_least_float32, no_autocast, to_solver_dtype
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.problems.length_grouping import Group, groups
from otx.ot.problems.marginals import Taus
from otx.ot.solvers import sinkhorn_kernel, sinkhorn_log
from otx.ot.solvers.newton import Ascent, ascend
from otx.ot.transport import Transport, envelope, plan_later

SWEEPS = 12
"""Nearly enough where the cost's range is ten epsilons; where it is more, Newton is cheaper."""
SCALINGS = 36
"""Of sentences: a Newton step costs as much as seven up to 16 words, as thirty at 64. Where there are more columns
than that, as many as columns."""


@dataclass(frozen=True)
class Scheme:
    """How iterations go: ``scale`` in the kernel domain where that is safe, ``sweep`` in the log domain."""

    scale: Callable[[EntropicProblem, Tensor, float, int], Ascent]
    sweep: Callable[[EntropicProblem, Tensor, int], Tensor]


ALTERNATING = Scheme(sinkhorn_kernel.alternate, sinkhorn_log.alternate)
AVERAGING = Scheme(sinkhorn_kernel.average, sinkhorn_log.average)
"""For a side against itself."""


def solve(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    tau: Taus,
    scheme: Scheme,
    tolerance: float,
    max_iterations: int,
    initial: Tensor | None = None,
) -> Transport:
    """Solve ``cost [B, N, M]`` between ``a [B, N]`` and ``b [B, M]``.

    The start is ``initial``, potentials g ``[B, M]``, or else zero. All is computed in float64 (see
    precision) and returned in the cost's dtype, float32 at least.
    """
    with no_autocast(cost):
        cost, a, b = at_least_float32(cost), at_least_float32(a), at_least_float32(b)
        fixed, p, q = cost.detach(), a.detach(), b.detach()
        found = _Solution.empty(fixed, p, q)
        for group in groups(p, q):
            sides = group.of(p, group.n), group.of(q, group.m)
            part = group.of(fixed, group.n, group.m)
            problem = validate(part, *sides, epsilon, tau, group.index)
            start = None if initial is None else group.of(initial.detach(), group.m) / epsilon
            ascent = _climbed(problem, scheme, start, tolerance, max_iterations)
            found.fill(group, problem, ascent, epsilon)
        entries = plan_later(fixed, found.log_p, found.log_q, epsilon)
        value = envelope(found.value, (cost, a, b), lambda: (entries(), found.to_a, found.to_b))
        return Transport(
            value=value,
            f=found.f,
            g=found.g,
            entries=entries,
            iterations=found.iterations,
            marginal_error=found.error.to(cost),
            converged=found.error <= tolerance,
            mass=found.mass,
        )


@dataclass(frozen=True, eq=False)
class _Solution:
    """The parts of a Transport of the whole batch, filled group by group; 0 where there is no mass.

    ``log_p [B, N]`` and ``log_q [B, M]`` are logarithms of the plan's scalings, -inf where there is none.
    """

    value: Tensor
    f: Tensor
    g: Tensor
    log_p: Tensor
    log_q: Tensor
    to_a: Tensor
    to_b: Tensor
    iterations: Tensor
    error: Tensor
    mass: Tensor

    @classmethod
    def empty(cls, cost: Tensor, a: Tensor, b: Tensor) -> _Solution:
        batch = len(cost)
        return cls(
            value=cost.new_zeros(batch),
            f=cost.new_zeros(a.shape),
            g=cost.new_zeros(b.shape),
            log_p=torch.full_like(to_solver_dtype(a), -torch.inf),
            log_q=torch.full_like(to_solver_dtype(b), -torch.inf),
            to_a=torch.zeros_like(a),
            to_b=torch.zeros_like(b),
            iterations=torch.zeros(batch, dtype=torch.long, device=cost.device),
            error=to_solver_dtype(cost.new_zeros(batch)),
            mass=cost.new_zeros(batch),
        )

    def fill(self, group: Group, problem: EntropicProblem, ascent: Ascent, epsilon: float) -> None:
        u, v = problem.centred(ascent.u, ascent.v)
        mass = problem.row_target(u).sum(1)
        to_a, to_b = problem.slopes(u, v)
        for part, into in (
            (epsilon * problem.dual(u, v, mass), self.value),
            ((epsilon * u).masked_fill(problem.a == 0, 0), self.f),
            ((epsilon * v).masked_fill(problem.b == 0, 0), self.g),
            (problem.log_a + u, self.log_p),
            (problem.log_b + v, self.log_q),
            (epsilon * to_a, self.to_a),
            (epsilon * to_b, self.to_b),
            (ascent.steps, self.iterations),
            (ascent.error, self.error),
            (mass, self.mass),
        ):
            group.put(part, into)


def _climbed(
    problem: EntropicProblem, scheme: Scheme, start: Tensor | None, tolerance: float, limit: int
) -> Ascent:
    """From ``start`` to the end: cheap iterations, then Newton's steps for those that they leave behind."""
    found = _begun(problem, scheme, start, tolerance, limit)
    left = ~(found.error <= tolerance)
    if bool(left.any()):
        spent = int(found.steps[left].max())
        rest = ascend(problem.select(left), found.v[left], tolerance, limit - spent)
        found.put(left, replace(rest, steps=rest.steps + found.steps[left]))
    return found


def _begun(
    problem: EntropicProblem, scheme: Scheme, start: Tensor | None, tolerance: float, limit: int
) -> Ascent:
    """What the cheapest iterations that are safe make of the problems: on chip, by kernel, or in the log domain."""
    _, n, m = problem.exponent.shape
    if start is None and limit >= 4 and available(problem.exponent) and fits(n, m):
        on_chip = solve_on_chip(problem, tolerance, limit * 3 // 4)
        # Its error is what float32 sees: Newton's first look measures it in float64.
        unmeasured = torch.full_like(on_chip.error, torch.inf, dtype=problem.b.dtype)
        u, v = (side.to(problem.b).nan_to_num(0, 0, 0) for side in (on_chip.u, on_chip.v))
        return Ascent(u, v, on_chip.steps.long(), unmeasured)
    v = torch.zeros_like(problem.b) if start is None else start.to(problem.b)
    scalings = min(max(SCALINGS, m), limit // 2)
    safe = sinkhorn_kernel.is_safe(problem)
    if bool(safe.all()):
        return scheme.scale(problem, v, tolerance, scalings)
    count = min(SWEEPS, limit) if start is None else 0
    found = Ascent.at(problem, scheme.sweep(problem, v, count), count)
    if bool(safe.any()):
        found.put(safe, scheme.scale(problem.select(safe), v[safe], tolerance, scalings))
    return found
