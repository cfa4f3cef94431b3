"""Entropic transport of a part of the mass: no word has to find a partner."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import at_least_float32, no_autocast
from otx.ot.problems.entropic import EntropicProblem, validate
from otx.ot.solvers.sinkhorn_log import cooling
from otx.ot.transport import Transport, envelope

CHECKED_EVERY = 10
COOLING = 50
_FREE = (1.0, 1.0)
"""Any finite tau lets the two sides have different totals; it is not used beyond that."""


def partial_transport(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    mass: float | Tensor,
    tolerance: float = 1e-6,
    max_iterations: int = 2_000,
) -> Transport:
    """``min <P, C> + epsilon KL(P | a b^T)`` over P >= 0 with P 1 <= a, P^T 1 <= b and a total of ``mass``.

    ``cost [B, N, M]``, ``a [B, N]`` and ``b [B, M]`` as for ``sinkhorn``, of any total; ``mass`` (one
    number, or ``[B]``) is above 0 and at most the smaller of both totals. Solved by Bregman's
    cyclic projections (Benamou et al., "Iterative Bregman projections for regularized
    transportation problems", 2015, section 5): each potential is Sinkhorn's, but never above 0, and
    the total is exact. It begins warm and cools for ``COOLING`` iterations.

    ``f`` and ``g`` are at most 0 where finite, and 0 where a word keeps some of its mass; the price
    of the whole, the derivative of ``value`` by ``mass``, is not among them. ``marginal_error`` is the
    L1 distance, in mass, of the plan's marginals from what they may be: at most a and b, and equal
    where the potential is below 0. POT's ``ot.partial.entropic_partial_wasserstein`` has the same plan
    for the cost ``C - epsilon log(a b^T)``, its reference measure being the constant one.

    Raises ProblemError as ``otx.ot.problems.entropic.validate`` says, and for a mass out of range.
    """
    with no_autocast(cost):
        cost, a, b = at_least_float32(cost), at_least_float32(a), at_least_float32(b)
        posed = validate(cost, a, b, epsilon, _FREE)
        tight = torch.zeros_like(posed.eps_over_tau_rows)
        problem = replace(posed, eps_over_tau_rows=tight, eps_over_tau_columns=tight)
        total = _total(problem, mass)
        u, v, w, steps, error = _solve(problem, total, tolerance, max_iterations)
        plan = problem.plan(u + w[:, None], v)
        dual = (problem.a * u).sum(1) + (problem.b * v).sum(1) + total * w
        value = epsilon * (dual - plan.sum((1, 2)) + problem.a.sum(1) * problem.b.sum(1))
        to_a = (epsilon * _slope(problem.a, u, plan.sum(2), problem.b)).to(a)
        to_b = (epsilon * _slope(problem.b, v, plan.sum(1), problem.a)).to(b)
        known = plan.to(cost)
        return Transport(
            value=envelope(value.to(cost), (cost, a, b), lambda: (known, to_a, to_b)),
            f=(epsilon * u).masked_fill(problem.a == 0, 0).to(cost),
            g=(epsilon * v).masked_fill(problem.b == 0, 0).to(cost),
            entries=lambda: known,
            iterations=steps,
            marginal_error=error.to(cost),
            converged=error <= tolerance,
            mass=plan.sum((1, 2)).to(cost),
        )


def _total(problem: EntropicProblem, mass: float | Tensor) -> Tensor:
    total = torch.as_tensor(mass).to(problem.a).expand(len(problem.a))
    most = torch.minimum(problem.a.sum(1), problem.b.sum(1)) * (1 + 1e-6)
    bad = ~((total > 0) & (total <= most))
    if bool(bad.any()):
        at = int(bad.nonzero()[0, 0])
        raise ProblemError(
            f"problem {at}: a mass of {total[at].item():g} cannot be transported",
            f"it must be above 0 and at most {most[at].item():g}, the smaller side's",
        )
    return total


def _solve(
    problem: EntropicProblem, total: Tensor, tolerance: float, limit: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Potentials u, v and w, iterations and errors; a problem leaves the work once it has converged."""
    u, v, w = _cooled(problem, total, min(COOLING, limit))
    steps, errors = torch.full_like(total, limit, dtype=torch.long), _error(problem, u, v, w)
    index = torch.arange(len(total), device=total.device)
    for step in range(min(COOLING, limit), limit + 1):
        if step % CHECKED_EVERY == 0 or step == limit:
            error = _error(problem.select(index), u[index], v[index], w[index])
            errors[index] = error
            steps[index[error <= tolerance]] = step
            index = index[error > tolerance]
            if step == limit or not len(index):
                break
        active = problem.select(index)
        u[index], v[index], w[index] = _projected(active, total[index], v[index], w[index])
    return u, v, w, steps, errors


def _cooled(problem: EntropicProblem, total: Tensor, sweeps: int) -> tuple[Tensor, Tensor, Tensor]:
    u, v, w = torch.zeros_like(problem.a), torch.zeros_like(problem.b), total.log()
    for temperature, heated in cooling(problem, sweeps):
        warm = temperature[:, 0]
        found = _projected(heated, total, v / temperature, w / warm)
        u, v, w = found[0] * temperature, found[1] * temperature, found[2] * warm
    return u, v, w


def _projected(
    problem: EntropicProblem, total: Tensor, v: Tensor, w: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One cycle: rows to at most a, columns to at most b, all to the total."""
    u = problem.rows(v + w[:, None]).clamp(max=0).masked_fill(problem.a == 0, 0)
    v = problem.columns(u + w[:, None]).clamp(max=0).masked_fill(problem.b == 0, 0)
    inflow = problem.b * torch.exp(v - problem.columns(u))
    return u, v, total.log() - inflow.sum(1).log()


def _error(problem: EntropicProblem, u: Tensor, v: Tensor, w: Tensor) -> Tensor:
    plan = problem.plan(u + w[:, None], v)
    return _miss(plan.sum(2), problem.a, u) + _miss(plan.sum(1), problem.b, v)


def _miss(marginal: Tensor, limit: Tensor, potential: Tensor) -> Tensor:
    gap = marginal - limit
    return torch.where(potential < 0, gap.abs(), gap.clamp(min=0)).sum(1)


def _slope(own: Tensor, potential: Tensor, marginal: Tensor, other: Tensor) -> Tensor:
    """The derivative of the dual, over epsilon, by the masses of one side."""
    share = marginal / own.masked_fill(own == 0, 1)
    return (potential - share + other.sum(1, keepdim=True)).masked_fill(own == 0, 0)
